"""A model with all that its cycle needs: source table, Retrain's tables, snapshots, and a real MLflow server."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from retrain import measuring, registry, spec, steps
from retrain.answering import FreshProcess
from retrain.cycle import Cycle
from retrain.nouns import Candidate, Promotion, Snapshot, Verdict
from retrain.registry import Registry
from retrain.snapshot import SnapshotStore
from retrain.source import Source
from retrain.spec import Spec
from retrain.state import State
from retrain.threshold import Sensed
from retrain.tracker import ExperimentTracker
from stack.local import Running
from stack.postgres import system_user
from tests.conftest import Database
from tests.core import toys


@dataclass
class World:
    """One model, and the verbs on it as a test wants to say them."""

    spec: Spec
    database: Database
    snapshots: SnapshotStore
    state: State
    tracker: ExperimentTracker
    _runs: "count[int]" = field(default_factory=lambda: count(1))
    _rows: int = 0

    @property
    def model(self) -> str:
        return self.spec.model

    @property
    def source(self) -> Source:
        return Source(self.database.connect, self.spec.source, snapshot=self.spec.snapshot)

    def feed(self, rows: int, **how: Any) -> None:
        """Let `rows` more labelled rows arrive."""
        with self.database.connect() as database:
            toys.insert(database, "rows", rows, first=self._rows, **how)
        self._rows += rows

    def cycle(self, run_id: str | None = None) -> Cycle:
        """The next run of the DAG, or that of this id again."""
        run_id = run_id or f"run {next(self._runs)}"
        return Cycle(self.spec, "retrain_test", run_id, self.snapshots, self.state, self.tracker)

    def sense(self) -> Sensed:
        return steps.sense(self.spec, source=self.source, state=self.state)

    def recount(self, snapshot: Snapshot) -> Sensed:
        return steps.recount(self.spec, snapshot, source=self.source, state=self.state)

    def execute(self, statement: str) -> None:
        with self.database.connect() as session:
            session.cursor().execute(statement)

    def take(self) -> Snapshot:
        return steps.take(self.spec, source=self.source, snapshots=self.snapshots, state=self.state)

    def train(self, cycle: Cycle, snapshot: Snapshot) -> list[Candidate]:
        return [steps.train(cycle, candidate.name, snapshot) for candidate in self.spec.candidates]

    def judge(self, *, dry_run: bool = False) -> tuple[Cycle, Verdict]:
        """A cycle up to its verdict."""
        cycle, snapshot = self.cycle(), self.take()
        return cycle, steps.evaluate(cycle, snapshot, self.train(cycle, snapshot), dry_run=dry_run)

    def promote(self) -> Promotion:
        """A whole cycle, which must end in a promotion."""
        cycle, verdict = self.judge()
        return steps.promote(cycle, verdict)

    @property
    def registry(self) -> Registry:
        return Registry(self.state, self.tracker, self.snapshots, self.spec.trust)

    def told(self) -> list[str]:
        """Headlines of what waits in the outbox; they are delivered by this."""
        headlines: list[str] = []
        steps.tell(self.model, lambda _, announcement: headlines.append(announcement.headline), state=self.state)
        return headlines


@pytest.fixture
def tracker(mlflow_server: Running) -> ExperimentTracker:
    return ExperimentTracker(mlflow_server.mlflow_url)


@pytest.fixture
def pooled(postgres: Running, database: Database) -> Iterator[str]:
    """The database's address through PgBouncer in transaction pooling: a session is another one each transaction."""
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    user = system_user()
    with tempfile.TemporaryDirectory(prefix="retrain-", ignore_cleanup_errors=True) as folder:
        settings = Path(folder) / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host={postgres.home.postgres_socket} user=postgres\n"
            f"[pgbouncer]\nlisten_addr =\nunix_socket_dir = {folder}\nlisten_port = 6432\n"
            "auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n"
        )
        for path in (Path(folder), settings):
            path.chmod(0o777)
        # Not a pipe that nobody reads: when its log has filled it, PgBouncer stands still.
        command = [program, *(["-u", user] if user else []), str(settings)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as it:
            address = make_dsn(database.dsn, host=folder, port=6432)
            _wait_for(address)
            yield address
            it.terminate()


def _wait_for(address: str) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            psycopg2.connect(address).close()
        except psycopg2.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


@pytest.fixture(scope="session")
def one_fresh_process() -> Iterator[None]:
    """One for all tests, as its start takes two seconds; each question still goes to a new fork of it."""
    with FreshProcess() as process, pytest.MonkeyPatch.context() as patch:
        for module in (measuring, registry):
            patch.setattr(module, "FreshProcess", lambda: nullcontext(process))
        yield


@pytest.fixture
def world(
    one_fresh_process: None,
    mlflow_server: Running,
    database: Database,
    state: State,
    tracker: ExperimentTracker,
    tmp_path: Path,
) -> Callable[..., World]:
    """Makes the model of a test; its arguments replace fields of the spec."""

    def make(**fields: Any) -> World:
        data = {
            "model": f"toy-{uuid4().hex[:8]}",
            "source": {
                "table": "rows",
                "key": "id",
                "label": "label",
                "label_time": "labelled_at",
                "features": ["a", "b"],
            },
            "threshold": {"rows": 500},
            "candidates": [
                {"name": "half", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a"]}},
                {"name": "whole", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}},
            ],
            "gate": {"metric": "accuracy", "floor": 0.7, "epoch_rows": 100},
        }
        with database.connect() as session:
            toys.create(session, "rows")
        snapshots = SnapshotStore((tmp_path / "snapshots").as_uri())
        return World(spec.parse({**data, **fields}, "toy.yaml"), database, snapshots, state, tracker)

    return make
