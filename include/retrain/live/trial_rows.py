"""The rows of a trial: labelled after it began, known to none of its versions, with the labels that were seen first."""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from retrain.gate.comparison import Swapped, swapped
from retrain.gate.encoded import encoded
from retrain.gate.labels import spell
from retrain.labels import spelled
from retrain.later import Trial, TrialLook
from retrain.live import predicted as files
from retrain.live.observing import Observing
from retrain.live.predict import Predicting
from retrain.live.predicted import Predicted
from retrain.source.layout import Within
from retrain.spec.spec import Spec

_SPARE = 2
"""Of more rows than so many times a trial's, those of some clusters are asked: it ends with them anyway."""


@dataclass(frozen=True, eq=False)
class TrialRows:
    """The same rows, in the same order, as the challenger, Production and the anchor have predicted them."""

    spec: Spec
    parts: tuple[Predicted, ...]
    corrected: int
    """Rows whose label is another one now than when it was first seen."""

    @property
    def count(self) -> int:
        return len(self.parts[0])

    @property
    def clusters(self) -> int:
        return len(np.unique(self.parts[0].clusters))

    def positives(self, positive: str) -> int:
        """Return how many clusters have a row of this class."""
        first = self.parts[0]
        return len(np.unique(first.clusters[np.asarray(first.labels == spelled(positive))]))

    def stored(self, observing: Observing, look: str) -> tuple[str, ...]:
        """Keep the predictions, and return their URIs. look: names the look."""
        return tuple(files.put(observing.snapshots, self.spec.model, each, look) for each in self.parts)

    def swapped(self, trial: Trial, other: int) -> Swapped | None:
        """Compare the challenger with another version, and in each draw with clusters swapped; None if undefined."""
        gate, own, theirs = self.spec.gate, self.parts[0], self.parts[other]
        both = encoded(gate, self.spec.task, own.labels, [own.predictions, theirs.predictions])
        return swapped(
            trial.id,
            gate,
            *both.predictions,
            labels=both.labels,
            classes=both.classes,
            clusters=own.clusters,
            scorers=both.scorers,
            draws=trial.draws,
        )


def taken(observing: Observing, predicting: Predicting, trial: Trial, last: TrialLook | None) -> TrialRows | None:
    """Return the rows of a trial by now; None without any. last: the look before."""
    spec, source = observing.spec, observing.source
    within = Within(spec.source.label_time or "", trial.began, source.now())
    if within.since >= within.until:
        return None
    count = sum(each.rows for each in source.cohorts(within, within.until - within.since).values())
    versions = [each for each in (trial.challenger, trial.against, trial.anchored) if each is not None]
    share = max(count / (_SPARE * trial.max_rows), 1.0) * spec.watch.at_most
    found = list[Predicted | None]()
    for place, version in enumerate(versions):
        before = last.uris[place] if last else ""
        found.append(predicting.predicted(version, within, int(share), before))
    now = [each for each in found if each is not None]
    if len(now) < len(versions):
        return None
    now = _common(now)
    if last is None:
        return TrialRows(spec, tuple(now), 0) if len(now[0]) else None
    first_seen = [files.get(observing.snapshots, uri) for uri in last.uris]
    return TrialRows(
        spec,
        tuple(_added(old, new) for old, new in zip(first_seen, now, strict=True)),
        _corrected(first_seen[0], now[0]),
    )


def _common(parts: list[Predicted]) -> list[Predicted]:
    """Return the rows that no version knows, in the order of their keys; all have the clusters of the first version."""
    keys = parts[0].keys
    for each in parts[1:]:
        keys = keys.filter(pc.is_in(keys, each.keys))
    keys = keys.take(pc.sort_indices(keys))
    first = parts[0].part(pc.index_in(keys, parts[0].keys).to_numpy(zero_copy_only=False))
    return [
        first,
        *(each.part(pc.index_in(keys, each.keys).to_numpy(zero_copy_only=False)).beside(first) for each in parts[1:]),
    ]


def _added(old: Predicted, new: Predicted) -> Predicted:
    """Return the rows that were seen before, as they were, and the new ones."""
    fresh = pc.invert(pc.is_in(new.keys, old.keys)).to_numpy(zero_copy_only=False)
    return Predicted.joined([old, new.part(fresh)]) if fresh.any() else old


def _corrected(old: Predicted, new: Predicted) -> int:
    place = pc.index_in(old.keys, new.keys)
    there = pc.is_valid(place).to_numpy(zero_copy_only=False)
    now = new.part(place.drop_null().to_numpy(zero_copy_only=False)).labels
    before = old.labels[there]
    return int(np.count_nonzero(spell(before) != spell(now)))
