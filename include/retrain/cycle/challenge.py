"""One candidate against Production: fitted on more rows, registered, measured and judged."""

import json
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

from retrain import extras
from retrain.cycle.context import Cycle
from retrain.cycle.fit import fit
from retrain.cycle.measure import measure
from retrain.errors import MissingExtraError, StaleVerdictError
from retrain.gate.anchor import asks_for_anchor
from retrain.gate.contest import same_recipe
from retrain.gate.judge import judge
from retrain.gate.predictions import Evidence
from retrain.production.known import is_there
from retrain.records import Candidate, Matchup, ModelFile, Snapshot, Subset, Verdict, VersionId
from retrain.snapshots.rows import Rows

if extras.has("report"):
    from retrain.reports import verdict_chart

log = logging.getLogger(__name__)

_EXAMPLES = 50
"""How many keys of flipped rows the verdict's file names in each direction."""


@dataclass(frozen=True)
class Challenge:
    """What all challengers of one cycle meet."""

    cycle: Cycle
    snapshot: Snapshot
    production: VersionId | None
    production_file: ModelFile | None
    dry_run: bool
    untrained: dict[str, str]
    """The candidates of this cycle that could not be trained, and why."""

    def judged(self, candidate: Candidate, *step: str, test: int, story: str = "") -> Verdict:
        """Return the verdict on a candidate, which is not saved yet; its files are uploaded to the candidate's run.

        It is fitted again on training and validation rows and registered (not in a dry run); exactly that version is
        judged. step: what its keys end with. story: what the reason begins with.
        """
        cycle, snapshot, ledger = self.cycle, self.snapshot, self.cycle.ledger
        fitted = fit(cycle, snapshot, candidate.name, (Subset.TRAIN, Subset.VALIDATION), candidate.run_id)
        version = None if self.dry_run else self._register(candidate.run_id, fitted.model.uri, step)
        challenger, anchor, production = ledger.model_file(fitted.model.uri), self._anchor(), self.production
        matchup = Matchup(
            id=cycle.key("verdict", snapshot.id, *step),
            model=cycle.spec.model,
            candidate=candidate.name,
            snapshot=snapshot.id,
            run_id=candidate.run_id,
            version=version.number if version else None,
            identity=version.identity if version else None,
            production=production.number if production else None,
            production_identity=production.identity if production else None,
            anchor=anchor.number if anchor else None,
            anchor_identity=anchor.identity if anchor else None,
            same_recipe=self.production_file is not None
            and same_recipe(challenger.recipe, self.production_file.recipe),
            split_version=snapshot.split_version,
            holdout_round=snapshot.holdout_round,
            test=test,
            dry_run=self.dry_run,
        )
        evidence, rows = measure(cycle, matchup, snapshot, challenger)
        verdict = judge(evidence, cycle.spec.gate)
        verdict = verdict.model_copy(update={"reason": story + verdict.reason, "untrained": self.untrained})
        # Uploaded before the ledger has the verdict: a step that runs again afterwards has no evidence, and would have
        # to measure again to draw what the first try did not upload. Files of a verdict that is never saved do no harm:
        # the names are fixed, so the next upload replaces them.
        _log_evidence(cycle, evidence, rows, verdict)
        return verdict

    def _anchor(self) -> VersionId | None:
        """Return the gate's anchor, where it is asked and is another version than Production."""
        gate, cycle = self.cycle.spec.gate, self.cycle
        if self.production is None or not asks_for_anchor(gate):
            return None
        anchor = cycle.ledger.anchor(
            cycle.spec.model,
            metric=gate.metric,
            positive=gate.positive,
            split_version=self.snapshot.split_version,
        )
        return None if anchor == self.production else anchor

    def _register(self, run_id: str, uri: str, step: tuple[str, ...]) -> VersionId:
        cycle, ledger, model = self.cycle, self.cycle.ledger, self.cycle.spec.model
        key = cycle.key("version", self.snapshot.id, *step)
        number = ledger.once(
            key, find=lambda: None, create=lambda: cycle.tracker.register_model(run_id, model, uri, key=key)
        )
        version = VersionId(number, ledger.model_file(uri).identity)
        if not is_there(model, version, cycle.tracker):
            raise StaleVerdictError(
                f"{model}: version {number}, which this run registered, is no longer in MLflow; start a new run"
            )
        ledger.save_version(uri, number)
        return version


def _log_evidence(cycle: Cycle, evidence: Evidence, rows: Rows, verdict: Verdict) -> None:
    """Upload the verdict as `verdict/verdict.json`, with some keys of flipped rows, and as a picture."""
    keys = rows.keys.to_pylist()
    flipped = dict(zip(("right_to_wrong_keys", "wrong_to_right_keys"), evidence.flips(), strict=True))
    named = {name: [str(keys[row]) for row in which[:_EXAMPLES]] for name, which in flipped.items()}
    with tempfile.TemporaryDirectory(prefix="retrain-") as name:
        folder = Path(name)
        file = folder / "verdict.json"
        file.write_text(json.dumps(verdict.to_json() | named, ensure_ascii=False, indent=2), encoding="utf-8")
        files = [file]
        try:
            extras.require("report")
            files.append(verdict_chart.write(evidence, cycle.spec.gate, verdict, folder))
        except MissingExtraError as error:
            log.info("%s: the verdict is not drawn: %s", cycle, error)
        except Exception:  # any error: a verdict does not depend on its picture
            log.warning("%s: the verdict could not be drawn; it is judged all the same.", cycle, exc_info=True)
        for each in files:
            cycle.tracker.log_artifact(verdict.matchup.run_id, each, "verdict")
