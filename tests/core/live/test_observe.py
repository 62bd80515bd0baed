"""Later rows and their scores, with a real PostgreSQL and a real MLflow server."""

from datetime import timedelta

import pytest

from retrain.cycle.retention import forget
from retrain.errors import SnapshotError
from retrain.later import CohortScore
from retrain.live import predicted as files
from retrain.live.observe import observe
from retrain.live.predict import Predicting
from retrain.models.sandbox import Sandbox
from tests.core.conftest import Cast, World
from tests.core.live.conftest import came, in_production_for_weeks, labelled, observing, week


def observed(model: World) -> list[CohortScore]:
    with Predicting(observing(model)) as predicting:
        scores, unasked = observe(observing(model), predicting)
    assert unasked == {}
    return scores


@pytest.fixture
def model(cast: Cast) -> World:
    return cast(in_production_for_weeks)


def test_later_rows_are_scored_by_the_week_in_which_they_were_labelled(model: World) -> None:
    labelled(model, 300, week(2))
    labelled(model, 200, week(1))
    first, second = observed(model)
    assert [(each.begins, each.rows, each.open) for each in (first, second)] == [
        (week(2), 300, False),
        (week(1), 200, False),
    ]
    for each in (first, second):
        assert each.of == model.ledger.production(model.model)
        assert each.metric == model.spec.gate.metric
        assert each.score is not None
        assert each.error is not None
        assert each.interval is not None
        assert each.score == pytest.approx(0.9, abs=0.06)  # a tenth of the labels are wrong
        assert each.interval[0] < each.score < each.interval[1]
        assert 0.01 < each.error < 0.03
        assert each.calibration is not None
    assert model.ledger.cohorts(model.model, timedelta(days=7)) == [first, second]
    assert observed(model) == []


def test_rows_that_the_version_was_made_from_or_judged_on_do_not_count(model: World) -> None:
    model.execute(f"UPDATE rows SET labelled_at = '{week(1).isoformat()}'")
    copies = "INSERT INTO rows SELECT id + 50000, a, b, label, labelled_at FROM rows WHERE id < 100"
    model.execute(copies)
    labelled(model, 50, week(1))
    (score,) = observed(model)
    assert (score.labelled, score.rows) == (2150, 50)


