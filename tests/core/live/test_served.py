"""Predictions as they were served, joined with later labels, with a real PostgreSQL and a real MLflow server."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from retrain.errors import SourceMismatchError
from retrain.later import CohortScore
from retrain.live.look import look
from retrain.live.observe import observe
from retrain.live.predict import Predicting
from retrain.live.rollback_case import does_better
from retrain.source.layout import Within
from retrain.source.served import Served
from retrain.spec.served import ServedSpec
from tests.core.conftest import Cast, World
from tests.core.live.conftest import came, in_production_for_weeks, labelled, observing, week

TABLE = "CREATE TABLE served (id bigint, version text, at timestamptz, prediction text, score float8)"
RIGHT, WRONG = "prediction = label", "CASE label WHEN 'yes' THEN 'no' ELSE 'yes' END"


@pytest.fixture
def model(cast: Cast) -> World:
    model = cast(in_production_for_weeks)
    model.execute(TABLE)
    return logged(model)


def logged(model: World, **fields: Any) -> World:
    model.spec = model.spec.model_copy(update={"predictions": ServedSpec(table="served", key="id", **fields)})
    return model


def faithfully(model: World, version: str = "1", where: str = "TRUE") -> None:
    """Log for each later row what the version says of it, a minute before its label came."""
    with Predicting(observing(model)) as predicting:
        (known,) = (each for each in model.ledger.known_versions(model.model) if each.number == version)
        found = predicting.predicted(known, Within("labelled_at", week(20), week(-1)), 1, "")
    assert found is not None
    values = ", ".join(f"({key}, '{said}')" for key, said in zip(found.keys, found.predictions.labels, strict=True))
    model.execute(
        f"INSERT INTO served SELECT k, '{version}', labelled_at - interval '1 minute', p "
        f"FROM (VALUES {values}) v (k, p) JOIN rows ON id = k WHERE {where}"
    )


def serve(model: World, what: str, *, version: str = "1", before: str = "1 minute", where: str = "TRUE") -> None:
    """Log something else for rows that were labelled later."""
    model.execute(
        f"INSERT INTO served SELECT id, '{version}', labelled_at - interval '{before}', {what} FROM rows "
        f"WHERE labelled_at >= '{week(5).isoformat()}' AND {where}"
    )


def observed(model: World) -> list[CohortScore]:
    with Predicting(observing(model)) as predicting:
        scores, unasked = observe(observing(model), predicting)
    assert unasked == {}
    return scores


def test_what_was_served_is_scored_and_not_what_the_version_says_now(model: World) -> None:
    labelled(model, 200, week(1))
    serve(model, "label")
    (score,) = observed(model)
    assert (score.rows, score.unserved, score.score) == (200, 0, 1.0)
    assert score.asked == 200
    assert 0 < score.skewed < 60  # a tenth of the labels are wrong
    assert observed(model) == []


def test_a_log_that_is_faithful_has_no_skew(model: World) -> None:
    labelled(model, 200, week(1))
    faithfully(model)
    looked = look(observing(model))
    (score,) = looked.scores
    assert (score.rows, score.asked, score.skewed) == (200, 200, 0)
    assert score.score == pytest.approx(0.9, abs=0.08)
    assert looked.faults == ()


def test_rows_for_which_nothing_was_served_do_not_count_and_are_counted(model: World) -> None:
    labelled(model, 200, week(1))
    serve(model, "label", where="id % 4 = 0")
    (score,) = observed(model)
    assert (score.labelled, score.rows, score.unserved) == (200, 50, 150)


def test_the_last_prediction_before_the_label_counts(model: World) -> None:
    labelled(model, 100, week(1))
    serve(model, WRONG, before="2 hours")
    serve(model, "label", before="1 minute")
    serve(model, WRONG, before="-1 minute")  # after the label
    serve(model, "NULL", before="0 minutes")
    (score,) = observed(model)
    assert (score.rows, score.unserved, score.score) == (100, 0, 1.0)


def test_a_prediction_that_comes_late_restates_its_week(model: World) -> None:
    labelled(model, 100, week(1))
    serve(model, "label", where="id % 2 = 0")
    (first,) = observed(model)
    serve(model, "label", where="id % 2 = 1")
    (second,) = observed(model)
    assert (first.rows, second.rows, second.restated) == (50, 100, 1)


def test_a_row_belongs_to_the_version_that_served_it(model: World, caplog: pytest.LogCaptureFixture) -> None:
    model.feed(2000, turn=1.2)
    model.promote()
    came(model, "2", week(1) + timedelta(hours=1))
    labelled(model, 90, week(1) + timedelta(hours=2))
    serve(model, "label", where="id % 3 = 0", version="1")
    serve(model, WRONG, where="id % 3 = 1", version="2")
    serve(model, WRONG, where="id % 3 = 2", version="v7")
    with caplog.at_level(logging.WARNING):
        scores = observed(model)
    assert [(each.version, each.rows, each.score) for each in scores] == [("1", 30, 1.0), ("2", 30, 0.0)]
    assert "'v7' served rows, and no version of this number was in Production" in caplog.text


def test_skew_is_told_once_and_is_over_when_a_later_week_has_none(model: World) -> None:
    labelled(model, 300, week(2))
    serve(model, "'yes'")
    for _ in range(2):
        looked = look(observing(model))
        assert "live/skew/1" in {each.name for each in looked.faults}
    told = [each for each in model.headlines() if "served otherwise" in each]
    assert len(told) == 1
    assert told[0].startswith(f"{model.model}: version 1 was served otherwise than it predicts: of 300 rows")
    labelled(model, 300, week(1))
    faithfully(model, where=f"labelled_at >= '{week(1).isoformat()}'")
    looked = look(observing(model))
    assert "live/skew/1" not in {each.name for each in looked.faults}
    assert any("over" in each and "served otherwise" in each for each in model.headlines())


def test_scores_give_probabilities_and_a_served_score_that_differs_is_skew(model: World) -> None:
    gate = model.spec.gate.model_copy(update={"metric": "roc_auc", "positive": "yes"})
    model.spec = model.spec.model_copy(update={"gate": gate})
    logged(model, score="score")
    labelled(model, 200, week(1))
    serve(model, "label, CASE label WHEN 'yes' THEN 0.9 ELSE 0.2 END")
    (score,) = observed(model)
    assert (score.score, score.calibration is None, score.asked) == (1.0, False, 200)
    assert score.skewed > 150  # the version is not that sure, or surer
    model.execute("UPDATE served SET score = 1.2")
    with pytest.raises(SourceMismatchError, match=r"^served: 'score' is not between 0 and 1 in some rows"):
        observed(model)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("ALTER TABLE served DROP COLUMN prediction", "served: there is no column 'prediction'; it has id, version"),
        ("ALTER TABLE served ALTER at TYPE text", "served: 'at' is not a time; cast it in a query file"),
        ("DROP TABLE served", "served"),
    ],
)
def test_a_log_that_is_not_as_the_spec_says_is_named(model: World, broken: str, says: str) -> None:
    model.execute(broken)
    of = observing(model)
    assert of.served is not None
    with pytest.raises(SourceMismatchError, match=says):
        of.served.check()


def test_keys_are_compared_as_text_where_their_types_differ(model: World) -> None:
    model.execute("ALTER TABLE served ALTER id TYPE text")
    labelled(model, 40, week(1))
    model.execute("INSERT INTO served SELECT id::text, '1', labelled_at, label FROM rows")
    (score,) = observed(model)
    assert (score.rows, score.score) == (40, 1.0)


def test_a_query_file_is_read_as_a_table(model: World) -> None:
    labelled(model, 40, week(1))
    serve(model, "label")
    spec = ServedSpec(query="served.sql")
    query = "SELECT id, version, at, prediction FROM served -- all of it"
    found = Served(model.source, spec, query).rows(Within("labelled_at", week(1), week(0)))
    assert found.num_rows == 40
    assert found.column_names == ["key", "version", "prediction", "score"]


def test_a_rollback_is_not_proposed_for_what_serving_does_wrong(model: World) -> None:
    model.feed(2000, turn=1.2)
    model.promote()
    came(model, "2", week(2))
    labelled(model, 300, week(1), turn=1.2)
    serve(model, WRONG, version="2")
    (score,) = observed(model)
    assert (score.version, score.score) == ("2", 0.0)
    assert does_better(observing(model), [score]) is None
