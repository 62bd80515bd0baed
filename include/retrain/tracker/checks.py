"""What a run may be told. MLflow would cut some of it off in silence, or keep it as something else."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from retrain.errors import TrackerError

_LONGEST_PARAM, _LONGEST_TAG, _LONGEST_NAME = 6_000, 8_000, 250
_NOT_IN_A_NAME = re.compile(r"[^\w\-. :/]")


def params(given: Mapping[str, Any]) -> dict[str, str]:
    """Each value as text: what is no text becomes JSON. Raises TrackerError for what MLflow would refuse or cut off."""
    texts = {}
    for name, value in given.items():
        _check_name("parameter", name)
        texts[name] = value if isinstance(value, str) else _json(name, value)
        if len(texts[name]) > _LONGEST_PARAM:
            raise TrackerError(
                f"parameter {name!r} has {len(texts[name]):,} characters; MLflow keeps {_LONGEST_PARAM:,}"
            )
    return texts


def tags(given: Mapping[str, str]) -> dict[str, str]:
    for name, value in given.items():
        _check_name("tag", name)
        if len(value) > _LONGEST_TAG:
            raise TrackerError(f"tag {name!r} has {len(value):,} characters; MLflow keeps {_LONGEST_TAG:,}")
    return dict(given)


def metrics(given: Mapping[str, float | Sequence[float]]) -> list[tuple[str, int, float]]:
    """Name, place in its sequence (0 for a single value) and value of each point. Refuses infinity, takes NaN."""
    points = []
    for name, values in given.items():
        _check_name("metric", name)
        for place, value in enumerate([values] if isinstance(values, int | float) else values):
            if math.isinf(value):
                raise TrackerError(f"metric {name!r} is {value}: MLflow would keep it as a number that wins; log NaN")
            points.append((name, place, float(value)))
    return points


def _check_name(what: str, name: str) -> None:
    if found := _NOT_IN_A_NAME.search(name):
        raise TrackerError(
            f"{what} {name!r}: MLflow takes no {found.group()!r} in a name; use letters, digits and any of _ - . : /"
        )
    if not name or len(name) > _LONGEST_NAME:
        raise TrackerError(f"{what} {name[:50]!r}: a name has 1 to {_LONGEST_NAME} characters, not {len(name)}")
    # MLflow stores them as paths of files in places.
    if name.startswith("/") or name.endswith("/") or any(part in ("", ".", "..") for part in name.split("/")):
        raise TrackerError(f"{what} {name!r}: MLflow takes no empty part, `.` or `..` between slashes")


def _json(name: str, value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise TrackerError(f"parameter {name!r}: {value!r} cannot be written as JSON: {error}") from error
