"""The verb `check`: the drift since Production was trained, measured, logged and drawn."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from retrain.cycle.check import _metric_name, check
from retrain.records import ModelFile, Subset
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import ModelVersion
from tests.core.conftest import Make, World
from tests.core.cycle.looking import quick, read, run_of, uploaded


def produce(model: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 1 in Production, without its training."""
    subsets = (Subset.TRAIN, Subset.VALIDATION)
    uri = f"models:/m-{uuid4().hex}"
    model.ledger.save_model_file(ModelFile(uri, "digest", model.model, "whole", model.take().id, "run", subsets))
    model.ledger.save_version(uri, "1")
    source = uri.removeprefix("models:/")
    owner = ModelVersion(model.model, "1", "Production", ("production",), "run", source, {}, datetime.now(UTC))
    monkeypatch.setattr(ExperimentTracker, "in_production", lambda *_: owner)


def test_the_rows_that_production_was_trained_on_have_next_to_no_drift(
    world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = quick(world)
    model.feed(1000)
    produce(model, monkeypatch)
    cycle, snapshot = model.cycle(), model.take()

    check(cycle, snapshot)

    run = run_of(model, cycle, snapshot)
    assert run.tags["retrain.drift"].startswith("1,000 rows beside the ")
    assert {name for name in run.metrics if name.startswith("drift_psi_")} == {
        "drift_psi_a",
        "drift_psi_b",
        "drift_psi_label",
    }
    assert max(run.metrics[f"drift_psi_{name}"] for name in ("a", "b", "label")) < 0.01
    assert run.metrics["drift_share_yes"] + run.metrics["drift_share_no"] == pytest.approx(1)


def test_a_feature_that_shifted_is_seen_among_the_new_rows_and_logged_once(world: Make, tmp_path: Path) -> None:
    model = quick(world)
    model.feed(1000)
    model.promote()
    model.feed(600)
    model.execute("UPDATE rows SET b = b + 2 WHERE id >= 1000")
    cycle, snapshot = model.cycle(), model.take()

    for again in (cycle, model.cycle(cycle.run_id)):
        check(again, snapshot)

    run = run_of(model, cycle, snapshot)
    training = sum(snapshot.subsets.values()) - 600 - _judging(model)
    assert run.tags["retrain.drift"] == f"600 new rows beside the {training} that version 1 was trained on"
    assert run.metrics["drift_psi_b"] > 0.25 > run.metrics["drift_psi_a"]
    assert run.metrics["drift_ks_b"] > 0.5 > run.metrics["drift_ks_a"]
    assert run.metrics["drift_p_b"] < 1e-9
    assert len(model.tracker.metric_history(run.id, "drift_psi_b")) == 1
    assert uploaded(model, run.id, "drift") == ["drift/drift.json", "drift/drift.png"]
    written = read(model, run, "drift/drift.json", tmp_path)
    assert [each["name"] for each in written["drift"]] == ["a", "b", "label"]
    assert written["drift"][1]["psi"] == pytest.approx(run.metrics["drift_psi_b"])


def _judging(model: World) -> int:
    """Rows of the first snapshot that Production was not trained on."""
    file = model.ledger.model_file_of_version(model.model, "1")
    assert file is not None
    assert file.snapshot is not None
    subsets = model.ledger.snapshot(model.model, file.snapshot).subsets
    return sum(rows for subset, rows in subsets.items() if subset not in file.subsets)


def test_drift_stays_that_of_the_production_that_the_first_try_found(
    world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = quick(world)
    model.feed(600)
    cycle, snapshot = model.cycle(), model.take()
    check(cycle, snapshot)
    produce(model, monkeypatch)

    check(cycle, snapshot)

    run = run_of(model, cycle, snapshot)
    assert run.tags["retrain.drift"] == "nothing is in Production yet"
    assert not [name for name in run.metrics if name.startswith("drift_")]


def test_of_a_production_whose_training_rows_nobody_knows_there_is_no_drift(
    world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = quick(world)
    model.feed(300)
    owner = ModelVersion(model.model, "1", "Production", ("production",), "run", "s3://b/m", {}, datetime.now(UTC))
    monkeypatch.setattr(ExperimentTracker, "in_production", lambda *_: owner)
    cycle, snapshot = model.cycle(), model.take()
    check(cycle, snapshot)
    adopted = ModelFile(uuid4().hex, "digest", model.model, "theirs", None, None, (), made_at=datetime.now(UTC))
    model.ledger.adopt(adopted, "1", by="kim", why="it was there")
    later = model.cycle()
    check(later, snapshot)

    for each in (cycle, later):
        tags = run_of(model, each, snapshot).tags
        assert tags["retrain.drift"] == "the rows that version 1 was trained on are not known"


@pytest.mark.parametrize(
    ("broken", "files"), [("reports.drift_chart.write", ["drift/drift.json"]), ("cycle.check.drift", [])]
)
def test_drift_that_cannot_be_measured_or_drawn_is_a_warning(
    world: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str, files: list[str]
) -> None:
    model = quick(world)
    model.feed(600)
    produce(model, monkeypatch)

    def raises(*_: object) -> None:
        raise ZeroDivisionError("by 0")

    monkeypatch.setattr(f"retrain.{broken}", raises)
    cycle, snapshot = model.cycle(), model.take()

    check(cycle, snapshot)

    run = run_of(model, cycle, snapshot)
    assert uploaded(model, run.id, "drift") == files
    assert "drift could not be" in caplog.text
    assert run.status == "RUNNING"


def test_features_and_classes_of_any_name_become_metrics_that_mlflow_takes(world: Make) -> None:
    names = {name: _metric_name(name) for name in ("years", "자소서 & 본문", "..", "a/b", "합격 (우대)", "긴" * 100)}

    assert names["years"] == "years"
    assert len(set(names.values())) == len(names)
    model = quick(world)
    run_id = model.tracker.start_run(model.tracker.create_experiment(model.model), "names")
    model.tracker.log_metrics(run_id, {f"drift_psi_{name}": 0.5 for name in names.values()})
    assert len(model.tracker.get_run(run_id).metrics) == len(names)
    # Of two that become the same, a digest tells which.
    assert _metric_name("합격 (우대)") != _metric_name("합격 [우대]")
