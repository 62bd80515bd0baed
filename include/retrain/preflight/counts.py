"""How many rows a run has counted, and how many of them right, as far as what it logged tells."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from retrain.tracker.inspection import StoredRun

_SPLITS = {
    **dict.fromkeys(("test", "testing", "holdout", "heldout"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("eval", "evaluation"), "evaluation"),
}
"""Words for rows that a model was not trained on."""
_ACCURACY, _BESIDE = {"accuracy", "acc"}, {"score"}
_ROWS = {"rows", "row", "samples", "examples", "example", "records", "count", "size", "n"}
_BESIDE_ROWS = {"num", "number", "of", "total"}
_DECIMALS = 3
"""A value with so many decimals or fewer may have been rounded before it was logged."""


@dataclass(frozen=True)
class Counted:
    """An accuracy, and the rows that it is the share of."""

    metric: str
    right: int
    rows: int
    data: str | None
    """Digest of the data set, where it is known."""

    @property
    def share(self) -> float:
        return self.right / self.rows

    def __str__(self) -> str:
        return f"{self.share:.4f} of {self.rows:,} rows"


def counts(stored: StoredRun) -> dict[str, Counted]:
    """Return what a run has counted, by the name of the metric.

    A share of whole rows is told from one of other rows: times the rows it is a whole number.
    """
    found: dict[str, Counted] = {}
    for metric, value in stored.run.metrics.items():
        split = _split(metric, _ACCURACY, _BESIDE)
        if split is None or not 0 <= value <= 1:
            continue
        possible = {rows: data for rows, data in _rows(stored, split) if _is_share(value, rows)}
        if len(possible) == 1:
            ((rows, data),) = possible.items()
            found[metric] = Counted(metric, round(value * rows), rows, data)
    return found


def _rows(stored: StoredRun, split: str) -> Iterator[tuple[int, str | None]]:
    """Yield the numbers of rows that a metric of this split may be about, each with the digest of its data set."""
    logged: dict[str, str | float] = {**stored.run.params, **stored.run.metrics}
    for name, value in logged.items():
        of = _split(name, _ROWS, _BESIDE_ROWS)
        is_of_evaluate = name == "example_count"  # of `mlflow.models.evaluate`, beside its metrics
        fits = of is not None and (of == split or not split) and (of or is_of_evaluate)
        if fits and (rows := _whole(value)) is not None:
            yield rows, None
    for data in stored.data:
        of = _SPLITS.get(data.context.lower(), "")
        if of and of == (split or of) and data.rows and data.rows > 1:
            yield data.rows, data.digest


def _split(name: str, needed: set[str], beside: set[str]) -> str | None:
    """Return which rows a name is about, "" where it does not say; None where it has another meaning."""
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    splits = {_SPLITS[word] for word in words if word in _SPLITS}
    rest = {word for word in words if word not in _SPLITS}
    if len(splits) > 1 or not rest & needed or rest - needed - beside:
        return None
    return next(iter(splits), "")


def _whole(value: str | float) -> int | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if 2 <= number < 1e12 and number.is_integer() else None


def _is_share(value: float, rows: int) -> bool:
    right = value * rows
    if abs(right - round(right)) <= 1e-6 * rows:
        return True
    return round(value, _DECIMALS) == value and abs(value - round(right) / rows) <= 0.5 * 10**-_DECIMALS
