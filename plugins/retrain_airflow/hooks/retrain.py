import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.sdk import BaseHook

from retrain.errors import SettingsError, refuse_login
from retrain.spec import files as spec_files
from retrain.spec.connections import DEFAULT
from retrain_airflow.compat import conf
from retrain_airflow.hooks.tracker import TrackerHook

if TYPE_CHECKING:
    from airflow.sdk import Context
    from psycopg2.extensions import connection

    from retrain.ab.testing import Testing
    from retrain.ab.units import Units
    from retrain.cycle.context import Cycle
    from retrain.ledger.ledger import Ledger
    from retrain.ledger.splits import Exposure
    from retrain.snapshots.store import SnapshotStore
    from retrain.source.served import Served
    from retrain.source.table import Source
    from retrain.spec.spec import Spec
    from retrain.tracker.client import ExperimentTracker

    Connecting = Callable[[str], Callable[[], connection]]

log = logging.getLogger(__name__)


def connecting(connection_id: str) -> "Callable[[], connection]":
    """Return what opens a connection of its own each time."""
    from retrain_airflow.hooks.postgres import Psycopg2Hook

    return Psycopg2Hook(connection_id).get_conn


def ledger_of(connection_id: str, connect: "Connecting" = connecting) -> "Ledger":
    """Return the ledger behind a connection. Raises LedgerError where its tables are of another version.

    connect: returns, for the id of a connection, what opens it.
    """
    from retrain.ledger.ledger import Ledger

    ledger = Ledger(connect(connection_id))
    ledger.check()
    return ledger


def for_each_ledger(connection_ids: Iterable[str], act: Callable[[str], None]) -> None:
    """Call `act` with each of these connections once. Raises the first error when all were tried: a ledger that is
    down holds up no other.
    """
    failed = list[Exception]()
    for connection_id in dict.fromkeys(connection_ids):
        try:
            act(connection_id)
        except Exception as error:
            log.warning("connection %s: %s", connection_id, error)
            failed.append(error)
    if failed:
        raise failed[0]


def snapshots_of(ledger: "Ledger") -> "SnapshotStore":
    """Return the store of snapshots, of which this ledger knows what was erased."""
    from retrain.snapshots.store import SnapshotStore

    uri = os.environ.get("RETRAIN_SNAPSHOTS_URI")
    if not uri:
        raise SettingsError("RETRAIN_SNAPSHOTS_URI is not set; set it to e.g. file:///var/retrain/snapshots")
    refuse_login("RETRAIN_SNAPSHOTS_URI", uri, "give it to the store's own variables, such as AWS_ACCESS_KEY_ID")
    return SnapshotStore(uri, erased=ledger.was_erased)


def _page(*path: str) -> str | None:
    """Return the address of a page of Airflow's; None where its base URL is not configured."""
    base = conf.get("api", "base_url", fallback=None)
    return "/".join([base.rstrip("/"), *(quote(part) for part in path)]) if base else None


class RetrainHook(BaseHook):
    """Turns a spec file, and the connections of Airflow's that it names, into the arguments of the core's verbs."""

    def __init__(
        self,
        spec: str,
        *,
        at_most: float | None = None,
        connect: "Connecting" = connecting,
        patience: int | None = None,
    ) -> None:
        """spec: path of the spec file. It is read on first use, which raises SpecError with every fault in it.

        at_most: seconds to wait for one response of MLflow, where its connection would wait longer. connect: returns,
        for the id of a connection, what opens it. patience: seconds to wait for a lock on the source's table.
        """
        super().__init__()
        self.path = spec
        self._at_most = at_most
        self._connect = connect
        self._patience = patience

    @property
    def spec(self) -> "Spec":
        return self._file.spec

    @property
    def dag_id(self) -> str:
        """Id of the model's DAG."""
        return self._file.dag_id

    @cached_property
    def source(self) -> "Source":
        from retrain.source.table import Source

        connect = self._connect(self.spec.source.connection)
        return Source(connect, self.spec.source, self._file.sql, self.spec.snapshot, patience=self._patience)

    @property
    def served(self) -> "Served | None":
        """The log of what was served; None where the spec names none."""
        from retrain.source.served import Served

        return Served.of(self.source, self.spec.predictions, self._file.queries)

    @property
    def testing(self) -> "Testing":
        """The model's split tests."""
        from retrain.ab.testing import Testing

        return Testing(self.spec, self.units, self.ledger, self.tracker, self.snapshots)

    @cached_property
    def units(self) -> "Units":
        """Exposures and outcomes of the model's split tests."""
        from retrain.ab.units import Units

        connect = self._connect(self.spec.source.connection)
        return Units(connect, self.spec, self._file.queries, self._exposures)

    def _exposures(self, split: str) -> "Iterator[list[Exposure]]":
        # The ledger is opened only where exposures are its own.
        return self.ledger.exposures(split)

    @cached_property
    def ledger(self) -> "Ledger":
        return ledger_of(self.spec.connections.ledger, self._connect)

    @cached_property
    def snapshots(self) -> "SnapshotStore":
        return snapshots_of(self.ledger)

    @cached_property
    def tracker(self) -> "ExperimentTracker":
        aliases = self.spec.aliases
        tracker = TrackerHook(self.spec.connections.mlflow, at_most=self._at_most).tracker
        return tracker.with_aliases(aliases.production, aliases.staging)

    def cycle(self, context: "Context", note: str | None = None) -> "Cycle":
        """Return the cycle of the DAG run that `context` belongs to. note: shown on the runs in MLflow."""
        return self.cycle_of(context["dag"].dag_id, context["run_id"], note)

    def cycle_of(self, dag_id: str, run_id: str, note: str | None = None) -> "Cycle":
        from retrain.cycle.context import Cycle

        return Cycle(
            spec=self.spec,
            dag_id=dag_id,
            run_id=run_id,
            snapshots=self.snapshots,
            ledger=self.ledger,
            tracker=self.tracker,
            note=note or "",
            page=_page("dags", dag_id, "runs", run_id),
            # The API's routes about runs are those of the default server.
            api=_page("api", "experiments") if self.spec.connections.mlflow == DEFAULT.mlflow else None,
            rollback=(spec_files.ROLLBACK_DAG, _page("dags", spec_files.ROLLBACK_DAG)),
        )

    @cached_property
    def _file(self) -> spec_files.SpecFile:
        return spec_files.load(self.path)


def for_commands(path: str) -> RetrainHook:
    """Return the hook of a spec for a process of no task's, such as a command.

    It has all connections of Airflow's, and imports from the folder of DAGs, as a task does.
    """
    # Airflow's own commands do the same. Without it those of its database are not looked for.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    dags = conf.get("core", "dags_folder")
    if dags not in sys.path:
        sys.path.append(dags)
    return RetrainHook(path)
