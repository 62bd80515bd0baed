"""The verb `sense`, against a real PostgreSQL and a real MLflow server."""

from retrain.cycle.sense import sense
from tests.core.conftest import Make
from tests.core.cycle.looking import quick


def test_sensing_says_how_many_rows_are_missing_and_starts_again_after_a_verdict(world: Make) -> None:
    model = quick(world)
    model.feed(300)
    sensed = sense(model.spec, source=model.source, ledger=model.ledger)
    assert (sensed.enough, sensed.missing) == (False, 200)
    model.feed(700)
    assert sense(model.spec, source=model.source, ledger=model.ledger).enough
    model.judge()
    assert sense(model.spec, source=model.source, ledger=model.ledger).new_rows == 0
    model.feed(100)
    assert sense(model.spec, source=model.source, ledger=model.ledger).new_rows == 100


def test_without_a_label_time_sensing_counts_what_the_last_snapshot_did_not_hold(world: Make) -> None:
    model = quick(world, source={"table": "rows", "key": "id", "label": "label", "features": ["a", "b"]})
    model.feed(800)
    model.judge()
    assert sense(model.spec, source=model.source, ledger=model.ledger).new_rows == 0
    model.feed(120)
    assert sense(model.spec, source=model.source, ledger=model.ledger).new_rows == 120
