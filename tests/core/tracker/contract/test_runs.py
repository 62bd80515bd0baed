"""What a tracker promises about runs, and how they are found."""

import math
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from retrain.tracker.filters import Condition, Order
from tests.core import toys
from tests.core.tracker.contract.samples import LABELS, NOWHERE, ROWS, SNAPSHOT, Tracker, refused


def test_a_run_is_as_it_was_started_and_is_found_by_its_key(tracker: Tracker, experiment: str, run: str) -> None:
    key = uuid4().hex
    child = tracker.start_run(experiment, "child", {"who": "me"}, key=key, parent=run, note="why")
    found = tracker.get_run(child)
    assert (found.name, found.experiment_id, found.status, found.ended_at) == ("child", experiment, "RUNNING", None)
    assert found.tags.items() >= {"who": "me", "mlflow.parentRunId": run, "mlflow.note.content": "why"}.items()
    assert tracker.find_run(experiment, key) == child
    assert tracker.find_run(experiment, "ab12") is None
    refused(lambda: tracker.find_run(experiment, "x' OR tags.`a` = 'b"), "is not a key")


def test_a_run_ends_and_is_taken_up_again(tracker: Tracker, run: str) -> None:
    for status in ("FAILED", "RUNNING", "FINISHED", "KILLED"):
        tracker.end_run(run, status)
        found = tracker.get_run(run)
        assert (found.status, found.ended_at is None) == (status, status == "RUNNING")
    refused(lambda: tracker.end_run(run, "DONE"), "'DONE' is not a status")


def test_a_deleted_run_is_kept_and_neither_found_nor_changed(tracker: Tracker, experiment: str, run: str) -> None:
    tracker.delete_run(run)
    assert tracker.get_run(run).deleted
    assert tracker.search_runs([experiment]) == []
    refused(lambda: tracker.log_params(run, {"a": 1}))
    refused(lambda: tracker.log_metrics(run, {"a": 1}))
    refused(lambda: tracker.set_tags(run, {"a": "1"}))
    refused(lambda: tracker.log_dataset(run, SNAPSHOT))
    refused(lambda: tracker.end_run(run))


def test_an_unknown_run_is_refused_by_all(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    model = toys.logistic(["a"]).fit(ROWS, LABELS)
    calls: list[Callable[[], object]] = [
        lambda: tracker.page_of_run(NOWHERE),
        lambda: tracker.get_run(NOWHERE),
        lambda: tracker.end_run(NOWHERE),
        lambda: tracker.delete_run(NOWHERE),
        lambda: tracker.log_params(NOWHERE, {"a": 1}),
        lambda: tracker.log_metrics(NOWHERE, {"a": 1}),
        lambda: tracker.set_tags(NOWHERE, {"a": "1"}),
        lambda: tracker.log_dataset(NOWHERE, SNAPSHOT),
        lambda: tracker.log_artifact(NOWHERE, tmp_path / "file"),
        lambda: tracker.log_model(NOWHERE, "toy", model, ROWS, key="ab12"),
    ]
    for call in calls:
        refused(call)


def test_what_is_not_a_number_differs_from_every_number(
    tracker: Tracker, experiment: str, finished: Callable[..., str]
) -> None:
    finished("one", score=0.0)
    finished("other", score=math.nan)
    found = tracker.search_runs([experiment], [Condition("metric", "score", "!=", 0)])
    assert [each.name for each in found] == ["other"]


def test_conditions_find_what_they_say_whatever_is_in_their_values(
    tracker: Tracker, experiment: str, finished: Callable[..., str]
) -> None:
    texts = ["it's", 'say "x" AND', "a` = 'b", "같다", "two\nlines; --", ""]
    for place, text in enumerate(texts):
        tracker.set_tags(made := finished(f"run {place}", score=place / 10), {"said by": text})
        tracker.log_params(made, {"text": text})
    tracker.end_run(open_ := finished("open", score=math.nan), "RUNNING")

    def names(*conditions: Condition) -> list[str]:
        return [each.name.removeprefix("run ") for each in tracker.search_runs([experiment], conditions)]

    for place, text in enumerate(texts):
        assert names(Condition("tag", "said by", "=", text)) == [str(place)]
        assert names(Condition("param", "text", "=", text)) == [str(place)]
    assert names(Condition("param", "text", "!=", "it's")) == ["1", "2", "3", "4", "5"]
    assert names(Condition("metric", "score", ">=", 0.3)) == ["3", "4", "5"]
    assert names(Condition("metric", "score", "<", 1e-05)) == ["0"]
    assert names(Condition("metric", "score", ">", -1.5e300)) == ["0", "1", "2", "3", "4", "5"]
    assert names(Condition("metric", "score", "!=", 0))[:5] == ["1", "2", "3", "4", "5"]
    assert names(Condition("metric", "none", "!=", 0)) == []
    assert names(Condition("attribute", "status", "=", "RUNNING")) == ["open"]
    assert names(Condition("attribute", "run_id", "=", open_)) == ["open"]
    assert names(Condition("metric", "score", ">", 0.1), Condition("attribute", "run_name", "!=", "run 3")) == list(
        "245"
    )
    started = tracker.get_run(open_).started_at.timestamp() * 1000
    assert "open" not in names(Condition("attribute", "start_time", "<", round(started)))


def test_runs_come_in_the_order_asked_and_without_the_field_last(
    tracker: Tracker, experiment: str, finished: Callable[..., str]
) -> None:
    for place, score in enumerate([{"f1": 0.5}, {}, {"f1": math.nan}, {"f1": 0.9}, {"f1": 0.5}]):
        finished(str(place), **score)

    def names(*order: Order, first: int = 10) -> str:
        return "".join(each.name for each in tracker.search_runs([experiment], (), order, first))

    assert names() == "01234"
    assert names(Order("metric", "f1"), Order("attribute", "start_time")) == "04321"
    assert names(Order("metric", "f1", ascending=False), Order("attribute", "start_time", ascending=False)) == "34021"
    assert names(Order("attribute", "run_name", ascending=False), first=2) == "43"
    assert tracker.search_runs([], max_results=5) == tracker.search_runs([experiment], max_results=0) == []
    assert len(tracker.search_runs([experiment, "987654321"])) == 5
    refused(lambda: tracker.search_runs([experiment], (), [Order("metric", "f1")]), "sort them here")


def test_all_runs_come_once_whatever_the_size_of_a_page(
    tracker: Tracker, experiment: str, finished: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrain.tracker.runs.PAGE", 3)
    made = [finished() for _ in range(9)]
    assert [each.id for each in tracker.search_runs([experiment])] == made
    assert [each.id for each in tracker.search_runs([experiment], max_results=7)] == made[:7]


def test_runs_come_in_pages_in_the_order_that_was_asked_for(
    tracker: Tracker, experiment: str, finished: Callable[..., str]
) -> None:
    runs = [finished(f1=value) for value in (0.3, 0.1, 0.5, 0.4, 0.2)]
    best_first = [Order("metric", "f1", ascending=False)]
    good = [Condition("metric", "f1", ">", 0.15)]
    first = tracker.page_of_runs([experiment], good, best_first, 3)
    second = tracker.page_of_runs([experiment], good, best_first, 3, first.next)
    assert [each.id for each in first.items + second.items] == [runs[2], runs[3], runs[0], runs[4]]
    assert second.next is None
    assert [each.id for each in tracker.page_of_runs([experiment], size=2).items] == runs[:2]
    assert tracker.page_of_runs([]).items == ()
