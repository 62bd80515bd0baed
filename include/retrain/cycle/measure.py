"""Measures the challenger and Production on the same holdout rows, which neither was trained on."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrain.cycle.context import Cycle
from retrain.cycle.evidence import Asked, Role, evidence_of
from retrain.cycle.rate import rate_of
from retrain.errors import EstimatorError, NoAnswerError, SnapshotError, TrackerError
from retrain.gate.contest import same_recipe
from retrain.gate.predictions import Evidence
from retrain.models.files import trust_in
from retrain.models.reply import Reply
from retrain.models.sandbox import Sandbox
from retrain.records import Matchup, ModelFile, Snapshot, Subset, VersionId
from retrain.snapshots.rows import Rows


def measure(cycle: Cycle, matchup: Matchup, snapshot: Snapshot, challenger: ModelFile) -> tuple[Evidence, Rows]:
    """Return the predictions of the models, as `judge` takes them, and the rows that they were measured on.

    A model that cannot be measured is a fault in the evidence, not an error. Rows that one of the models was trained on
    are left out for all and counted; so are rows that one may have been trained on, because they were labelled before
    it was made and nothing more is known. Raises NoAnswerError if MLflow does not answer: that is temporary and says
    nothing about a model.
    """
    holdout = cycle.snapshots.read(snapshot, [Subset.HOLDOUT])
    if not len(holdout):
        return _nothing(matchup, snapshot), holdout
    with Sandbox() as sandbox:
        measuring = _Measuring(cycle, holdout, sandbox)
        new = measuring.model("the challenger", challenger)
        production = measuring.version(VersionId(matchup.production, None)) if matchup.production else None
        anchor = measuring.version(VersionId(matchup.anchor, matchup.anchor_identity)) if matchup.anchor else None
    roles: dict[Role, _Model | None] = {"challenger": new, "production": production, "anchor": anchor}
    models = [each for each in roles.values() if each]
    unknown = np.any([each.unknown for each in models], axis=0)
    seen = np.any([each.seen for each in models], axis=0) & ~unknown
    judged = ~seen & ~unknown
    rows = holdout.part(judged)
    asked: dict[Role, Asked] = {}
    for role, each in roles.items():
        if each is not None and each.reply is not None:
            reply = each.reply
            asked[role] = Asked(
                reply.predictions.part(judged), reply.latency_ms, reply.size, reply.inputs, each.train_rows
            )
    evidence = evidence_of(
        cycle.spec,
        matchup,
        rows.labels,
        rows.clusters,
        asked,
        features=rows.features,
        anchor_fault=anchor.fault if anchor else "",
        rate=rate_of(cycle, snapshot),
        overlap=int(seen.sum()),
        unknown=int(unknown.sum()),
        twin=production is not None and _are_twins(challenger, production.file),
        faults=(
            *_rolled_back(cycle, matchup, challenger),
            *(each.fault for each in (new, production) if each and each.fault),
        ),
    )
    return evidence, rows


def _are_twins(one: ModelFile, other: ModelFile | None) -> bool:
    return other is not None and other.snapshot == one.snapshot and same_recipe(one.recipe, other.recipe)


def _rolled_back(cycle: Cycle, matchup: Matchup, challenger: ModelFile) -> Iterator[str]:
    """Yield a fault if this model was rolled back: it would win again on the same rows, so it needs later ones."""
    version = cycle.ledger.rolled_back(matchup.model, challenger.recipe or "", matchup.snapshot)
    if version is not None:
        yield f"the same candidate on the same snapshot is version {version}, which was rolled back"


def _nothing(matchup: Matchup, snapshot: Snapshot) -> Evidence:
    """Return the evidence of an empty holdout: no model is asked."""
    held = ", ".join(f"{rows:,} {subset}" for subset, rows in snapshot.subsets.items())
    fault = (
        f"the holdout is empty: of {snapshot.rows:,} rows none judges ({held}); it takes more distinct rows, more "
        "label times, or a larger split.holdout"
    )
    none = np.empty(0, np.int64)
    return Evidence(matchup, (), none, None, None, none, faults=(fault,))


@dataclass(frozen=True, eq=False)
class _Model:
    """One model's reply on the holdout, and the rows that it was trained on."""

    seen: NDArray[np.bool_]
    """Shape (rows,): whether it was trained on the row, or on one with the same content or group."""
    unknown: NDArray[np.bool_]
    """Shape (rows,): whether it may have been trained on the row: nothing says that it was not."""
    file: ModelFile | None
    """None if the version is not in the ledger."""
    reply: Reply | None = None
    train_rows: int | None = None
    fault: str = ""


@dataclass
class _Measuring:
    cycle: Cycle
    rows: Rows
    sandbox: Sandbox
    _none: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self._none = np.zeros(len(self.rows), np.bool_)

    def version(self, version: VersionId) -> _Model:
        name, file = f"version {version.number}", self.cycle.ledger.file_of(self.cycle.spec.model, version)
        if file is None:
            fault = f"{name} was not logged by Retrain, so nothing proves what it is: adopt it"
            return _Model(self._none, self._none, None, fault=fault)
        return self.model(name, file)

    def model(self, name: str, file: ModelFile) -> _Model:
        cycle, rows = self.cycle, self.rows
        seen, unknown, train_rows = self._none, self._none, None
        try:
            if file.snapshot is not None:
                snapshot = cycle.ledger.snapshot(file.model, file.snapshot)
                seen = cycle.snapshots.seen(rows, snapshot, file.subsets)
                train_rows = sum(snapshot.subsets.get(subset, 0) for subset in file.subsets)
            elif file.made_at is not None:
                unknown = ~rows.labelled_after(file.made_at)
            spec = cycle.spec
            with tempfile.TemporaryDirectory() as folder:
                reply = self.sandbox.ask(
                    file.uri,
                    cycle.tracker.download_model(file.uri, Path(folder)),
                    file.digest,
                    rows.features,
                    trust_in(file, spec.trust),
                    also=rows.also,
                    task=spec.task,
                    latency=spec.gate.needs_latency,
                    python=file.python,
                )
            return _Model(seen, unknown, file, reply, train_rows)
        except NoAnswerError:
            raise
        except (EstimatorError, SnapshotError, TrackerError) as error:
            return _Model(self._none, self._none, file, fault=f"{name}: {error}")
