"""Several processes change Production at once, or die, stand still or lose their connection meanwhile."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import psutil
import pytest

from retrain.errors import LedgerError, NoAnswerError
from retrain.ledger.ledger import Ledger
from retrain.production.apply import apply
from retrain.records import Move
from retrain.snapshots.store import SnapshotStore
from retrain.tracker.client import ExperimentTracker
from stack.home import PROJECT
from stack.local import Running
from tests.conftest import Database, short_lived
from tests.core import versions
from tests.core.racer import Unproven
from tests.tap import Tap

VERSIONS = ("1", "2", "3")
ALIAS, STAGE = "registered-models/alias", "model-versions/transition-stage"


class Racer:
    """A process that changes Production on command; `track` starts such processes."""

    def __init__(self, track: Path, **how: Any) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(track))
        self._lines = self._socket.makefile("rw")
        self._send(how)
        self.process = psutil.Process(int(self.reply()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(psutil.NoSuchProcess):
            self.process.kill()
        self.process.wait()
        with suppress(BrokenPipeError):
            self._lines.close()
        self._socket.close()

    def start(self, does: str, *, expects: str | None, version: str | None = None) -> None:
        self._send({"does": does, "expects": expects, "version": version})

    def reply(self) -> str:
        return self._lines.readline().strip()

    def _send(self, line: dict[str, Any]) -> None:
        print(json.dumps(line), file=self._lines, flush=True)


@pytest.fixture(scope="module")
def track() -> Iterator[Path]:
    with short_lived() as folder:
        path = folder / "socket"
        command = [sys.executable, "-m", "tests.core.racer", str(path)]
        env = os.environ | {"PYTHONPATH": f"{PROJECT / 'include'}{os.pathsep}{PROJECT}"}
        with subprocess.Popen(command, cwd=PROJECT, env=env, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "listening\n"
            yield path
            process.kill()


class Model:
    """Three versions on a real MLflow server, the first of them in Production."""

    def __init__(self, database: Database, ledger: Ledger, mlflow: Running, snapshots: Path, track: Path) -> None:
        self._track = track
        self.name = f"toy-{uuid4().hex[:8]}"
        self.database, self.ledger = database, ledger
        self.tracker = ExperimentTracker(mlflow.mlflow_url)
        self.snapshots = snapshots.as_uri()
        self.registry = Unproven(ledger, self.tracker, SnapshotStore(self.snapshots))
        versions.register(self.name, VERSIONS, ledger, self.tracker, self.registry.snapshots)
        self.put("1", expects=None)

    def put(self, version: str, *, expects: str | None) -> None:
        self.registry.transition_model_stage(self.name, version, "Production", expects=expects, by="kim", why="a test")

    def racer(self, dsn: str | None = None, mlflow: str | None = None, **how: Any) -> Racer:
        return Racer(
            self._track,
            dsn=dsn or self.database.dsn,
            mlflow=mlflow or self.tracker._uri,
            snapshots=self.snapshots,
            model=self.name,
            **how,
        )

    def agrees(self) -> str | None:
        """Return the version in Production by ledger, alias and stage alike; each change is announced once."""
        with self.ledger.lock_production(self.name) as production:
            assert production.pending() is None
            head = production.head()
        assert self.tracker.production(self.name) == head
        stages = {each.version: each.stage for each in self.tracker.list_model_versions(self.name)}
        assert [version for version, stage in stages.items() if stage == "Production"] == [head]
        history = self.ledger.history(self.name)
        applied = [row for row in history if row.applied_at]
        assert [row.from_version for row in applied[1:]] == [row.to_version for row in applied[:-1]]
        with closing(self.database.connect()) as session, session.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM retrain.outbox WHERE model = %s", (self.name,))
            assert cursor.fetchone() == (len(history),)
        return head


@pytest.fixture
def model(database: Database, ledger: Ledger, mlflow_server: Running, tmp_path: Path, track: Path) -> Model:
    return Model(database, ledger, mlflow_server, tmp_path / "snapshots", track)


@pytest.fixture
def mlflow_tap(mlflow_server: Running) -> Iterator[Tap]:
    with Tap() as tap:
        tap.upstream = mlflow_server.ports.mlflow
        yield tap


rounds = pytest.mark.parametrize("rounds", [5, pytest.param(200, marks=pytest.mark.soak)])


@rounds
@pytest.mark.parametrize("rival", ["promote", "rollback"])
def test_of_two_who_change_production_at_once_one_does(model: Model, rival: str, rounds: int) -> None:
    _race(model, model.database.dsn, rival, rounds)


@rounds
def test_of_two_who_come_through_a_pooling_proxy_one_does(model: Model, pooled: str, rounds: int) -> None:
    _race(model, pooled, "rollback", rounds)


def _race(model: Model, dsn: str, rival: str, rounds: int) -> None:
    """In each round both try to replace the version in Production by different ones; exactly one succeeds."""
    for before, version in pairwise(("1", "2", "3", "1")):  # only what was there before can go back
        model.put(version, expects=before)
    begun = len(model.ledger.history(model.name))
    with model.racer(dsn, name="one") as one, model.racer(dsn, name="two") as two:
        for number in range(rounds):
            head = model.agrees()
            others = [version for version in VERSIONS if version != head]
            one.start("promote", expects=head, version=others[0])
            two.start(rival, expects=head, version=others[1])
            replies = [one.reply(), two.reply()]
            row = begun + number + 1
            assert len(model.ledger.history(model.name)) == row, replies
            winners = [each for each in replies if each == str(row)]
            losers = [each for each in replies if each.startswith("StaleVerdictError")]
            assert (len(winners), len(losers)) == (1, 1), replies


BOUNDARIES = [
    pytest.param("GET", ALIAS, "", False, id="before it has asked who is there"),
    pytest.param("POST", ALIAS, '"2"', False, id="before the alias is set"),
    pytest.param("POST", ALIAS, '"2"', True, id="after the alias is set"),
    pytest.param("POST", STAGE, '"2"', False, id="before the stage is set"),
    pytest.param("POST", STAGE, '"2"', True, id="after the stage is set"),
]


@pytest.mark.parametrize(("method", "path", "body", "after"), BOUNDARIES)
def test_whoever_comes_after_one_that_was_killed_goes_on(
    model: Model, mlflow_tap: Tap, method: str, path: str, body: str, after: bool
) -> None:
    with model.racer(mlflow=f"http://127.0.0.1:{mlflow_tap.port}", name="one") as one:
        with mlflow_tap.hold(method, path, body, after=after) as held:
            one.start("promote", expects="1", version="2")
            assert held.process().pid == one.process.pid
            one.process.kill()
            one.process.wait()
        apply(model.name, model.ledger, model.tracker)
        decided = len(model.ledger.history(model.name)) == 2
        assert model.agrees() == ("2" if decided else "1")
        assert decided == (method == "POST")
    if not decided:
        model.put("2", expects="1")
    model.registry.rollback(model.name, expects="2", by="kim", why="a test")
    assert model.agrees() == "1"
    assert Move.BY_HAND not in {row.kind for row in model.ledger.history(model.name)}


@pytest.mark.parametrize("path", [ALIAS, STAGE])
def test_what_one_that_stood_still_writes_late_is_put_right(
    model: Model, mlflow_tap: Tap, path: str, eventually: Callable[..., None]
) -> None:
    """It stands still for longer than the database waits for it, others go on, and then what it sent arrives."""
    with model.racer(mlflow=f"http://127.0.0.1:{mlflow_tap.port}", name="one", patience=1) as one:
        with mlflow_tap.hold("POST", path, '"2"', after=False) as held:
            one.start("promote", expects="1", version="2")
            held.process().send_signal(signal.SIGSTOP)
            apply(model.name, model.ledger, model.tracker)
            assert model.agrees() == "2"
            model.registry.rollback(model.name, expects="2", by="kim", why="a test")
            assert model.agrees() == "1"
        eventually(lambda: "2" in (model.tracker.production(model.name), _in_stage(model)))
        one.process.send_signal(signal.SIGCONT)
        assert one.reply().startswith("LedgerError: the ledger: ")
    assert model.agrees() == "1"
    assert [row.kind for row in model.ledger.history(model.name)] == [Move.FORWARD, Move.FORWARD, Move.ROLLBACK]


def test_a_late_write_of_one_that_is_gone_is_a_change_by_hand(
    model: Model, mlflow_tap: Tap, eventually: Callable[..., None]
) -> None:
    with model.racer(mlflow=f"http://127.0.0.1:{mlflow_tap.port}", name="one", patience=1) as one:
        with mlflow_tap.hold("POST", ALIAS, '"2"', after=False) as held:
            one.start("promote", expects="1", version="2")
            held.process().send_signal(signal.SIGSTOP)
            apply(model.name, model.ledger, model.tracker)
            model.registry.rollback(model.name, expects="2", by="kim", why="a test")
            one.process.kill()
        eventually(lambda: model.tracker.production(model.name) == "2")
    assert apply(model.name, model.ledger, model.tracker) == "2"
    assert model.ledger.history(model.name)[-1].kind is Move.BY_HAND


def test_an_answer_that_is_lost_after_the_alias_was_set_changes_nothing(model: Model, mlflow_tap: Tap) -> None:
    tracker = ExperimentTracker(f"http://127.0.0.1:{mlflow_tap.port}")
    registry = Unproven(model.ledger, tracker, model.registry.snapshots)
    with mlflow_tap.cut("POST", ALIAS, after=True):
        registry.transition_model_stage(model.name, "2", "Production", expects="1", by="kim", why="a test")
    assert model.agrees() == "2"


@pytest.mark.parametrize("after", [False, True])
def test_a_connection_that_is_cut_at_the_stage_leaves_the_rest_to_the_next(
    model: Model, mlflow_tap: Tap, after: bool
) -> None:
    tracker = ExperimentTracker(f"http://127.0.0.1:{mlflow_tap.port}")
    registry = Unproven(model.ledger, tracker, model.registry.snapshots)
    with mlflow_tap.cut("POST", STAGE, after=after), pytest.raises(NoAnswerError):
        registry.transition_model_stage(model.name, "2", "Production", expects="1", by="kim", why="a test")
    assert apply(model.name, model.ledger, tracker) == "2"
    assert model.agrees() == "2"


@pytest.mark.parametrize("after", [False, True])
def test_what_a_lost_answer_had_made_is_found(model: Model, mlflow_tap: Tap, after: bool) -> None:
    tracker = ExperimentTracker(f"http://127.0.0.1:{mlflow_tap.port}")
    (uri,) = {each.uri for each in model.ledger.model_files_in_use()}
    run_id = model.ledger.model_file(uri).run_id
    with mlflow_tap.cut("POST", "model-versions/create", after=after), pytest.raises(NoAnswerError):
        tracker.register_model(run_id, model.name, uri, key="ab12")
    assert tracker.register_model(run_id, model.name, uri, key="ab12") == "4"
    assert len(tracker.list_model_versions(model.name)) == 4


def test_one_whose_connection_to_the_ledger_ended_says_so(model: Model) -> None:
    with pytest.raises(LedgerError, match="the ledger: "):
        _lose_the_lock(model)


def _lose_the_lock(model: Model) -> None:
    with model.ledger.lock_production(model.name) as production:
        with closing(model.database.connect()) as session, session.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        production.confirm()


def _in_stage(model: Model) -> str | None:
    found = [each.version for each in model.tracker.list_model_versions(model.name) if each.stage == "Production"]
    return found[0] if found else None
