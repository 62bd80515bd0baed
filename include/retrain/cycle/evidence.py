"""What models predicted for the same rows, made into the evidence that the gate judges."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from retrain.gate.encoded import encoded
from retrain.gate.labels import Integers
from retrain.gate.predictions import Evidence, Predictions, RawPredictions
from retrain.gate.slices import in_slice
from retrain.models import training
from retrain.records import Matchup
from retrain.spec.spec import Spec

Role = Literal["challenger", "production", "anchor"]


@dataclass(frozen=True, eq=False)
class Asked:
    """One model's predictions for n rows, in its own classes, and what it costs."""

    predictions: RawPredictions
    latency_ms: float | None = None
    size: int | None = None
    inputs: Mapping[str, str] | None = None
    train_rows: int | None = None
    """These four as in `Predictions`."""


def evidence_of(
    spec: Spec,
    matchup: Matchup,
    labels: pd.Series,
    clusters: Integers,
    asked: Mapping[Role, Asked],
    *,
    features: pd.DataFrame | None = None,
    **found: Any,
) -> Evidence:
    """Return the evidence on n rows.

    labels, clusters: shape (n,). asked: what each model that could be asked predicted for these rows. features: of the
    rows; needed where the gate has slices. found: further fields of `Evidence`. Raises EstimatorError where a label is
    none of the spec's task, and SpecError for a slice that is a range of a column without numbers.
    """
    gate, task = spec.gate, spec.task
    truth = training.targets(task, labels)
    both = encoded(gate, task, truth, [each.predictions for each in asked.values()])
    by_role = dict(zip(asked, both.predictions, strict=True))

    def predictions(role: Role) -> Predictions | None:
        each = asked.get(role)
        if each is None:
            return None
        return replace(
            by_role[role],
            latency_ms=each.latency_ms,
            size=each.size,
            inputs=each.inputs,
            train_rows=each.train_rows,
        )

    return Evidence(
        matchup=matchup,
        classes=both.classes,
        labels=both.labels,
        challenger=predictions("challenger"),
        production=predictions("production"),
        anchor=predictions("anchor"),
        clusters=clusters,
        slices={} if features is None else {str(each): in_slice(each, features) for each in gate.slices},
        scorers=both.scorers,
        **found,
    )
