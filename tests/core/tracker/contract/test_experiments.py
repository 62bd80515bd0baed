"""What a tracker promises about experiments."""

from tests.core.tracker.contract.samples import Tracker, refused


def test_an_experiment_is_made_once_and_is_as_it_was_made(
    tracker: Tracker, experiment: str, name: str, where: str | None
) -> None:
    tracker.check()
    assert tracker.create_experiment(name, {"team": "other"}) == experiment
    made = tracker.get_experiment(experiment)
    assert (made.name, made.deleted, made.tags["team"]) == (name, False, "tests")
    assert where is None or made.artifact_location == where
    assert made in tracker.list_experiments()
    assert tracker.find_experiment(name) == experiment
    assert tracker.find_experiment(f"{name} 2") is None


def test_a_deleted_experiment_is_listed_as_such_holds_its_name_and_takes_no_runs(
    tracker: Tracker, experiment: str, run: str, name: str
) -> None:
    tracker.delete_experiment(experiment)
    for view, there in (("ACTIVE", False), ("DELETED", True), ("ALL", True)):
        assert (experiment in {each.id for each in tracker.list_experiments(view)}) == there
    assert tracker.get_experiment(experiment).deleted
    assert tracker.find_experiment(name) is None
    assert tracker.get_run(run).deleted
    assert tracker.search_runs([experiment]) == []
    refused(lambda: tracker.create_experiment(name), "held by a deleted experiment; restore")
    refused(lambda: tracker.start_run(experiment, "late"))
    refused(lambda: tracker.delete_experiment(experiment))


def test_experiments_come_in_pages(tracker: Tracker, name: str) -> None:
    made = [tracker.create_experiment(f"{name}-{number}") for number in range(5)]
    found, token = list[str](), None
    while True:
        page = tracker.page_of_experiments("ACTIVE", 2, token)
        assert len(page.items) <= 2
        found += [each.id for each in page.items]
        token = page.next
        if token is None:
            break
    assert [each for each in found if each in made] == made
    assert found == [each.id for each in tracker.list_experiments()]


def test_an_experiment_keeps_tags_until_it_is_deleted(tracker: Tracker, experiment: str) -> None:
    tracker.set_experiment_tags(experiment, {"team": "자소서", "more": "x"})
    assert tracker.get_experiment(experiment).tags.items() >= {("team", "자소서"), ("more", "x")}
    tracker.delete_experiment(experiment)
    refused(lambda: tracker.set_experiment_tags(experiment, {"team": "y"}))
