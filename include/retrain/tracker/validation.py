"""What may be logged. MLflow would cut some of it off in silence, or store it as something else."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, get_args

from retrain.errors import TrackerError
from retrain.tracker.entities import Stage

LONGEST_TAG = 8_000
_LONGEST_PARAM, _LONGEST_NAME = 6_000, 250
_NOT_IN_A_NAME = re.compile(r"[^\w\-. :/]")
_NOT_IN_A_TEXT = re.compile(r"[\x00\ud800-\udfff]")
"""Characters that PostgreSQL cannot store or UTF-8 cannot encode: MLflow's server breaks on them."""


def params(given: Mapping[str, Any]) -> dict[str, str]:
    """Return each value as text or as JSON. Raises TrackerError for what MLflow would refuse or cut off."""
    texts = {}
    for name, value in given.items():
        _check_name("parameter", name)
        text = value if isinstance(value, str) else _json(name, value)
        texts[name] = _text(f"parameter {name!r}", text, _LONGEST_PARAM)
    return texts


def tags(given: Mapping[str, str]) -> dict[str, str]:
    """Return the tags. Raises TrackerError for what MLflow would refuse or cut off."""
    for name, value in given.items():
        _check_name("tag", name)
        _text(f"tag {name!r}", value, LONGEST_TAG)
    return dict(given)


def name(what: str, given: str) -> str:
    """Return the name of an experiment, a run or a model. MLflow on SQLite takes names that PostgreSQL refuses.

    Raises TrackerError if it is too long or cannot be stored.
    """
    return _text(f"name of {what} {given[:50]!r}", given, _LONGEST_NAME)


def stage(stage: str, archive_existing_versions: bool) -> None:
    """Raises TrackerError for an unknown stage, and if two versions would be in Production."""
    if stage not in get_args(Stage):
        raise TrackerError(f"{stage!r} is not a stage; use {', '.join(get_args(Stage))}")
    if stage == "Production" and not archive_existing_versions:
        raise TrackerError(
            "stage Production without archive_existing_versions would leave two versions there; set it to true"
        )


def metrics(given: Mapping[str, float | Sequence[float]]) -> list[tuple[str, int, float]]:
    """Return name, place in its sequence (0 for a single value) and value of each point.

    Raises TrackerError for infinity, for what is not a number and for names that MLflow refuses. Takes NaN.
    """
    points = []
    for name, given_values in given.items():
        _check_name("metric", name)
        values = _unboxed(given_values)
        for place, value in enumerate(values if isinstance(values, Iterable) else [values]):
            points.append((name, place, _number(name, _unboxed(value))))
    return points


def _unboxed(value: Any) -> Any:
    """Return a scalar or an array of numpy's, or of a library that does as numpy does, as a number or a list."""
    return value.tolist() if hasattr(value, "tolist") else value


def _unboxed_in(value: Any) -> Any:
    """Return the same at any depth."""
    value = _unboxed(value)
    if isinstance(value, Mapping):
        return {_unboxed(name): _unboxed_in(each) for name, each in value.items()}
    return [_unboxed_in(each) for each in value] if isinstance(value, list | tuple) else value


def _number(name: str, value: object) -> float:
    if not isinstance(value, Real):
        raise TrackerError(f"metric {name!r} is {value!r}, which is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise TrackerError(f"metric {name!r} is {value}: MLflow would store it as a number that always wins; log NaN")
    return number


def _text(what: str, given: str, longest: int) -> str:
    if len(given) > longest:
        raise TrackerError(f"{what} has {len(given):,} characters; MLflow stores at most {longest:,}")
    if found := _NOT_IN_A_TEXT.search(given):
        raise TrackerError(f"{what} holds {found.group()!r}, which MLflow's database cannot store")
    return given


def _check_name(what: str, name: str) -> None:
    if found := _NOT_IN_A_NAME.search(name):
        raise TrackerError(
            f"{what} {name!r}: MLflow does not allow {found.group()!r} in a name; "
            "use letters, digits and any of _ - . : /"
        )
    if not name or len(name) > _LONGEST_NAME:
        raise TrackerError(f"{what} {name[:50]!r}: a name has 1 to {_LONGEST_NAME} characters, not {len(name)}")
    # Some of MLflow's stores use names as paths of files.
    if name.startswith("..") or any(part in ("", ".", "..") for part in name.split("/")):
        raise TrackerError(
            f"{what} {name!r}: MLflow does not allow `..` at the start, nor an empty part, `.` or `..` between /"
        )


def _json(name: str, value: Any) -> str:
    try:
        return json.dumps(_unboxed_in(value), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise TrackerError(f"parameter {name!r}: {value!r} cannot be written as JSON: {error}") from error
