"""The score of Production on rows whose labels are still to come: an estimate, and called so."""

import numpy as np
import pyarrow as pa

from retrain.gate.labels import encode
from retrain.gate.predictions import RawPredictions, classes_of
from retrain.later import Expected
from retrain.live.estimate import Calibration, calibrate, estimate
from retrain.live.observing import Observing
from retrain.live.predict import Predicting
from retrain.records import Subset, Verdict, VersionId
from retrain.snapshots.rows import Rows
from retrain.source.layout import Within
from retrain.spec.task import Task

_MOST_ROWS = 5_000
"""Labels of these are drawn some hundred times: of more rows, those with the least keys are taken."""


def expect(observing: Observing, predicting: Predicting) -> Expected | None:
    """Return the estimate for the rows of the last cohort's length that have no label yet.

    None where `watch.predicted_at` does not say when a row was predicted, where no verdict of Production's is known,
    where the model gives no probabilities, and without such a row. Raises what asking a version raises.
    """
    spec, ledger, source = observing.spec, observing.ledger, observing.source
    production, verdict = ledger.production(spec.model), _verdict(observing)
    if spec.cohort is None or spec.watch.predicted_at is None or spec.task is not Task.CLASSIFICATION:
        return None
    if production is None or verdict is None:
        return None
    now = source.now()
    within = Within(spec.watch.predicted_at, now - spec.cohort, now)
    calibration = _calibration(observing, predicting, production, verdict)
    if calibration is None:
        return None
    raw, clusters = _unlabelled(observing, predicting, production, within)
    if raw is None:
        return None
    predictions = raw.among(calibration.classes, spec.gate.positive)
    found = estimate(spec.gate, calibration, predictions, clusters, seed=f"{spec.model} {now.isoformat()}")
    if found is None:
        return None
    return Expected(
        model=spec.model,
        version=production.number,
        metric=spec.gate.metric,
        positive=spec.gate.positive,
        since=within.since,
        until=within.until,
        rows=found.rows,
        estimate=found.value,
        interval=found.interval,
    )


def _verdict(observing: Observing) -> Verdict | None:
    """Return the verdict that let Production in; None where a person did, or where it was by another metric."""
    verdict, gate = observing.verdict(), observing.spec.gate
    if verdict is None or (verdict.metric, verdict.positive) != (gate.metric, gate.positive):
        return None
    return verdict


def _calibration(
    observing: Observing, predicting: Predicting, production: VersionId, verdict: Verdict
) -> Calibration | None:
    """Return what the probabilities of Production are worth on the holdout that it was judged on."""
    spec, ledger = observing.spec, observing.ledger
    snapshot = ledger.snapshot(spec.model, verdict.matchup.snapshot)
    rows = observing.snapshots.read(snapshot, [Subset.HOLDOUT])
    if not len(rows):
        return None
    raw = predicting.ask(production, rows.features, rows.also)
    labels = predicting.labels(rows.labels)
    classes = classes_of(labels, [raw], joined=True)
    predictions = raw.among(classes, spec.gate.positive)
    return calibrate(encode(labels, classes), classes, predictions, rows.clusters, seed=verdict.matchup.id)


def _unlabelled(
    observing: Observing, predicting: Predicting, production: VersionId, within: Within
) -> tuple[RawPredictions | None, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return the predictions for rows without a label, at most `_MOST_ROWS`, and their clusters."""
    taken, left = list[pa.RecordBatch](), _MOST_ROWS
    with observing.source.labelled(predicting.also(production), within=within, unlabelled=True) as batches:
        for batch in batches:
            taken.append(batch.slice(0, left))
            left -= taken[-1].num_rows
            if not left:
                break
        table = pa.Table.from_batches(taken, batches.schema)
    if not len(table):
        return None, np.empty(0, np.int64)
    clusters = np.concatenate([predicting.clusters(production, each) for each in table.to_batches()])
    features, also = Rows.inputs(table)
    return predicting.ask(production, features, also), clusters
