"""Cycles on data as it is elsewhere."""

import logging
from dataclasses import replace
from typing import Any

import psycopg2
import pytest

from retrain.cycle.check import check
from retrain.errors import BlockedDataError
from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.records import Outcome
from retrain.spec.parse import parse
from retrain.spec.source import Split
from tests.conftest import Database
from tests.core.conftest import Make, World
from tests.core.cycle.looking import quick


def changed(model: World, **fields: Any) -> World:
    """The same model after somebody has changed these fields of its spec."""
    data = model.spec.model_dump(mode="json")
    for name, value in fields.items():
        data[name] = {**data[name], **value} if isinstance(value, dict) else value
    return replace(model, spec=parse(data, "toy.yaml"))


@pytest.mark.parametrize("text", ["", " \t", "\u3000"])
def test_empty_labels_block_a_cycle_until_the_spec_says_what_they_are(
    world: Make, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    """B1."""
    model = quick(world)
    model.feed(600)
    model.execute(f"UPDATE rows SET label = '{text}' WHERE id IN (7, 8)")

    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(BlockedDataError, match=r"write source\.empty_label: unlabelled"),
    ):
        check(model.cycle(), model.take())
    (headline,) = model.headlines()
    assert "empty_labels: 2 of 600 rows have an empty label" in headline
    assert "key 7, 8" in caplog.text
    assert model.ledger.last_consumed(model.model) is None

    waiting = changed(model, source={"empty_label": "unlabelled"})
    assert waiting.take().rows == 598
    check(waiting.cycle(), waiting.take())
    a_class = changed(model, source={"empty_label": "class"})
    assert a_class.take().rows == 600
    check(a_class.cycle(), a_class.take())


def test_an_infinite_number_is_named_by_column_and_key_before_training(
    world: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """B14."""
    model = quick(world)
    model.feed(600)
    model.execute("UPDATE rows SET b = 'infinity' WHERE id = 9")

    with caplog.at_level(logging.WARNING), pytest.raises(BlockedDataError, match="infinite numbers are in b in 1 rows"):
        check(model.cycle(), model.take())
    assert "key 9" in caplog.text
    (headline,) = model.headlines()
    assert "key" not in headline


def test_a_row_of_the_future_hides_none_that_comes_before_it(world: Make) -> None:
    """B10."""
    model = quick(world)
    model.feed(600)
    model.execute("UPDATE rows SET labelled_at = now() + interval '2 hours' WHERE id = 5")
    model.judge()
    model.execute("INSERT INTO rows SELECT n, 1, 1, 'yes', now() FROM generate_series(9001, 9300) AS n")

    assert model.sense().new_rows >= 300


def test_a_feature_that_is_added_moves_no_row_and_promotion_goes_on(world: Make) -> None:
    """B17."""
    model = quick(world)
    model.feed(2000)
    model.promote()
    before = dict(_subsets(model))
    model.execute("ALTER TABLE rows ADD c float8 DEFAULT random()")
    candidate = {"name": "whole", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b", "c"]}}
    wider = changed(model, source={"features": ["a", "b", "c"]}, candidates=[candidate])

    after = dict(_subsets(wider))
    _, verdict = wider.judge()

    assert after == before
    assert verdict.overlap == 0
    assert verdict.outcome is not Outcome.INCONCLUSIVE, verdict.reason


def test_a_feature_that_is_dropped_stays_hashed_while_it_may_be_read(world: Make) -> None:
    """B17."""
    model = quick(world)
    model.feed(1000)
    model.judge()
    before = dict(_subsets(model))
    candidate = {"name": "whole", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a"]}}
    narrower = changed(model, source={"features": ["a"]}, candidates=[candidate], gate={"signature": "any"})
    model.headlines()

    assert dict(_subsets(narrower)) == before
    assert narrower.headlines() == []
    narrower.execute("ALTER TABLE rows DROP b")
    assert narrower.take().split_version == 2
    (headline,) = narrower.headlines()
    assert "rows are split anew, because the source no longer has b" in headline


def test_production_is_asked_with_a_column_that_only_it_still_takes(world: Make) -> None:
    """B18."""
    floor = {"metric": "accuracy", "floor": 0.5, "round_rows": 100, "signature": "any"}
    model = world(gate=floor, source=_source("a"), candidates=[_candidate("a")])
    model.feed(2000)
    model.promote()
    wider = changed(model, source=_source("a", "b"), candidates=[_candidate("a", "b")])
    assert wider.promote().to_version == "2"
    wider.feed(1000)

    narrower = changed(model, source=_source("a"), candidates=[_candidate("a")])
    _, verdict = narrower.judge()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "takes b, which the spec does not read; write source.also_read: [b]" in verdict.reason
    _, verdict = changed(narrower, source={"also_read": ["b"]}).judge()
    assert verdict.outcome is Outcome.HOLD, verdict.reason
    assert verdict.production_score is not None


def test_production_is_asked_with_what_is_hashed_though_no_candidate_takes_it(world: Make) -> None:
    """B18."""
    model = quick(world)
    model.feed(2000)
    model.promote()
    narrower = changed(model, source=_source("a"), candidates=[_candidate("a")], gate={"signature": "any"})

    _, verdict = narrower.judge()

    assert verdict.outcome is Outcome.HOLD, verdict.reason


def test_an_empty_holdout_is_said_and_no_model_is_asked(world: Make) -> None:
    """B20."""
    model = quick(world, split={"validation": 0.4, "holdout": 1e-9})
    model.feed(600)

    _, verdict = model.judge()

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "the holdout is empty: of 600 rows none judges" in verdict.reason
    assert "sample" not in verdict.reason


def _subsets(model: World) -> list[tuple[str, str]]:
    table = model.snapshots.table(model.take(), ["key", "retrain.subset"])
    return list(zip(table["key"].to_pylist(), table["retrain.subset"].to_pylist(), strict=True))


def _source(*features: str) -> dict[str, Any]:
    return {"table": "rows", "key": "id", "label": "label", "label_time": "labelled_at", "features": list(features)}


def _candidate(*columns: str) -> dict[str, Any]:
    return {"name": "it", "estimator": "tests.core.toys:logistic", "params": {"columns": list(columns)}}


def test_a_ledger_whose_role_has_another_encoding_takes_names_in_korean(database: Database) -> None:
    """B8."""
    ledger = Ledger(lambda: psycopg2.connect(database.dsn, client_encoding="LATIN1"))
    ledger.migrate()

    made = ledger.begin_model("자소서", Split(), columns=["글"], announcement=texts.of_split_version)

    assert ledger.split_columns("자소서") == made.columns == ("글",)
