"""The verb `choose`: the best trials of each search become candidates, with Production's own parameters beside them."""

import json
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from retrain import extras
from retrain.cycle import report, runs
from retrain.cycle.context import Cycle
from retrain.cycle.search import of_production
from retrain.cycle.tuned import chosen_key, names_of, search_of, study_name
from retrain.errors import EstimatorError, MissingExtraError
from retrain.records import Snapshot
from retrain.tuning.storage import storage
from retrain.tuning.study import FAILED, Study, Tried

if extras.has("report"):
    from retrain.reports import study_chart

log = logging.getLogger(__name__)

_PRODUCTION = "production"
"""What stands for Production's parameters is called `<candidate>-production`."""


def choose(cycle: Cycle, snapshot: Snapshot, names: Sequence[str]) -> list[str]:
    """Return the names of the candidates to train: those of a search that were kept in place of the one that has it.

    A later call returns the same. A candidate whose trials all failed is left out, and its run says why. Raises
    EstimatorError where no candidate is left.
    """
    searched = [name for name in names if cycle.spec.candidate(name).search is not None]
    if not searched:
        return [*names]
    text = cycle.ledger.once(
        chosen_key(cycle, snapshot),
        find=lambda: None,
        create=lambda: json.dumps({name: _kept(cycle, snapshot, name) for name in searched}),
    )
    found = json.loads(text)
    kept = names_of(found, names)
    if not kept:
        raise EstimatorError(f"{cycle.spec.model}: no trial of {', '.join(searched)} has a score; see their runs")
    return kept


def _kept(cycle: Cycle, snapshot: Snapshot, name: str) -> dict[str, dict[str, Any]]:
    search = search_of(cycle, name)
    run_id = runs.of_candidate(cycle, snapshot, name, runs.of_cycle(cycle, snapshot))
    with storage(cycle.ledger) as opened:
        study = Study(opened, study_name(cycle, snapshot, name), search, cycle.spec.gate.metric)
        study.close()
        best, tried = study.best(), study.tried()
        _log(cycle, name, run_id, study, tried)
    if not best:
        failed = sum(each.state == FAILED for each in tried)
        why = f"none of its {len(tried):,} trials has a score ({failed:,} failed); see the runs below"
        cycle.tracker.set_tags(run_id, runs.retrain_tags({"error": why}))
        cycle.tracker.end_run(run_id, "FAILED")
        log.warning("%s: %s", name, why)
        return {}
    kept = list[dict[str, Any]]()
    for each in best:
        if len(kept) < search.keep and each.params not in kept:
            kept.append(each.params)
    found = {name if place == 0 else f"{name}-{place + 1}": params for place, params in enumerate(kept)}
    own = of_production(cycle, cycle.spec.candidate(name))
    if own is not None and own not in kept:
        found[f"{name}-{_PRODUCTION}"] = own
    return found


def _log(cycle: Cycle, name: str, run_id: str, study: Study, tried: Sequence[Tried]) -> None:
    """Upload what was tried to the candidate's run, and pictures of it."""
    with tempfile.TemporaryDirectory(prefix="retrain-") as temporary:
        folder = Path(temporary)
        files = [folder / "trials.json"]
        text = json.dumps({"trials": [asdict(each) for each in tried]}, ensure_ascii=False, indent=2)
        files[0].write_text(text, encoding="utf-8")
        try:
            extras.require("report")
            files.append(study_chart.write(name, cycle.spec.gate.metric, tried, study.importances(), folder))
        except MissingExtraError as error:
            log.info("The study is not drawn: %s", error)
        except Exception:  # any error: what is trained does not depend on a picture
            log.warning("The study could not be drawn.", exc_info=True)
        for file in files:
            cycle.tracker.log_artifact(run_id, file, report.STUDY)
