"""Cross-validation of one candidate: the mean score over folds of training and validation rows together."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrain.cycle.scoring import options_for, predictions_of, scores
from retrain.errors import EstimatorError
from retrain.models import training
from retrain.models.own_train import Context, Given
from retrain.models.shared_steps import Known
from retrain.records import Subset
from retrain.snapshots.rows import Rows
from retrain.spec.spec import Spec

ROWS = (Subset.TRAIN, Subset.VALIDATION)
_MIXED, _ODD = np.uint64(0xD1B54A32D192ED03), np.uint64(0x94D049BB133111EB)
"""Another part of the clusters' hash than those that decide the subset, and what stops a booster."""

Masks = tuple[NDArray[np.bool_], NDArray[np.bool_]]


def fold_name(place: int) -> str:
    """Return what the names of a fold's files begin with."""
    return f"{place}-"


def scored(
    spec: Spec, name: str, rows: Rows, count: int, known: Callable[[str, Rows, Rows], Known | None]
) -> tuple[float, dict[str, float]]:
    """Return the seconds of all fits, and each metric: its mean, and that of each fold as `fold_<n>_<name>`.

    known: returns the first step as it was fitted for all trials, by the name of the fold and both of its parts. Raises
    EstimatorError where a fold has no rows, or cannot be fitted or scored.
    """
    seconds, found = 0.0, list[dict[str, float]]()
    for place, (learns, judges) in enumerate(folds_of(rows, count, by_time=spec.split.by == "time")):
        if not learns.any() or not judges.any():
            raise EstimatorError(
                f"{spec.model}: {len(rows):,} rows do not make {count} folds; wait for more distinct rows, or lower "
                "search.cv"
            )
        begun = time.monotonic()
        learnt, judging = rows.part(learns), rows.part(judges)
        found.append(_of_fold(spec, name, learnt, judging, known(fold_name(place), learnt, judging)))
        seconds += time.monotonic() - begun
    common = set.intersection(*({*each} for each in found))
    means = {f"validation_{metric}": float(np.mean([each[metric] for each in found])) for metric in sorted(common)}
    own = spec.gate.metric
    return seconds, means | {f"fold_{place}_{own}": each[own] for place, each in enumerate(found)}


def folds_of(rows: Rows, count: int, *, by_time: bool) -> Iterator[Masks]:
    """Yield for each fold which rows it learns from, and which judge it, each of shape (rows,).

    Rows that count as one stay together, and each is in the same fold whatever other rows there are. By time, a fold
    learns from what was labelled before the rows that judge it.
    """
    if by_time:
        yield from _by_time(rows, count)
        return
    mixed = (rows.clusters.astype(np.uint64) ^ _MIXED) * _ODD
    fold = ((mixed >> np.uint64(33)) % np.uint64(count)).astype(np.int64)
    for place in range(count):
        yield fold != place, fold == place


def _by_time(rows: Rows, count: int) -> Iterator[Masks]:
    times = rows.label_times.to_numpy().astype("datetime64[us]")
    known = np.sort(times[~np.isnat(times)])
    # Equal parts; the first one only teaches. Rows of one time are never divided.
    bounds = [known[len(known) * place // (count + 1)] for place in range(1, count + 1)] if len(known) else []
    for place, begin in enumerate(bounds):
        end = bounds[place + 1] if place + 1 < count else None
        judges = times >= begin if end is None else (times >= begin) & (times < end)
        inside = np.isin(rows.clusters, rows.clusters[judges])
        yield ((times < begin) | np.isnat(times)) & ~inside, judges


def _of_fold(spec: Spec, name: str, learnt: Rows, judging: Rows, known: Known | None) -> dict[str, float]:
    candidate = spec.candidate(name)
    labels = training.targets(spec.task, learnt.labels)
    options = options_for(candidate, learnt, labels)
    with tempfile.TemporaryDirectory(prefix="retrain-") as temporary:
        context = Context.within(spec.limits.time.total_seconds(), Path(temporary), options.weights, None)
        given = Given(learnt.features, labels)  # without the file, which holds the other folds as well
        estimator = training.made(candidate, given, options, None, context, known=known)
    return scores(spec, judging.labels, predictions_of(estimator, judging, spec), labels)
