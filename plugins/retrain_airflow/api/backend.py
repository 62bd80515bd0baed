"""What the routes work with. Whoever runs the API hands it in: Airflow's connections, or a test's own servers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from fastapi import Depends, Request

from retrain.errors import NotFoundError
from retrain.spec.files import SpecFile, SpecFolder
from retrain_airflow.api.calls import Calls

if TYPE_CHECKING:
    from retrain.ledger.ledger import Ledger
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
    """Whether it waits for a person."""


class Scheduler(Protocol):
    """Airflow, asked in the name of who sent the request."""

    async def schedule(self, request: Request, dag_id: str) -> Schedule | None:
        """None where it does not know the DAG."""
        ...

    async def running(self, request: Request, dag_id: str) -> list[DagRun]:
        """The newest first."""
        ...

    async def answer(self, request: Request, dag_id: str, run_id: str, *, approve: bool) -> None:
        """Answers what a run waits for. Raises NotFoundError where it asks nothing."""
        ...

    async def start(self, request: Request, dag_id: str, run_id: str | None, conf: Mapping[str, Any]) -> str:
        """Id of a new run, or of that with `run_id` where it is there."""
        ...


@dataclass(frozen=True)
class Backend:
    """Each is opened when it is asked for, in a thread that may block."""

    tracker: "Callable[[], ExperimentTracker]"
    ledger: "Callable[[], Ledger]"
    snapshots: "Callable[[], SnapshotStore]"
    source: "Callable[[SpecFile], Source]"
    specs: Callable[[], SpecFolder]
    scheduler: Scheduler

    def spec(self, model: str) -> SpecFile:
        """Raises NotFoundError where no spec keeps this model."""
        found = self._spec(model)
        if found is None:
            raise NotFoundError(f"no spec keeps a model {model!r}")
        return found

    def dag_of(self, model: str) -> str | None:
        """Id of the DAG that keeps this model; None where none does."""
        found = self._spec(model)
        return None if found is None else found.dag_id

    def registry(self, model: str | None = None) -> "Registry":
        """model: whose spec says which types are trusted."""
        from retrain.production.registry import Registry

        found = None if model is None else self._spec(model)
        return Registry(self.ledger(), self.tracker(), self.snapshots(), found.spec.trust if found else ())

    def _spec(self, model: str) -> SpecFile | None:
        return next((file for file in self.specs().files if file.spec.model == model), None)


@dataclass(frozen=True)
class Using:
    """The backend, and the threads in which it may be asked."""

    backend: Backend
    quick: Calls
    """For what is one question to MLflow or two."""
    slow: Calls
    """For what takes its time: many pages, files, the proof of a version."""

    @property
    def tracker(self) -> "Callable[[], ExperimentTracker]":
        return self.backend.tracker


async def _using(request: Request) -> Using:
    using: Using = request.app.state.using
    return using


Use = Annotated[Using, Depends(_using)]
