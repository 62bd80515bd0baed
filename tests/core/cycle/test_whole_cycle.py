"""A model's cycle by its verbs one after the other: run again, with each split, and for a regression."""

from dataclasses import replace

from retrain.cycle.evaluate import evaluate
from retrain.cycle.promote import promote
from retrain.records import Outcome, Subset
from retrain.spec.parse import parse
from retrain.spec.source import Split
from tests.core import toys
from tests.core.conftest import Cast, Make
from tests.core.cycle.looking import promoted, quick


def test_every_step_run_again_gives_the_same_result_once(world: Make) -> None:
    model = world()
    model.feed(2000)
    cycle, snapshot = model.cycle("again"), model.take()
    assert model.take() == snapshot
    candidates = model.train(cycle, snapshot)
    assert model.train(model.cycle("again"), snapshot) == candidates
    verdict = evaluate(cycle, snapshot, candidates, dry_run=False)
    assert evaluate(model.cycle("again"), snapshot, candidates, dry_run=False) == verdict
    promotion = promote(cycle, verdict)
    assert promote(model.cycle("again"), verdict) == promotion
    assert len(model.headlines()) == 2
    assert model.ledger.tests_spent(model.model, 1) == 1


def test_split_by_time_the_newest_rows_judge(world: Make) -> None:
    model = quick(world, split={"by": "time", "gap": "1m"})
    model.feed(2000)
    snapshot = model.take()
    # Rows are labelled a second apart.
    assert snapshot.subsets == {
        Subset.TRAIN: 1080,
        Subset.VALIDATION: 400,
        Subset.HOLDOUT: 400,
        Subset.WAITING: 0,
        Subset.GAP: 120,
    }
    _, verdict = model.judge()
    assert (verdict.outcome, verdict.rows, verdict.overlap) == (Outcome.PROMOTE, 400, 0)


def test_split_by_group_each_group_is_one_cluster(world: Make) -> None:
    source = {"table": "rows", "key": "id", "label": "label", "features": ["a", "b"], "group": "applicant"}
    model = quick(world, source=source, split={"by": "group"})
    with model.database.connect() as session:
        session.cursor().execute("ALTER TABLE rows ADD applicant bigint GENERATED ALWAYS AS (id / 2) STORED")
    model.feed(2000)
    _, verdict = model.judge()
    assert verdict.outcome is Outcome.PROMOTE
    assert verdict.rows == 2 * verdict.clusters > 0


def test_after_a_change_of_the_split_rows_that_production_has_trained_on_do_not_judge(cast: Cast) -> None:
    model = cast(promoted)
    model.spec = model.spec.model_copy(update={"split": Split(by="time")})
    _, verdict = model.judge()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "left out because a model had trained on them" in verdict.reason
    assert verdict.overlap + verdict.rows == 400
    assert verdict.matchup.holdout_round == 2
    split, judged = model.headlines()
    assert "the spec splits rows by time (0.2 validation, 0.2 holdout), no longer by hash" in split
    assert "INCONCLUSIVE" in judged
    model.feed(600)
    snapshot = model.take()
    assert (snapshot.new_rows, snapshot.split_version) == (600, 2)
    _, verdict = model.judge()
    # Whether it is close enough depends on the random salt of the first split, by which the first version has trained.
    assert verdict.outcome is not Outcome.INCONCLUSIVE
    assert (verdict.rows, verdict.overlap) == (600, 0)
    assert verdict.matchup.anchor is None  # what was compared under another split does not count
    assert (verdict.matchup.holdout_round, verdict.matchup.test) == (3, 1)


def test_a_regression_goes_the_same_way(world: Make) -> None:
    source = {"table": "numbers", "key": "id", "label": "y", "label_time": "labelled_at", "features": ["a", "b"]}
    model = world(
        source=source,
        task="regression",
        candidates=[{"name": "ridge", "estimator": "tests.core.toys:ridge", "params": {"columns": ["a", "b"]}}],
        gate={"metric": "rmse", "ceiling": 2.0, "limits": [{"metric": "sklearn:explained_variance", "floor": 0.1}]},
    )
    with model.database.connect() as session:
        toys.numbers(session, "numbers", 1500)
    cycle, verdict = model.judge()
    assert verdict.outcome is Outcome.PROMOTE, verdict.reason
    assert verdict.score is not None
    assert 0.5 < verdict.score < 1.5  # what is left: the noise and the squares, on rows that the salt has chosen
    assert "explained_variance" in " ".join(guard.says for guard in verdict.guards)
    promote(cycle, verdict)
    better = [
        {"name": "squared", "estimator": "tests.core.toys:ridge", "params": {"columns": ["a", "b"], "squares": True}}
    ]
    data = {**model.spec.model_dump(mode="json"), "candidates": better}
    after = replace(model, spec=parse(data, "toy.yaml"))
    with model.database.connect() as session:
        toys.numbers(session, "numbers", 1500, first=1500)
    _, verdict = after.judge()
    assert verdict.outcome is Outcome.PROMOTE, verdict.reason
    assert verdict.difference is not None
    assert verdict.difference < 0
    assert "below 0 is better" in verdict.reason