def test_a_week_that_has_not_ended_is_open_and_no_row_is_asked_twice(
    model: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    ask = Sandbox.ask

    def counted(self: Sandbox, *positional: object, **named: object) -> object:
        asked.append(len(positional[3]))  # type: ignore[arg-type]
        return ask(self, *positional, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Sandbox, "ask", counted)
    labelled(model, 60, week(0))
    (first,) = observed(model)
    labelled(model, 40, week(0))
    (second,) = observed(model)
    assert (first.open, second.open, second.rows, second.restated) == (True, True, 100, 0)
    assert asked == [60, 40]


def test_a_label_that_is_corrected_restates_its_week(model: World) -> None:
    labelled(model, 100, week(2))
    (before,) = observed(model)
    model.execute(f"UPDATE rows SET label = 'no' WHERE labelled_at >= '{week(2).isoformat()}'")
    (after,) = observed(model)
    assert (before.restated, after.restated, after.rows) == (0, 1, 100)
    assert after.score != before.score
    model.execute(f"DELETE FROM rows WHERE labelled_at >= '{week(2).isoformat()}'")
    (gone,) = observed(model)
    assert (gone.restated, gone.rows, gone.score) == (2, 0, None)


def test_a_week_closes_when_its_labels_have_had_their_time(model: World) -> None:
    labelled(model, 100, week(1))
    watch = model.spec.watch.model_copy(update={"maturity": timedelta(days=14)})
    model.spec = model.spec.model_copy(update={"watch": watch})
    (score,) = observed(model)
    assert score.open
    model.spec = model.spec.model_copy(update={"watch": watch.model_copy(update={"maturity": timedelta(0)})})
    (closed,) = observed(model)
    assert closed == score.model_copy(update={"open": False})


def test_a_row_belongs_to_the_version_that_was_in_production_at_its_time(model: World) -> None:
    model.feed(2000, turn=1.2)
    model.promote()
    came(model, "2", week(1) + timedelta(hours=1))
    labelled(model, 100, week(1))
    labelled(model, 200, week(1) + timedelta(hours=2))
    scores = observed(model)
    assert [(each.version, each.rows) for each in scores] == [("1", 100), ("2", 200)]


def test_a_cohort_with_one_class_has_no_score_where_the_metric_needs_two(model: World) -> None:
    gate = model.spec.gate.model_copy(update={"metric": "roc_auc", "positive": "yes"})
    model.spec = model.spec.model_copy(update={"gate": gate})
    labelled(model, 100, week(1))
    model.execute(f"DELETE FROM rows WHERE labelled_at >= '{week(1).isoformat()}' AND label = 'no'")
    (score,) = observed(model)
    assert score.rows > 0
    assert (score.score, score.error, score.interval) == (None, None, None)


def test_of_very_many_rows_those_of_some_clusters_are_scored(model: World) -> None:
    labelled(model, 2000, week(1))
    watch = model.spec.watch.model_copy(update={"at_most": 500})
    model.spec = model.spec.model_copy(update={"watch": watch})
    (score,) = observed(model)
    assert score.labelled == 2000
    assert 400 < score.rows < 600


def test_a_cohort_by_the_time_of_the_prediction(model: World) -> None:
    model.execute("ALTER TABLE rows ADD predicted_at timestamp")
    labelled(model, 100, week(1))
    model.execute(
        f"UPDATE rows SET predicted_at = labelled_at - interval '14 days' WHERE labelled_at >= '{week(1).isoformat()}'"
    )
    watch = model.spec.watch.model_copy(update={"predicted_at": "predicted_at"})
    model.spec = model.spec.model_copy(update={"watch": watch})
    (score,) = observed(model)
    assert (score.begins, score.rows) == (week(3), 100)


def test_predictions_are_kept_and_a_persons_rows_are_erased_from_them(model: World) -> None:
    labelled(model, 100, week(1))
    (score,) = observed(model)
    key = files.get(model.snapshots, score.uri).keys[0].as_py()
    for _ in range(2):
        forget(model.model, [key], snapshots=model.snapshots, ledger=model.ledger)
        (erased,) = model.ledger.cohorts(model.model)
        kept = files.get(model.snapshots, erased.uri)
        assert len(kept) == 99
        assert key not in kept.keys.to_pylist()
        assert erased == score.model_copy(update={"uri": erased.uri})
    with pytest.raises(SnapshotError, match="cannot be read"):
        files.get(model.snapshots, score.uri)


def test_what_was_kept_and_has_changed_is_not_used(model: World) -> None:
    labelled(model, 100, week(1))
    (score,) = observed(model)
    with model.snapshots.files.open_output_stream(model.snapshots.path(score.uri)) as file:
        file.write(b"other")
    with pytest.raises(SnapshotError, match="its digest differs"):
        files.get(model.snapshots, score.uri)


def test_predictions_that_are_lost_are_made_anew(model: World) -> None:
    labelled(model, 100, week(1))
    (score,) = observed(model)
    model.snapshots.delete(score.uri)
    (again,) = observed(model)
    assert again == score.model_copy(update={"restated": 1})
    assert len(files.get(model.snapshots, again.uri)) == 100


def test_predictions_of_an_open_week_are_replaced_and_no_file_is_left(model: World) -> None:
    labelled(model, 60, week(0))
    (first,) = observed(model)
    labelled(model, 40, week(0))
    observed(model)
    with pytest.raises(SnapshotError, match="cannot be read"):
        files.get(model.snapshots, first.uri)


def test_a_model_without_a_production_or_without_cohorts_has_none(model: World) -> None:
    watch = model.spec.watch.model_copy(update={"cohort": None})
    labelled(model, 100, week(1))
    assert observed(_with(model, watch=watch)) == []


def _with(model: World, **fields: object) -> World:
    model.spec = model.spec.model_copy(update=fields)
    return model
