"""The verb `evaluate`, against a real PostgreSQL and a real MLflow server."""

import json
from pathlib import Path

import pytest

from retrain.cycle.evaluate import evaluate
from retrain.cycle.promote import may_promote
from retrain.cycle.sense import sense
from retrain.errors import ForeignProductionError, NoAnswerError
from retrain.records import Outcome, Subset, Verdict
from tests.core.conftest import Cast, Make
from tests.core.cycle.looking import promoted, quick, uploaded


def test_a_first_model_below_the_floor_is_held(world: Make) -> None:
    model = quick(world, gate={"metric": "accuracy", "floor": 0.99})
    model.feed(2000)
    _, verdict = model.judge()
    assert verdict.outcome is Outcome.HOLD
    assert model.tracker.production(model.model) is None


def test_the_best_on_validation_rows_is_judged_and_equal_ones_go_by_the_order_of_the_spec(world: Make) -> None:
    both = {"estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}}
    model = world(candidates=[{"name": "second", **both}, {"name": "first", **both}])
    model.feed(1000)
    cycle, snapshot = model.cycle(), model.take()
    candidates = model.train(cycle, snapshot)
    assert candidates[0].validation_score == candidates[1].validation_score
    verdict = evaluate(cycle, snapshot, candidates[::-1], dry_run=False)
    assert verdict.matchup.candidate == "second"


def test_only_the_winner_is_registered_and_it_has_trained_on_validation_rows_too(world: Make) -> None:
    model = world()
    model.feed(2000)
    _, verdict = model.judge()
    file = model.ledger.model_file_of_version(model.model, "1")
    assert file is not None
    assert (file.name, file.subsets) == ("whole", (Subset.TRAIN, Subset.VALIDATION))
    assert verdict.matchup.version == "1"
    assert [each.version for each in model.tracker.list_model_versions(model.model)] == ["1"]


def test_a_dry_run_judges_and_changes_nothing(world: Make) -> None:
    model = quick(world)
    model.feed(2000)
    _, verdict = model.judge(dry_run=True)
    assert verdict.outcome is Outcome.PROMOTE
    assert verdict.matchup.version is None
    assert not may_promote(model.cycle(), verdict)
    assert model.tracker.production(model.model) is None
    assert model.ledger.last_consumed(model.model) is None
    assert model.ledger.tests_spent(model.model, 1) == 0
    assert sense(model.spec, source=model.source, ledger=model.ledger).enough
    assert model.promote().to_version == "1"


def test_the_same_candidate_on_the_same_snapshot_as_production_is_held(cast: Cast) -> None:
    model = cast(promoted)
    _, verdict = model.judge()
    assert verdict.outcome is Outcome.HOLD
    assert "Production is the same candidate on the same snapshot" in verdict.reason


def test_against_a_production_that_retrain_did_not_log_nothing_is_judged_or_used(world: Make) -> None:
    model = quick(world)
    model.feed(2000)
    _, first = model.judge()
    # Somebody registers a file of his own and gives it the alias.
    uri = model.ledger.model_file_of_version(model.model, "1")
    assert uri is not None
    foreign = model.tracker.register_model(first.matchup.run_id, model.model, uri.uri, key="ab12")
    model.tracker.set_production(model.model, foreign)
    model.feed(600)
    consumed = model.ledger.last_consumed(model.model)
    with pytest.raises(ForeignProductionError, match="Retrain did not log it"):
        model.judge()
    assert model.ledger.last_consumed(model.model) == consumed
    assert model.tracker.production(model.model) == foreign


def test_a_verdict_is_on_its_run_as_a_file_with_rows_that_flipped_and_as_a_picture(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = cast(promoted)
    model.feed(4000, turn=1.2)
    _, verdict = model.judge()

    assert uploaded(model, verdict.matchup.run_id, "verdict") == ["verdict/verdict.json", "verdict/verdict.png"]
    path = model.tracker._client.download_artifacts(verdict.matchup.run_id, "verdict/verdict.json", str(tmp_path))
    written = json.loads(Path(path).read_text(encoding="utf-8"))
    to_wrong, to_right = written.pop("right_to_wrong_keys"), written.pop("wrong_to_right_keys")
    assert Verdict.from_json(written) == verdict
    assert verdict.wrong_to_right > 50
    assert (len(to_wrong), len(to_right)) == (min(50, verdict.right_to_wrong), 50)
    holdout = model.snapshots.read(model.ledger.snapshot(model.model, verdict.matchup.snapshot), [Subset.HOLDOUT])
    assert set(to_wrong) | set(to_right) <= set(holdout.keys.to_pylist())
    assert not set(to_wrong) & set(to_right)


def test_a_picture_that_cannot_be_drawn_is_a_warning(
    world: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("retrain.reports.verdict_chart.write", broken)
    model = quick(world)
    model.feed(2000)

    _, verdict = model.judge()

    assert verdict.outcome is Outcome.PROMOTE
    assert uploaded(model, verdict.matchup.run_id, "verdict") == ["verdict/verdict.json"]
    assert "the verdict could not be drawn" in caplog.text


def test_no_verdict_is_saved_before_its_files_are_and_a_retry_uploads_them(
    world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = quick(world)
    model.feed(2000)
    cycle, snapshot = model.cycle(), model.take()
    candidates = model.train(cycle, snapshot)

    def away(*_: object) -> None:
        raise NoAnswerError("MLflow did not answer")

    with monkeypatch.context() as patch:
        patch.setattr("retrain.tracker.client.ExperimentTracker.log_artifact", away)
        with pytest.raises(NoAnswerError):
            evaluate(cycle, snapshot, candidates, dry_run=False)
    assert model.ledger.verdict(cycle.key("verdict", snapshot.id)) is None
    assert model.ledger.tests_spent(model.model, 1) == 0
    verdict = evaluate(cycle, snapshot, candidates, dry_run=False)
    assert len(uploaded(model, verdict.matchup.run_id, "verdict")) == 2
