"""What the tracker gives back: values of ours, never MLflow's own objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, NamedTuple, TypeVar

_Item = TypeVar("_Item")

RunStatus = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
Stage = Literal["None", "Staging", "Production", "Archived"]
View = Literal["ACTIVE", "DELETED", "ALL"]


@dataclass(frozen=True)
class Experiment:
    id: str
    name: str
    deleted: bool
    artifact_location: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Run:
    id: str
    experiment_id: str
    name: str
    status: RunStatus
    started_at: datetime
    ended_at: datetime | None
    deleted: bool
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    """The last value of each."""
    tags: Mapping[str, str]


class MetricPoint(NamedTuple):
    step: int
    value: float
    at: datetime
    """When it was logged, by the clock of who logged it."""


@dataclass(frozen=True)
class Artifact:
    """A file or a folder among a run's artifacts."""

    path: str
    """From the root of the run's artifacts."""
    is_folder: bool
    size: int | None
    """Bytes; None of a folder."""


@dataclass(frozen=True)
class LoggedModel:
    """A model file in MLflow's artifact store."""

    uri: str
    """`models:/m-…`."""
    digest: str
    """SHA-256 over its files, as they were when we uploaded them."""


@dataclass(frozen=True)
class RegisteredModel:
    name: str
    production: str | None
    staging: str | None
    """The versions that own the aliases."""
    tags: Mapping[str, str]


@dataclass(frozen=True)
class ModelVersion:
    model: str
    version: str
    stage: Stage
    aliases: tuple[str, ...]
    run_id: str | None
    source: str
    tags: Mapping[str, str]
    registered_at: datetime


@dataclass(frozen=True)
class Page(Generic[_Item]):
    items: tuple[_Item, ...]
    next: str | None
    """What asks for the page after this one; None for the last."""


@dataclass(frozen=True)
class MetricStats:
    """One metric over the finished runs of an experiment that have it; values that are not finite are left out."""

    count: int
    mean: float
    standard_deviation: float
    """Of a sample (n - 1); 0 for one run."""
    min: float
    quartiles: tuple[float, float, float]
    """By linear interpolation, as numpy does."""
    max: float
    best_run: str
    """Id of the run with the greatest value, or the smallest where smaller is better; of equal ones the earliest."""
