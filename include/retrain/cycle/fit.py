"""Fits a candidate and uploads its model: once for each cycle, snapshot, candidate and choice of subsets."""

import json
import logging
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from retrain.cycle import fit_process, prepare
from retrain.cycle.context import Cycle
from retrain.cycle.fitting import MODEL, STEPS, Made, Order
from retrain.cycle.live import Live
from retrain.records import ModelFile, Snapshot, Subset
from retrain.tracker.entities import LoggedModel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """A model that was uploaded, and the figures of exactly that fit."""

    model: LoggedModel
    made: Made

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_text(text: str) -> "Fitted":
        value = json.loads(text)
        return Fitted(LoggedModel(**value["model"]), Made(**value["made"]))


def fit(cycle: Cycle, snapshot: Snapshot, name: str, subsets: tuple[Subset, ...], run_id: str) -> Fitted:
    """Fit candidate `name` on these subsets of the snapshot, in a process of its own, and log the model to the run.

    A later call returns the same model and figures and does not fit again: they are stored with the claim. Raises
    EstimatorError where the candidate cannot be fitted within its limits.
    """
    spec, ledger = cycle.spec, cycle.ledger
    key = cycle.key("fit", snapshot.id, name, *subsets)
    text = ledger.made(key)
    if text is None:
        with tempfile.TemporaryDirectory(prefix="retrain-") as temporary:
            folder = Path(temporary)
            # The winner's second fit is on other rows.
            shared = prepare.shared_by(cycle, snapshot, name) if subsets == (Subset.TRAIN,) else None
            order = Order(spec, name, snapshot, subsets, shared)
            with Live(cycle.tracker, run_id, folder / STEPS, again=Subset.VALIDATION in subsets):
                made = fit_process.fit(order, cycle.snapshots, folder)

            def upload() -> str:
                model = cycle.tracker.log_model_files(run_id, name, folder / MODEL, key=key)
                return Fitted(model, made).to_text()

            # `find` is not needed: `log_model_files` continues where a killed try stopped, with the files of this fit.
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
            recipe=fitted.made.recipe,
            python=spec.run_on.python,
        ),
        fit_process.text_of(spec),
    )
    return fitted
