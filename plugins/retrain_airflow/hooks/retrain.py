import logging
import os
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.sdk import BaseHook
from airflow.sdk.configuration import conf

from retrain.errors import SettingsError, refuse_login
from retrain.spec import files as spec_files
from retrain.spec.connections import DEFAULT
from retrain_airflow.hooks.tracker import TrackerHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from retrain.cycle.context import Cycle
    from retrain.ledger.ledger import Ledger
    from retrain.snapshots.store import SnapshotStore
    from retrain.source.table import Source
    from retrain.spec.spec import Spec
    from retrain.tracker.client import ExperimentTracker

log = logging.getLogger(__name__)


def ledger_of(connection_id: str) -> "Ledger":
    """Return the ledger behind a connection. Raises LedgerError where its tables are of another version."""
    from retrain.ledger.ledger import Ledger
    from retrain_airflow.hooks.postgres import Psycopg2Hook

    ledger = Ledger(Psycopg2Hook(connection_id).get_conn)
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

    def __init__(self, spec: str) -> None:
        """spec: path of the spec file. It is read on first use, which raises SpecError with every fault in it."""
        super().__init__()
        self._path = spec

    @property
    def spec(self) -> "Spec":
        return self._file.spec

    @cached_property
    def source(self) -> "Source":
        from retrain.source.table import Source
        from retrain_airflow.hooks.postgres import Psycopg2Hook

        connect = Psycopg2Hook(self.spec.source.connection).get_conn
        return Source(connect, self.spec.source, self._file.sql, self.spec.snapshot)

    @cached_property
    def ledger(self) -> "Ledger":
        return ledger_of(self.spec.connections.ledger)

    @cached_property
    def snapshots(self) -> "SnapshotStore":
        return snapshots_of(self.ledger)

    @cached_property
    def tracker(self) -> "ExperimentTracker":
        aliases = self.spec.aliases
        return TrackerHook(self.spec.connections.mlflow).tracker.with_aliases(aliases.production, aliases.staging)

    def cycle(self, context: "Context", note: str | None = None) -> "Cycle":
        """Return the cycle of the DAG run that `context` belongs to. note: shown on the runs in MLflow."""
        return self.cycle_of(context["dag"].dag_id, context["run_id"], note)

    def cycle_of(self, dag_id: str, run_id: str, note: str | None = None) -> "Cycle":
        from retrain.cycle.context import Cycle

        rollback = self._file.rollback_dag_id
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
            rollback=(rollback, _page("dags", rollback)),
        )

    @cached_property
    def _file(self) -> spec_files.SpecFile:
        return spec_files.load(self._path)
