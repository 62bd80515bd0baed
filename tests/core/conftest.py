"""A model with everything that its cycle needs: source table, Retrain's tables, snapshots, a real MLflow server."""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from retrain.cli import main
from retrain.cycle import measure, report
from retrain.cycle.context import Cycle
from retrain.cycle.evaluate import evaluate
from retrain.cycle.promote import promote
from retrain.cycle.sense import recount, sense
from retrain.cycle.snapshot import take_snapshot
from retrain.cycle.threshold import Sensed
from retrain.cycle.train import train
from retrain.ledger.ledger import Ledger
from retrain.live import predict
from retrain.models.sandbox import Sandbox
from retrain.preflight import source as preflight
from retrain.production import adoption
from retrain.production.adoption import Trust
from retrain.production.registry import Registry
from retrain.records import Candidate, ModelFile, Promotion, Snapshot, Verdict
from retrain.reports import verdict_chart
from retrain.snapshots.store import SnapshotStore
from retrain.source.table import Source
from retrain.spec.parse import parse
from retrain.spec.spec import Spec
from retrain.tracker.client import ExperimentTracker
from stack.local import Running
from stack.postgres import system_user
from tests.conftest import Database, new_database
from tests.core import toys
from tests.mailbox import waiting


@dataclass
class World:
    """One model, with short forms of the verbs."""

    spec: Spec
    database: Database
    snapshots: SnapshotStore
    ledger: Ledger
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
        """Add `rows` labelled rows to the source."""
        with self.database.connect() as database:
            toys.insert(database, "rows", rows, first=self._rows, **how)
        self._rows += rows

    def cycle(self, run_id: str | None = None) -> Cycle:
        """Return the next run of the DAG, or the run with this id."""
        run_id = run_id or f"run {next(self._runs)}"
        return Cycle(self.spec, "retrain_test", run_id, self.snapshots, self.ledger, self.tracker)

    def sense(self) -> Sensed:
        return sense(self.spec, source=self.source, ledger=self.ledger)

    def recount(self, snapshot: Snapshot) -> Sensed:
        return recount(self.spec, snapshot, source=self.source, ledger=self.ledger)

    def execute(self, statement: str) -> None:
        with self.database.connect() as session:
            session.cursor().execute(statement)

    def take(self) -> Snapshot:
        return take_snapshot(self.spec, source=self.source, snapshots=self.snapshots, ledger=self.ledger)

    def train(self, cycle: Cycle, snapshot: Snapshot) -> list[Candidate]:
        return [train(cycle, snapshot, candidate.name) for candidate in self.spec.candidates]

    def judge(self, *, dry_run: bool = False) -> tuple[Cycle, Verdict]:
        """Run a cycle up to its verdict."""
        cycle, snapshot = self.cycle(), self.take()
        return cycle, evaluate(cycle, snapshot, self.train(cycle, snapshot), dry_run=dry_run)

    def promote(self) -> Promotion:
        """Run a whole cycle, which must end in a promotion."""
        cycle, verdict = self.judge()
        return promote(cycle, verdict)

    @property
    def registry(self) -> Registry:
        return Registry(self.ledger, self.tracker, self.snapshots, self.spec.trust)

    def adopt(self, version: str, *, trained_before: datetime | None = None, **how: Any) -> ModelFile:
        """Adopt a version as a person does who trusts it, whatever it is."""
        with tempfile.TemporaryDirectory() as folder:
            found = self.registry.look(self.tracker.get_model_version(self.model, version), Path(folder))
            shown = {"format": found.format, "digest": found.digest, "by": "kim", "why": "we know who made it"}
            trust = Trust(**{**shown, "trained_before": trained_before, **how})
            self.registry.take_over(found, trust, self.spec, self.source)
            return self.registry.adopt(found, trust, self.spec, self.source)

    def headlines(self) -> list[str]:
        """Take what waits in the outbox, and return the headlines."""
        return [announcement.headline for announcement in waiting(self.ledger, self.model)]


Make = Callable[..., World]
Build = Callable[[Make], World]
Cast = Callable[[Build], World]


@pytest.fixture
def tracker(mlflow_server: Running) -> ExperimentTracker:
    return ExperimentTracker(mlflow_server.mlflow_url)


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command `retrain` in this process: a process of its own needs seconds for its imports."""

    def retrain(*words: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["retrain", *map(str, words)])
        try:
            status = main.main()
        except SystemExit as end:
            status = int(str(end.code))
        output = capsys.readouterr()
        return subprocess.CompletedProcess(words, status, output.out, output.err)

    return retrain


@pytest.fixture
def pooled(postgres: Running, database: Database) -> Iterator[str]:
    """The database's address through PgBouncer in transaction pooling: each transaction may get another session."""
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
        # Not a pipe that nobody reads: PgBouncer stops when its log has filled it.
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
    """One sandbox for all tests, as its start takes two seconds; each question still goes to a new fork of it."""
    with Sandbox() as process, pytest.MonkeyPatch.context() as patch:
        for module in (measure, adoption, preflight, predict):
            patch.setattr(module, "Sandbox", lambda: nullcontext(process))
        yield


