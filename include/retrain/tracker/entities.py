"""What the tracker returns: our own values, never MLflow's objects. The REST API serves them as they are.

Comments stand in place of class docstrings, which would become descriptions in the API's document.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import PlainSerializer

_Item = TypeVar("_Item")

RunStatus = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
Stage = Literal["None", "Staging", "Production", "Archived"]
View = Literal["ACTIVE", "DELETED", "ALL"]


def json_number(number: float) -> float | str:
    """Return the number as JSON can hold it: NaN and the infinities become text."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


Number = Annotated[float, PlainSerializer(json_number, return_type=float | Literal["NaN", "Infinity", "-Infinity"])]


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
    metrics: Mapping[str, Number]
    """The last value of each."""
    tags: Mapping[str, str]


@dataclass(frozen=True, order=True)
class MetricPoint:
    step: int
    value: Number
    at: datetime
    """When it was logged, by the clock of the process that logged it."""


# A file or a folder among a run's artifacts.
@dataclass(frozen=True)
class Artifact:
    path: str
    """From the root of the run's artifacts."""
    is_folder: bool
    size: int | None
    """Bytes; None for a folder."""


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
    """`production` and `staging`: the versions that own the aliases of these names, or those that its spec names."""
    aliases: Mapping[str, str]
    """All aliases, each with the version that owns it."""
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
    status: str = "READY"
    """READY, PENDING_REGISTRATION or FAILED_REGISTRATION."""
    status_message: str = ""
    model_id: str | None = None
    """Of its logged model, where the registry tells it."""

    @property
    def identity(self) -> str:
        """What it is made of: the id of its logged model, or else a digest of where its files are.

        A number alone names no version: when a registered model is deleted, MLflow gives its numbers anew.
        """
        return self.logged_model or hashlib.sha256(self.source.encode()).hexdigest()[:32]

    @property
    def logged_model(self) -> str | None:
        """The id of its logged model, as its source names it; None if it does not."""
        found = re.search(r"(?:^|/)(m-[0-9a-f]{32})(?:/|$)", self.source)
        return found[1] if found else None

    @property
    def standing(self) -> str:
        """Its number, with its stage and its aliases, as a part of a sentence."""
        owned = [f"alias {alias}" for alias in self.aliases]
        return f"version {self.version} ({', '.join([f'stage {self.stage}', *owned])})"


@dataclass(frozen=True)
class Page(Generic[_Item]):
    items: tuple[_Item, ...]
    next: str | None
    """The token of the next page; None on the last one."""


# One metric over the finished runs of an experiment that have it; values that are not finite are left out.
@dataclass(frozen=True)
class MetricStats:
    count: int
    mean: Number
    standard_deviation: Number
    """Of a sample (n - 1); 0 for one run."""
    min: Number
    quartiles: tuple[Number, Number, Number]
    """By linear interpolation, as numpy does."""
    max: Number
    best_run: str
    """Id of the run with the greatest value, or the smallest where smaller is better; of equal ones the earliest."""
