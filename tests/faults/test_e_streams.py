"""Streams, and what is asked of a dead MLflow: neither makes others wait."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import httpx
import pytest

from retrain.ledger.ledger import Ledger
from retrain.spec.files import SpecFile, SpecFolder
from retrain.spec.parse import parse
from retrain.tracker.client import ExperimentTracker
from retrain_airflow.api import follower, stream
from retrain_airflow.api.app import DEADLINE, PREFIX
from retrain_airflow.api.backend import Backend
from retrain_airflow.api.follower import Follower
from tests.airflow.conftest import first_tracker  # noqa: F401 - a fixture
from tests.api.conftest import As, mounted, serving
from tests.api.requests import refused
from tests.core.spec.specs import SMALLEST

Event = tuple[str, str, Any]


def events(response: httpx.Response) -> Iterator[Event]:
    event: dict[str, str] = {}
    for line in response.iter_lines():
        if line and not line.startswith(":"):
            name, _, text = line.partition(": ")
            event[name] = text
        elif not line and "data" in event:
            yield event.get("event", "message"), event.get("id", ""), json.loads(event["data"])
            event = {}


def points(found: list[Event]) -> list[tuple[str, int, Any]]:
    return [(each["key"], each["step"], each["value"]) for name, _, data in found if name == "metrics" for each in data]


@pytest.mark.parametrize("how_many", [150, pytest.param(1_000, marks=pytest.mark.nightly)])
def test_every_point_of_many_metrics_comes_before_the_end(
    how_many: int, api: httpx.Client, backend: Backend, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E2."""
    monkeypatch.setattr(stream, "_SECONDS", 1)
    many = {f"m{number:03}": number / 10 for number in range(how_many)}
    backend.tracker().log_metrics(run, many)
    backend.tracker().log_metrics(run, dict.fromkeys(list(many)[:5], 7.0), step=1)
    backend.tracker().end_run(run)
    with api.stream("GET", f"/runs/{run}/stream", timeout=300) as response:
        found = list(events(response))
    assert found[-1][0] == "end"
    assert sorted(points(found)) == sorted(
        [*((name, 0, value) for name, value in many.items()), *((name, 1, 7.0) for name in list(many)[:5])]
    )
    if how_many == 1_000:  # fewer may be read at one look
        assert len(found) > 3, "they come as they are read, not all at the end"


@pytest.mark.nightly  # half a minute; test_one_person_has_a_few_streams_and_others_have_theirs has the limit
def test_many_streams_of_a_thousand_metrics_make_nobody_wait(as_person: As, backend: Backend, run: str) -> None:
    """E2."""
    backend.tracker().log_metrics(run, {f"m{number:03}": number / 10 for number in range(1_000)})
    api, slowest = as_person(), 0.0
    with ExitStack() as opened:
        for number in range(20):
            viewer = as_person(f"viewer {number // 5}")
            opened.enter_context(viewer.stream("GET", f"/runs/{run}/stream", timeout=60))
        until = time.monotonic() + 3
        while time.monotonic() < until:
            begun = time.monotonic()
            for path in ("/health", f"/runs/{run}"):
                assert api.get(path).status_code == 200
            slowest = max(slowest, time.monotonic() - begun)
    assert slowest < 5, "before, they were refused for more than a minute"


