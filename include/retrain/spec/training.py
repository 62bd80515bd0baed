"""Sections of training: how much a model's training may take, and where it runs."""

import re
from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, PlainSerializer, model_validator
from pydantic_core import PydanticCustomError

from retrain.spec.fields import Duration, Section, some_time

_UNITS = {"g": 1 << 30, "m": 1 << 20}


def size(value: object) -> int:
    """Return the bytes that a spec writes so. Raises PydanticCustomError, a ValueError, for anything else."""
    match = re.fullmatch(r"([1-9]\d{0,5})([gm])", value) if isinstance(value, str) else None
    if match is None:
        raise PydanticCustomError("size", "is not a size; write a whole number and g or m, as in 8g")
    return int(match[1]) * _UNITS[match[2]]


def size_text(value: int) -> str:
    """Return the size as a spec writes it."""
    unit, bytes_ = next((unit, bytes_) for unit, bytes_ in _UNITS.items() if not value % bytes_)
    return f"{value // bytes_}{unit}"


Size = Annotated[int, BeforeValidator(size), PlainSerializer(size_text)]
"""`8g` or `512m`: GiB, MiB."""


class Limits(Section):
    """How much the training of one candidate may take; past one of them its process is ended."""

    time: Annotated[Duration, AfterValidator(some_time)] = timedelta(days=1)
    """Greatest time of one fit."""
    memory: Size | None = None
    """Greatest memory of its processes together, as they reside in memory; without it, as much as there is."""
    threads: int | None = Field(None, ge=1, le=1024)
    """Threads that numerical libraries may use, which `n_jobs` does not count; without it, as many as they like."""


class RunOn(Section):
    """Where training runs: which workers take its tasks, and which Python fits."""

    queue: str | None = Field(None, min_length=1, max_length=256)
    """Airflow queue of the tasks that train; default: the one of all tasks."""
    pool: str = Field("default_pool", min_length=1, max_length=256)
    """Airflow pool for training; with one that does not exist, no task starts."""
    python: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    """Name of another interpreter, of those in `RETRAIN_PYTHONS`: it fits, and is asked when the model is judged."""
    image: str | None = Field(None, min_length=1, max_length=512)
    """Container image of the pods that train, under KubernetesExecutor."""
    executor_config: dict[str, JsonValue] = Field(default_factory=dict)
    """What else the executor is told about the tasks that train, as Airflow's `executor_config`."""

    @model_validator(mode="after")
    def _names_one_pod(self) -> Self:
        if self.image is not None and "pod_override" in self.executor_config:
            raise PydanticCustomError("image", "image and executor_config.pod_override both say what runs; write one")
        return self
