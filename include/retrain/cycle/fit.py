"""Fits a candidate and uploads its model: once for each cycle, snapshot, candidate and choice of subsets."""

import json
import logging
from dataclasses import asdict, dataclass
from typing import Any

from retrain.cycle.context import Cycle
from retrain.errors import EstimatorError
from retrain.gate.labels import classes_in
from retrain.metrics import described
from retrain.models import training
from retrain.models.recipe import recipe_of
from retrain.records import ModelFile, Snapshot, Subset
from retrain.snapshots.store import Rows
from retrain.spec.spec import Spec
from retrain.spec.task import Task
from retrain.tracker.entities import LoggedModel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """A model that was uploaded, and the metrics of exactly that fit."""

    model: LoggedModel
    metrics: dict[str, float]
    """By name: `train_…` and, if the model was not fitted on the validation rows, `validation_…`."""
    rows: int
    """Rows that it was fitted on."""

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_text(text: str) -> "Fitted":
        value = json.loads(text)
        return Fitted(**{**value, "model": LoggedModel(**value["model"])})


def fit(cycle: Cycle, snapshot: Snapshot, name: str, subsets: tuple[Subset, ...], run_id: str) -> Fitted:
    """Fit candidate `name` on these subsets of the snapshot and log the model to the run.

    A later call returns the same model and metrics and does not fit again: they are stored with the claim.
    """
    spec, ledger = cycle.spec, cycle.ledger
    key = cycle.key("fit", snapshot.id, name, *subsets)
    text = ledger.made(key)
    if text is None:
        rows = cycle.snapshots.read(snapshot, subsets)
        log.info("Fitting %s on %s rows.", name, f"{len(rows):,}")
        labels = training.targets(spec.task, rows.labels)
        estimator = training.fit(training.build(spec.candidate(name)), rows.features, labels)
        classes = classes_in(labels) if spec.task is Task.CLASSIFICATION else ()
        metrics = _metrics("train", estimator, rows, spec, classes)
        if Subset.VALIDATION not in subsets:
            validation = cycle.snapshots.read(snapshot, [Subset.VALIDATION])
            if not len(validation):
                raise EstimatorError(
                    f"{spec.model}: none of the {snapshot.rows:,} rows is for validation, so candidates cannot be "
                    "compared; wait for more distinct rows, or enlarge split.validation"
                )
            metrics |= _metrics("validation", estimator, validation, spec, classes)

        def upload() -> str:
            model = cycle.tracker.log_model(run_id, name, estimator, rows.features.head(), key=key, trust=spec.trust)
            return Fitted(model, metrics, len(rows)).to_text()

        # `find` is not needed: `log_model` continues where a killed try stopped, with the files of this fit.
        text = ledger.once(key, find=lambda: None, create=upload)
    fitted = Fitted.from_text(text)
    ledger.save_model_file(
        ModelFile(
            fitted.model.uri,
            fitted.model.digest,
            spec.model,
            name,
            snapshot.id,
            run_id,
            subsets,
            recipe=recipe_of(spec, name),
        )
    )
    return fitted


def _metrics(prefix: str, estimator: Any, rows: Rows, spec: Spec, classes: tuple[str, ...]) -> dict[str, float]:
    """classes: those that it was trained on; empty in a regression."""
    probabilities = described(spec.gate.metric).needs not in ("labels", "numbers")
    predictions = training.predict(estimator, rows.features, spec.task, probabilities=probabilities)
    if classes:
        training.refuse_foreign(type(estimator).__name__, predictions.labels, classes)
    scores = training.scores(spec.gate, spec.task, rows.labels, predictions)
    return {f"{prefix}_{name}": score for name, score in scores.items()}