def test_one_person_has_a_few_streams_and_others_have_theirs(
    as_person: As, run: str, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    """E2."""
    monkeypatch.setattr(stream, "_OF_ONE", 2)
    monkeypatch.setattr(stream, "_EVERY", 0.1)
    kim, lee = as_person("kim"), as_person("lee")
    with kim.stream("GET", f"/runs/{run}/stream") as one, kim.stream("GET", f"/runs/{run}/stream") as other:
        assert (one.status_code, other.status_code) == (200, 200)
        assert "you have 2 streams open" in refused(kim.get(f"/runs/{run}/stream"), 503)
        with lee.stream("GET", f"/runs/{run}/stream") as third:
            assert third.status_code == 200
    eventually(lambda: not stream._callers)


class Broken(ExperimentTracker):
    """Loses its connection while it reads."""

    def __init__(self, tracker: ExperimentTracker, after: int) -> None:
        self._tracker, self._left = tracker, after

    def last_points(self, run_id: str) -> Any:
        return self._tracker.last_points(run_id)

    def metric_history(self, run_id: str, name: str) -> Any:
        from retrain.errors import NoAnswerError

        self._left -= 1
        if self._left < 0:
            raise NoAnswerError("gone")
        return self._tracker.metric_history(run_id, name)


def test_nothing_is_known_as_sent_before_it_is_sent(backend: Backend, run: str) -> None:
    """E2."""
    tracker = backend.tracker()
    tracker.log_metrics(run, {"a": 1.0, "b": 2.0, "c": 3.0})
    tracker.end_run(run)
    client = Follower(run)
    with pytest.raises(Exception, match="gone"):
        client.look(Broken(tracker, 2))
    client.look(tracker)  # its caller has not waited for it
    look = client.look(tracker)
    assert [point[1] for point in client.take(look)] == ["a", "b", "c"]
    assert client.is_all(look)


def test_a_look_ends_in_time_and_the_next_goes_on(backend: Backend, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """E2."""
    monkeypatch.setattr(follower, "_LOOK", 0)
    tracker = backend.tracker()
    tracker.log_metrics(run, {"a": 1.0, "b": 2.0, "c": float("nan")})
    tracker.end_run(run)
    client, came = Follower(run), []
    for _ in range(3):
        look = client.look(tracker)
        came += client.take(look)
        assert len(look.histories) == 1
    assert sorted(point[1] for point in came) == ["a", "b", "c"]
    assert client.is_all(look)
    again = Follower(run)
    again.resume(client.place)
    while not again.is_all(look):
        look = again.look(tracker)
        assert again.take(look) == []


# ── a dead MLflow


@pytest.fixture
def dead() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        held = list[socket.socket]()

        def accept() -> None:
            while True:
                try:
                    held.append(listening.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        for each in held:
            each.close()


NEED_MLFLOW = (
    *("/health", "/", "/1", "/stats/1", "/runs/" + "0" * 32, "/runs/best/1?metric_key=a", "/models/"),
    *("/models/letters", "/models/letters/versions", f"/runs/{'0' * 32}/artifacts", f"/runs/{'0' * 32}/report"),
    *(f"/runs/{'0' * 32}/stream", f"/runs/{'0' * 32}/metrics/a", "/models/letters/versions/1"),
)
NEED_NONE = ("/specs/", "/specs/letters", "/specs/letters/verdicts", "/models/letters/history")


class NoRows:
    """Stands for a source without a row."""

    def __getattr__(self, name: str) -> Any:
        from retrain.errors import SourceError

        raise SourceError("there is no source here")


@pytest.mark.usefixtures("first_tracker")  # the first of a process sets the deadline of all, as in an API server
def test_with_mlflow_dead_every_answer_comes_and_what_needs_none_is_right(
    backend: Backend, dead: str, ledger: Ledger, tmp_path: Any
) -> None:
    """E5."""
    tracker = ExperimentTracker(dead, deadline=DEADLINE)
    letters = SpecFile(tmp_path / "letters.yaml", parse({**SMALLEST, "model": "letters"}, "letters.yaml"), None)
    blind = replace(
        backend,
        tracker_at=lambda _: tracker,
        ledger_at=lambda _: ledger,
        specs=lambda: SpecFolder((letters,), ()),
        source=lambda _: NoRows(),
    )
    with serving(mounted(blind)) as address, httpx.Client(trust_env=False, timeout=60) as client:
        stop = threading.Event()

        def ask(path: str) -> tuple[float, int, str]:
            begun = time.monotonic()
            answer = client.get(address + PREFIX + path, headers={"Authorization": "Bearer kim:"})
            return time.monotonic() - begun, answer.status_code, path

        def ask_again(path: str) -> list[tuple[float, int, str]]:
            found = []
            while not stop.is_set():
                found.append(ask(path))
            return found

        with ThreadPoolExecutor(24 + 4) as callers:
            asked = [callers.submit(ask_again, NEED_MLFLOW[number % len(NEED_MLFLOW)]) for number in range(24)]
            time.sleep(1)
            free = [ask(path) for _ in range(3) for path in NEED_NONE]
            time.sleep(12)
            free += [ask(path) for path in NEED_NONE]
            stop.set()
            answers = [answer for each in asked for answer in each.result()]
    for seconds, status, path in free:
        expected = 503 if path == "/models/letters/history" else 200
        assert status == expected, f"{path} {seconds:.1f} s"
        assert seconds < 10
    assert {status for _, status, _ in answers} == {503}
    assert max(answers)[0] < 10.5, max(answers)
