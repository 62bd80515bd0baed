"""The services that the routes use. `create_app` is given them: Airflow's connections, or a test's own servers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from fastapi import Depends, Request

from retrain.errors import NotFoundError
from retrain.spec.aliases import Aliases
from retrain.spec.connections import DEFAULT, Connections
from retrain.spec.files import SpecFile, SpecFolder
from retrain_airflow.api.calls import Calls

if TYPE_CHECKING:
    from retrain.ledger.ledger import Ledger
    from retrain.production.deletions import Deletions
    from retrain.production.registry import Registry
    from retrain.snapshots.store import SnapshotStore
    from retrain.source.table import Source
    from retrain.tracker.client import ExperimentTracker


@dataclass(frozen=True)
class Schedule:
    next_run: datetime | None
    paused: bool


@dataclass(frozen=True)
class DagRun:
    """A run of a DAG that has not ended."""

    run_id: str
    state: Literal["running", "queued"]
    since: datetime
    asks: bool
    """Whether it waits for a person's approval."""


class Scheduler(Protocol):
    """Airflow, asked with the login of the request's caller."""

    async def schedule(self, request: Request, dag_id: str) -> Schedule | None:
        """Return None if Airflow does not know the DAG."""
        ...

    async def running(self, request: Request, dag_id: str) -> list[DagRun]:
        """Return the runs that have not ended, the newest first."""
        ...

    async def answer(self, request: Request, dag_id: str, run_id: str, *, approve: bool) -> None:
        """Answer the approval that a run waits for. Raises NotFoundError if it waits for none."""
        ...

    async def start(self, request: Request, dag_id: str, run_id: str | None, conf: Mapping[str, Any]) -> str:
        """Start a run, unless there is one with `run_id`; return its id."""
        ...


@dataclass(frozen=True)
class Backend:
    """Each service is opened by a call, in a thread that may block."""

    tracker_at: "Callable[[str], ExperimentTracker]"
    """By the id of its connection; so is the ledger."""
    ledger_at: "Callable[[str], Ledger]"
    snapshots: "Callable[[Ledger], SnapshotStore]"
    """The store, of which a ledger knows what was erased."""
    source: "Callable[[SpecFile], Source]"
    specs: Callable[[], SpecFolder]
    scheduler: Scheduler

    def spec(self, model: str) -> SpecFile:
        """Return the spec of this model. Raises NotFoundError if there is none."""
        found = self._spec(model)
        if found is None:
            raise NotFoundError(f"no spec has a model {model!r}")
        return found

    def dag_of(self, model: str) -> str | None:
        """Return the id of this model's DAG; None if it has none."""
        found = self._spec(model)
        return None if found is None else found.dag_id

    def tracker(self, connections: Connections = DEFAULT) -> "ExperimentTracker":
        return self.tracker_at(connections.mlflow)

    def ledger(self, connections: Connections = DEFAULT) -> "Ledger":
        return self.ledger_at(connections.ledger)

    def connections(self, model: str) -> Connections:
        """Return the connections of a model's spec; the default ones for a model without a spec."""
        found = self._spec(model)
        return found.spec.connections if found else DEFAULT

    def registry(self, model: str) -> "Registry":
        """Return the registry of the model, whose spec says which types are trusted, and names its aliases."""
        from retrain.production.registry import Registry

        found = self._spec(model)
        of, aliases = (found.spec.connections, found.spec.aliases) if found else (DEFAULT, Aliases())
        tracker, ledger = self.tracker(of).with_aliases(aliases.production, aliases.staging), self.ledger(of)
        return Registry(ledger, tracker, self.snapshots(ledger), found.spec.trust if found else ())

    def deletions(self) -> "Deletions":
        """Return what deletes runs and experiments of the default MLflow server."""
        from retrain.production.deletions import Deletions

        specs = [file.spec for file in self.specs().files]
        ledgers = {DEFAULT.ledger} | {
            each.connections.ledger for each in specs if each.connections.mlflow == DEFAULT.mlflow
        }
        return Deletions(self.tracker(), [self.ledger_at(name) for name in sorted(ledgers)])

    def _spec(self, model: str) -> SpecFile | None:
        return next((file for file in self.specs().files if file.spec.model == model), None)


@dataclass(frozen=True)
class Using:
    """The backend, and the threads in which it may be called."""

    backend: Backend
    quick: Calls
    """For one or two requests to MLflow."""
    slow: Calls
    """For long work with MLflow: many pages, files, the proof of a version."""
    streams: Calls
    """For the metrics of runs that clients follow: however many they are, MLflow is asked by a few at once."""
    own: Calls
    """For what needs no MLflow: the ledger and the specs. These routes answer while MLflow is dead."""
    source: Calls
    """For the users' tables, which may be slow, and are not to make the ledger slow."""

    def tracker(self) -> "ExperimentTracker":
        """Return the tracker of the default MLflow server: that of the routes about experiments and runs."""
        return self.backend.tracker()


async def _using(request: Request) -> Using:
    using: Using = request.app.state.using
    return using


Use = Annotated[Using, Depends(_using)]
