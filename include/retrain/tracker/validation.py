"""What a run may be told. MLflow would cut some of it off in silence, or keep it as something else."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, get_args

from retrain.errors import TrackerError
from retrain.tracker.entities import Stage

_LONGEST_PARAM, _LONGEST_TAG, _LONGEST_NAME = 6_000, 8_000, 250
_NOT_IN_A_NAME = re.compile(r"[^\w\-. :/]")
_NOT_IN_A_TEXT = re.compile(r"[\x00\ud800-\udfff]")
"""What PostgreSQL does not keep, or UTF-8 cannot say: the server breaks on it instead of refusing it."""


def params(given: Mapping[str, Any]) -> dict[str, str]:
    """Each value as text: what is no text becomes JSON. Raises TrackerError for what MLflow would refuse or cut off."""
    texts = {}
    for name, value in given.items():
        _check_name("parameter", name)
        text = value if isinstance(value, str) else _json(name, value)
        texts[name] = _text(f"parameter {name!r}", text, _LONGEST_PARAM)
    return texts


def tags(given: Mapping[str, str]) -> dict[str, str]:
    for name, value in given.items():
        _check_name("tag", name)
        _text(f"tag {name!r}", value, _LONGEST_TAG)
    return dict(given)


def name(what: str, given: str) -> str:
    """The name of an experiment, a run or a model: MLflow has SQLite keep names that PostgreSQL refuses."""
    return _text(f"name of {what} {given[:50]!r}", given, _LONGEST_NAME)


def stage(stage: str, archive_existing_versions: bool) -> None:
    """Raises TrackerError for what is no stage, and where Production would have two owners."""
    if stage not in get_args(Stage):
        raise TrackerError(f"{stage!r} is no stage: there are {', '.join(get_args(Stage))}")
    if stage == "Production" and not archive_existing_versions:
        raise TrackerError("Production without archive_existing_versions would leave two versions there; set it")


def metrics(given: Mapping[str, float | Sequence[float]]) -> list[tuple[str, int, float]]:
    """Name, place in its sequence (0 for a single value) and value of each point. Refuses infinity, takes NaN."""
    points = []
    for name, values in given.items():
        _check_name("metric", name)
        for place, value in enumerate(values if isinstance(values, Iterable) else [values]):
            points.append((name, place, _number(name, value)))
    return points


def _number(name: str, value: object) -> float:
    if not isinstance(value, Real):
        raise TrackerError(f"metric {name!r} is {value!r}, which is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise TrackerError(f"metric {name!r} is {value}: MLflow would keep it as a number that wins; log NaN")
    return number


def _text(what: str, given: str, longest: int) -> str:
    if len(given) > longest:
        raise TrackerError(f"{what} has {len(given):,} characters; MLflow keeps {longest:,}")
    if found := _NOT_IN_A_TEXT.search(given):
        raise TrackerError(f"{what} holds {found.group()!r}, which MLflow's database cannot keep")
    return given


def _check_name(what: str, name: str) -> None:
    if found := _NOT_IN_A_NAME.search(name):
        raise TrackerError(
            f"{what} {name!r}: MLflow takes no {found.group()!r} in a name; use letters, digits and any of _ - . : /"
        )
    if not name or len(name) > _LONGEST_NAME:
        raise TrackerError(f"{what} {name[:50]!r}: a name has 1 to {_LONGEST_NAME} characters, not {len(name)}")
    # MLflow stores them as paths of files in places.
    if name.startswith("..") or any(part in ("", ".", "..") for part in name.split("/")):
        raise TrackerError(
            f"{what} {name!r}: MLflow takes no `..` at the start, and no empty part, `.` or `..` between /"
        )


def _json(name: str, value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise TrackerError(f"parameter {name!r}: {value!r} cannot be written as JSON: {error}") from error
