"""Metrics while they are logged, over a connection that stays open, and over one that breaks."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from retrain.tracker.client import ExperimentTracker
from retrain_airflow.api import stream

Event = tuple[str, str, Any]
"""Name, id, data."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_EVERY", 0.1)


def events(response: httpx.Response) -> Iterator[Event]:
    event: dict[str, str] = {}
    for line in response.iter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, text = line.partition(": ")
            event[name] = text
        elif "data" in event:
            yield event.get("event", "message"), event.get("id", ""), json.loads(event["data"])
            event = {}


def points(found: list[Event]) -> list[tuple[str, int, Any]]:
    return [(each["key"], each["step"], each["value"]) for name, _, data in found if name == "metrics" for each in data]


def test_points_come_as_they_are_logged_and_the_stream_ends_with_its_run(
    api: httpx.Client, tracker: ExperimentTracker, run: str
) -> None:
    tracker.log_metrics(run, {"f1": 0.1, "손실": float("nan")})
    with api.stream("GET", f"/runs/{run}/stream") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        following = events(response)
        assert points([next(following)]) == [("f1", 0, 0.1), ("손실", 0, "NaN")]
        tracker.log_metrics(run, {"f1": [0.2, 0.3]}, step=1)
        assert points([next(following)]) == [("f1", 1, 0.2), ("f1", 2, 0.3)]
        tracker.end_run(run)
        assert [(name, data) for name, _, data in following] == [("end", {"status": "FINISHED"})]


def test_a_client_that_comes_back_goes_on_where_it_was(api: httpx.Client, tracker: ExperimentTracker, run: str) -> None:
    tracker.log_metrics(run, {"f1": [0.1, 0.2], "loss": 0.9})
    with api.stream("GET", f"/runs/{run}/stream") as response:
        _, place, _ = next(events(response))
    time.sleep(0.005)
    tracker.log_metrics(run, {"f1": 0.3, "loss": 0.8}, step=5)
    tracker.end_run(run)
    with api.stream("GET", f"/runs/{run}/stream", headers={"Last-Event-ID": place}) as response:
        rest = list(events(response))
    assert points(rest) == [("f1", 5, 0.3), ("loss", 5, 0.8)]
    assert rest[-1][0] == "end"
    with api.stream("GET", f"/runs/{run}/stream", headers={"Last-Event-ID": rest[-1][1]}) as response:
        assert [name for name, _, _ in events(response)] == ["end"]


def test_a_point_that_was_added_with_an_earlier_time_is_not_lost(
    api: httpx.Client, tracker: ExperimentTracker, run: str
) -> None:
    from datetime import UTC, datetime, timedelta

    tracker.log_metrics(run, {"f1": 0.1})
    with api.stream("GET", f"/runs/{run}/stream") as response:
        _, place, _ = next(events(response))
    tracker.log_metrics(run, {"late": 0.5}, at=datetime.now(UTC) - timedelta(hours=1))
    tracker.end_run(run)
    with api.stream("GET", f"/runs/{run}/stream", headers={"Last-Event-ID": place}) as response:
        assert ("late", 0, 0.5) in points(list(events(response)))


def test_a_value_that_is_logged_again_at_a_later_step_comes_too(
    api: httpx.Client, tracker: ExperimentTracker, run: str
) -> None:
    tracker.log_metrics(run, {"f1": 0.5})
    with api.stream("GET", f"/runs/{run}/stream") as response:
        following = events(response)
        next(following)
        tracker.log_metrics(run, {"f1": 0.5}, step=1)
        assert points([next(following)]) == [("f1", 1, 0.5)]


def test_a_stream_ends_by_itself_and_the_client_misses_nothing(
    api: httpx.Client, tracker: ExperimentTracker, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_SECONDS", 0.5)
    logged = [("f1", step, step / 100) for step in range(60)]

    def log() -> None:
        for _, step, value in logged:
            tracker.log_metrics(run, {"f1": value}, step=step)
        tracker.end_run(run)

    thread = threading.Thread(target=log)
    thread.start()
    found, place, opened = list[Event](), "", 0
    while not found or found[-1][0] != "end":
        with api.stream("GET", f"/runs/{run}/stream", headers={"Last-Event-ID": place} if place else {}) as response:
            opened += 1
            for event in events(response):
                found.append(event)
                place = event[1]
    thread.join()
    assert opened > 1
    assert points(found) == logged


def test_a_run_that_is_not_there_is_no_stream(api: httpx.Client) -> None:
    response = api.get(f"/runs/{'0' * 32}/stream")
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")


def test_no_more_streams_are_open_than_the_server_can_serve(
    api: httpx.Client, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_AT_ONCE", 1)
    with api.stream("GET", f"/runs/{run}/stream") as response:
        assert response.status_code == 200
        refused = api.get(f"/runs/{run}/stream")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
