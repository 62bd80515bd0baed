"""What a tracker promises about the files of a run."""

from pathlib import Path

import pytest

from retrain.errors import NotFoundError
from retrain.tracker.entities import Artifact
from tests.core.tracker.contract.samples import NOWHERE, Tracker, refused


def test_artifacts_are_listed_folder_by_folder(tracker: Tracker, run: str, tmp_path: Path) -> None:
    file = tmp_path / "보고서.txt"
    file.write_text("하나")
    tracker.log_artifact(run, file)
    tracker.log_artifact(run, file, "a/b")
    assert tracker.list_artifacts(run) == [Artifact("a", True, None), Artifact("보고서.txt", False, 6)]
    assert tracker.list_artifacts(run, "a") == [Artifact("a/b", True, None)]
    assert tracker.list_artifacts(run, "a/b") == [Artifact("a/b/보고서.txt", False, 6)]
    assert tracker.list_artifacts(run, "none") == []
    refused(lambda: tracker.list_artifacts(NOWHERE))


def test_an_artifact_is_downloaded_as_it_was_logged_last(tracker: Tracker, run: str, tmp_path: Path) -> None:
    file = tmp_path / "report.txt"
    for text in ("첫째", "둘째"):
        file.write_text(text, encoding="utf-8")
        tracker.log_artifact(run, file, "a/b")
    folder = tmp_path / "there"
    folder.mkdir()
    here = tracker.download_artifact(run, "a/b/report.txt", folder)
    assert here.read_text("utf-8") == "둘째"
    assert folder in here.parents
    for missing in ("a/b/none.txt", "a/b", "report.txt", "none/report.txt"):
        with pytest.raises(NotFoundError):
            tracker.download_artifact(run, missing, folder)
    refused(lambda: tracker.download_artifact(NOWHERE, "a", folder))


def test_a_file_may_have_a_name_in_korean(tracker: Tracker, run: str, tmp_path: Path) -> None:
    (tmp_path / "보고서.txt").write_text("첫째", encoding="utf-8")
    tracker.log_artifact(run, tmp_path / "보고서.txt", "a/b")
    folder = tmp_path / "there"
    folder.mkdir()
    assert tracker.download_artifact(run, "a/b/보고서.txt", folder).read_text("utf-8") == "첫째"


def test_a_file_that_is_not_there_is_refused(tracker: Tracker, run: str, tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text("fine")
    tracker.log_artifact(run, tmp_path / "report.txt", "reports")
    refused(lambda: tracker.log_artifact(run, tmp_path / "none.txt"), "none.txt")