@pytest.fixture(scope="session")
def _drawn() -> list[bytes]:
    return []


@pytest.fixture
def one_picture(_drawn: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw one picture, as that takes a second: the pictures of other verdicts are copies of the first. The tests of
    reports check what is on them, and that each kind can be drawn.
    """

    draw = verdict_chart.write

    def write(scores: Any, gate: Any, verdict: Any, folder: Path) -> Path:
        if not _drawn:
            _drawn.append(draw(scores, gate, verdict, folder).read_bytes())
        path = folder / "verdict.png"
        path.write_bytes(_drawn[0])
        return path

    monkeypatch.setattr(verdict_chart, "write", write)


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write no report, which takes a third of a verdict's time: test_report.py checks it."""
    monkeypatch.setattr(report, "write", lambda *_, **__: None)


@pytest.fixture
def world(
    one_fresh_process: None,
    one_picture: None,
    no_report: None,
    mlflow_server: Running,
    database: Database,
    ledger: Ledger,
    tracker: ExperimentTracker,
    tmp_path: Path,
) -> Make:
    """Make the model of a test; its arguments replace fields of the spec."""
    return partial(_world, database, ledger, tracker, tmp_path)


def _world(database: Database, ledger: Ledger, tracker: ExperimentTracker, folder: Path, /, **fields: Any) -> World:
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
        "gate": {"metric": "accuracy", "floor": 0.7, "round_rows": 100},
    }
    with database.connect() as session:
        toys.create(session, "rows")
    snapshots, spec = SnapshotStore((folder / "snapshots").as_uri()), parse({**data, **fields}, "toy.yaml")
    of_model = tracker.with_aliases(spec.aliases.production, spec.aliases.staging)
    return World(spec, database, snapshots, ledger, of_model)


@dataclass(frozen=True)
class Mould:
    """A world as it was built. Each test gets a copy of the database, and MLflow's versions registered again. Runs,
    model files and snapshots are shared: a test may add some, but must not change any.
    """

    built: World
    versions: list[Any]
    production: str | None

    @staticmethod
    def of(built: World) -> "Mould":
        found = built.tracker._client.search_model_versions(f"name = '{built.model}'")
        versions = sorted(found, key=lambda version: int(version.version))
        return Mould(built, versions, built.tracker.production(built.model))

    def cast(self, database: Database) -> World:
        model, tracker = self.built.model, self.built.tracker
        tracker._client.delete_registered_model(model)
        tracker._client.create_registered_model(model)
        for each in self.versions:
            (logged,) = re.findall(r"/(m-\w+)", each.source)  # MLflow needs it, but does not store it
            made = tracker._client.create_model_version(
                model, each.source, each.run_id, tags=each.tags, await_creation_for=0, model_id=logged
            )
            assert made.version == each.version
            if each.current_stage != "None":
                tracker.transition_model_stage(model, each.version, each.current_stage)
        if self.production is not None:
            tracker.set_production(model, self.production)
        # All copies share `_runs`: what a cycle makes in MLflow is found by the id of its run.
        return replace(self.built, database=database, ledger=Ledger(database.connect))


@pytest.fixture(scope="session")
def _moulds() -> Iterator[tuple[ExitStack, dict[Build, Mould]]]:
    with ExitStack() as databases:
        yield databases, {}


@pytest.fixture
def cast(
    one_fresh_process: None,
    one_picture: None,
    no_report: None,
    postgres: Running,
    migrated: str,
    tracker: ExperimentTracker,
    _moulds: tuple[ExitStack, dict[Build, Mould]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cast]:
    """Return a copy of what a function makes with `world`: tests that begin with the same cycles share them."""
    databases, moulds = _moulds
    with ExitStack() as own:

        def cast(build: Build) -> World:
            if build not in moulds:
                database = databases.enter_context(new_database(postgres, migrated))
                folder = tmp_path_factory.mktemp("mould")
                moulds[build] = Mould.of(build(partial(_world, database, Ledger(database.connect), tracker, folder)))
            like = parse_dsn(moulds[build].built.database.dsn)["dbname"]
            return moulds[build].cast(own.enter_context(new_database(postgres, like)))

        yield cast
