"""A split test in MLflow: its numbers look by look, and its report."""

import logging
from pathlib import Path

import pytest

from retrain.ab import report
from retrain.ab.end import stop
from retrain.reports import kept
from tests.core.ab.world import begun, buying, looked, since_then, split_units, stores, two_versions, wanting
from tests.core.conftest import Cast, World


@pytest.fixture
def model(cast: Cast) -> World:
    model = wanting(cast(two_versions), ramp=[{"share": 0.1}, {"share": 0.5}])
    begun(model, 7)
    split_units(model, 400, days=7)
    buying(model, 0.2, 0.2)
    return model


def page(model: World, folder: Path) -> str:
    run = report.refresh(stores(model))
    assert run is not None
    return kept.fetch(model.tracker, run, folder, markdown=True).read_text("utf-8")


def test_each_look_adds_a_point_and_the_report_is_written_again(model: World, tmp_path: Path) -> None:
    assert "Nobody has looked at it yet." in page(model, tmp_path)
    looked(model)
    since_then(model, 1)
    looked(model)
    for _ in range(2):
        text = page(model, tmp_path)
    assert "not decided yet" in text
    run = report.refresh(stores(model))
    assert run is not None
    assert [point.step for point in model.tracker.metric_history(run, "difference_bought")] == [0, 1]
    assert model.tracker.get_run(run).status == "RUNNING"
    assert {path.name for path in tmp_path.glob("*.png")} == {"exposure.png", "differences.png"}


def test_the_run_ends_with_the_test_and_keeps_its_last_report(model: World, tmp_path: Path) -> None:
    looked(model)
    stop(stores(model), key="run 2", by="Kim", why="a fault in the shop")
    text = page(model, tmp_path)
    assert "It has ended, stopped" in text
    assert "a fault in the shop" in text
    run = report.refresh(stores(model))
    assert run is not None
    found = model.tracker.get_run(run)
    assert (found.status, found.tags["retrain.outcome"]) == ("FINISHED", "stopped")


def test_without_a_test_there_is_no_run(cast: Cast) -> None:
    assert report.refresh(stores(wanting(cast(two_versions)))) is None


def test_a_report_that_cannot_be_made_is_a_warning(
    model: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked(model)
    monkeypatch.setattr(report, "of_split", None)
    with caplog.at_level(logging.WARNING):
        report.refresh(stores(model))
    assert "the report of split test" in caplog.text
    monkeypatch.undo()
    assert report.refresh(stores(model)) is not None
