"""What a tracker promises about registered models, their versions, stages and aliases."""

from pathlib import Path

from retrain.models import files as model_files
from retrain.tracker.entities import LoggedModel
from tests.core import toys
from tests.core.tracker.contract.samples import LABELS, NOWHERE, ROWS, Tracker, refused


def test_versions_are_listed_and_found_by_key_number_and_stage(tracker: Tracker, registered: str, run: str) -> None:
    assert [each.version for each in tracker.list_model_versions(registered)] == ["1", "2", "3"]
    found = tracker.get_model_version(registered, "2")
    assert (found.model, found.version, found.stage, found.aliases, found.run_id) == (registered, "2", "None", (), run)
    assert tracker.get_model_version(registered, stage="None").version == "3"
    refused(lambda: tracker.get_model_version(registered), "either a version or a stage")
    refused(lambda: tracker.get_model_version(registered, "4"))
    refused(lambda: tracker.get_model_version(registered, "one"))
    refused(lambda: tracker.get_model_version(registered, stage="Production"), "no version")


def test_a_version_is_registered_once_for_its_key_and_by_itself_once_for_its_run(
    tracker: Tracker, registered: str, run: str, logged: LoggedModel, experiment: str
) -> None:
    assert tracker.register_model(run, registered, logged.uri, key="a2") == "2"
    assert tracker.register_model(run, registered) == "4"
    assert tracker.register_model(run, registered) == "4"
    assert tracker.register_model(run, registered, logged.uri) == "4"
    tracker.log_model(run, "other", toys.logistic(["a"]).fit(ROWS, LABELS), ROWS, key="cd34")
    refused(lambda: tracker.register_model(run, registered), "has logged 2 models; name the one to register")
    empty = tracker.start_run(experiment, "empty")
    refused(lambda: tracker.register_model(empty, registered), "has logged 0 models")
    assert len(tracker.list_model_versions(registered)) == 4


def test_a_version_is_downloaded_as_what_it_was_registered_from(
    tracker: Tracker, registered: str, logged: LoggedModel, tmp_path: Path
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    assert tracker.has_files(f"models:/{registered}/2")
    assert model_files.digest(tracker.download_model(f"models:/{registered}/2", folder)) == logged.digest
    for use in (tracker.has_files, lambda uri: tracker.download_model(uri, folder)):
        refused(lambda use=use: use(f"models:/{registered}/4"))


def test_an_unknown_model_has_no_versions_and_no_production(tracker: Tracker, run: str, name: str) -> None:
    assert tracker.production(name) is None
    refused(lambda: tracker.list_model_versions(name))
    refused(lambda: tracker.get_model_version(name, "1"))
    refused(lambda: tracker.set_production(name, "1"))
    refused(lambda: tracker.transition_model_stage(name, "1", "Staging"))
    refused(lambda: tracker.register_model(run, name, f"models:/m-{NOWHERE}", key="ab12"))
    refused(lambda: tracker.register_model(run, "a/b", f"models:/m-{NOWHERE}", key="ab12"))


def test_stages_archive_their_owner_and_staging_takes_its_alias_along(tracker: Tracker, registered: str) -> None:
    def now() -> list[tuple[str, tuple[str, ...]]]:
        return [(each.stage, each.aliases) for each in tracker.list_model_versions(registered)]

    for version, stage, expected in (
        ("1", "Staging", [("Staging", ("staging",)), ("None", ()), ("None", ())]),
        ("2", "Staging", [("Archived", ()), ("Staging", ("staging",)), ("None", ())]),
        ("1", "Production", [("Production", ()), ("Staging", ("staging",)), ("None", ())]),
        ("2", "Production", [("Archived", ()), ("Production", ()), ("None", ())]),
        ("3", "Archived", [("Archived", ()), ("Production", ()), ("Archived", ())]),
        ("2", "None", [("Archived", ()), ("None", ()), ("Archived", ())]),
    ):
        tracker.transition_model_stage(registered, version, stage)
        assert now() == expected
    tracker.transition_model_stage(registered, "1", "Staging")
    tracker.transition_model_stage(registered, "3", "Staging", archive_existing_versions=False)
    assert now() == [("Staging", ()), ("None", ()), ("Staging", ("staging",))]
    assert tracker.get_model_version(registered, stage="Staging").version == "3"
    refused(lambda: tracker.transition_model_stage(registered, "1", "Production", False), "two versions")
    refused(lambda: tracker.transition_model_stage(registered, "1", "Live"), "'Live' is not a stage")
    refused(lambda: tracker.transition_model_stage(registered, "4", "Staging"))


def test_the_alias_of_production_has_one_owner_and_stays_with_it(tracker: Tracker, registered: str) -> None:
    assert tracker.production(registered) is None
    for version in ("1", "2"):
        tracker.set_production(registered, version)
        assert tracker.production(registered) == version
        assert tracker.stage(registered, version) == "None"
    assert tracker.get_model_version(registered, "1").aliases == ()
    tracker.transition_model_stage(registered, "2", "Staging")
    assert tracker.get_model_version(registered, "2").aliases == ("production", "staging")
    refused(lambda: tracker.set_production(registered, "4"))
    assert tracker.production(registered) == "2"


def test_a_model_says_who_owns_its_aliases_and_is_found_page_by_page(tracker: Tracker, registered: str) -> None:
    tracker.set_production(registered, "2")
    tracker.transition_model_stage(registered, "1", "Staging")
    found = tracker.get_model(registered)
    assert (found.name, found.production, found.staging) == (registered, "2", "1")
    listed, token = list[str](), None
    while True:
        page = tracker.page_of_models(1, token)
        listed += [each.name for each in page.items]
        token = page.next
        if token is None:
            break
    assert listed == sorted(listed)
    assert listed.count(registered) == 1
    refused(lambda: tracker.get_model("none"))


def test_a_version_keeps_tags(tracker: Tracker, registered: str) -> None:
    tracker.set_version_tags(registered, "2", {"retrain.stage_why": "이유"})
    assert tracker.get_model_version(registered, "2").tags["retrain.stage_why"] == "이유"
    refused(lambda: tracker.set_version_tags(registered, "4", {"a": "b"}))
