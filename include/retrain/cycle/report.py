"""The report of a cycle, on its run in MLflow; it is written again whenever more is known.

If it cannot be made, that is a warning: neither a verdict nor a promotion depends on it.
"""

import json
import logging
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retrain import extras
from retrain.cycle import runs
from retrain.cycle.context import Cycle
from retrain.errors import NotFoundError, RetrainError
from retrain.production.mode import mode_of
from retrain.quality.drift import Drift
from retrain.records import Check, Promotion, Verdict
from retrain.reports import cycle_report, kept
from retrain.reports.cycle_report import Facts, Searched, Trained
from retrain.spec.operation import Mode
from retrain.tracker.entities import Run

if extras.has("report"):
    from retrain.reports import later_chart

log = logging.getLogger(__name__)

STUDY = "study"
"""Folder of the run of a candidate that has searched for its parameters."""
_FIRST = 2
"""Trials whose parameters may be given beforehand: Production's, and the last cycle's."""
_COHORTS = 120
"""Of later rows, that a report shows."""
_MOST_OBSERVED = 200
"""Verdicts that a report sums up."""


def address(cycle: Cycle, snapshot_id: str) -> str | None:
    """Return where a person reads the report: in the REST API, or else in MLflow.

    None if there is neither, or if the cycle has no run yet.
    """
    run_id = runs.made_of_cycle(cycle, snapshot_id)
    if run_id is None:
        return None
    if cycle.api is not None:
        return f"{cycle.api}/runs/{run_id}/report"
    try:
        page = cycle.tracker.page_of_run(run_id)
    except RetrainError:
        log.warning("%s: the address of the report in MLflow is not known.", cycle, exc_info=True)
        return None
    return page and f"{page}/artifacts/{kept.FOLDER}/report.html"


def write(
    cycle: Cycle,
    verdict: Verdict,
    *,
    goes_forward: bool,
    promotion: Promotion | None = None,
    answer: str | None = None,
) -> str | None:
    """Write the report of a verdict's cycle from what is known now, replacing the one before; return its address.

    goes_forward: whether the verdict may change Production. promotion: the promotion that followed, if it has ended.
    answer: the person's answer, if one was asked. Returns None if there is no report.
    """
    try:
        run_id = runs.made_of_cycle(cycle, verdict.matchup.snapshot)
        if run_id is None:
            raise NotFoundError("the cycle has no run in MLflow")
        facts = _facts(cycle, run_id, verdict)
        page = cycle_report.of_cycle(replace(facts, goes_forward=goes_forward, promotion=promotion, answer=answer))
        kept.keep(cycle.tracker, run_id, page)
    except Exception:  # any error: see the docstring of the module
        log.warning("%s: its report could not be made.", cycle, exc_info=True)
        return None
    return address(cycle, verdict.matchup.snapshot)


def _facts(cycle: Cycle, run_id: str, verdict: Verdict) -> Facts:
    """Return what the ledger and the runs in MLflow hold."""
    spec, matchup = cycle.spec, verdict.matchup
    run = cycle.tracker.get_run(run_id)
    below = runs.candidates(cycle.tracker, run)
    checks, drift = _json(cycle, run_id, "checks/checks.json"), _json(cycle, run_id, "drift/drift.json")
    drawn = {
        "drift": _read(cycle, run_id, "drift/drift.png"),
        "verdict": _read(cycle, matchup.run_id, "verdict/verdict.png"),
        "later": _later(cycle, verdict.metric),
    }
    return Facts(
        spec=spec,
        snapshot=cycle.ledger.snapshot(spec.model, matchup.snapshot),
        verdict=verdict,
        candidates=[*_trained(below, verdict.metric)],
        searches=[*_searched(cycle, below)],
        checks=[Check.from_json(each) for each in _without_results(checks)],
        drift_summary=run.tags.get("retrain.drift", ""),
        drift=[Drift.from_json(each) for each in drift.get("drift", ())],
        freeze=cycle.ledger.freeze_of(spec.model),
        mode=(mode := mode_of(spec, cycle.ledger)),
        observed=_observed(cycle, verdict) if mode is Mode.OBSERVE else (),
        pictures={name: png for name, png in drawn.items() if png is not None},
        links=[*_links(cycle, run, matchup.run_id)],
        rollback=cycle.rollback,
    )


def _later(cycle: Cycle, metric: str) -> bytes | None:
    """Draw how Production did on later rows, by this metric; None where no cohort has a score."""
    if not extras.has("report"):
        return None
    ledger, model = cycle.ledger, cycle.spec.model
    cohorts = [each for each in ledger.cohorts(model, cycle.spec.cohort) if each.metric == metric][-_COHORTS:]
    history = ledger.history(model)
    promised = {
        each.came: judged.score
        for each in history
        if each.came is not None and each.verdict is not None
        if (judged := ledger.verdict(each.verdict)) is not None and judged.score is not None and judged.metric == metric
    }
    return later_chart.draw(cohorts, history, promised) if cohorts else None


def _observed(cycle: Cycle, verdict: Verdict) -> Sequence[tuple[datetime, Verdict]]:
    """Return the verdicts since Production last changed, the newest first, with this one, which may be unsaved."""
    model = cycle.spec.model
    since = max((each.applied_at for each in cycle.ledger.history(model) if each.applied_at), default=None)
    found = ((at, verdict) for _, verdict, at in cycle.ledger.verdicts(model, _MOST_OBSERVED))
    saved = [(at, each) for at, each in found if not each.matchup.dry_run and (since is None or at > since)]
    if verdict.matchup.dry_run or any(each.matchup.id == verdict.matchup.id for _, each in saved):
        return saved
    return [(datetime.now(UTC), verdict), *saved]


def _searched(cycle: Cycle, below: Mapping[str, Run]) -> Iterator[Searched]:
    for name, each in below.items():
        tried = _json(cycle, each.id, f"{STUDY}/trials.json") if runs.SEARCH in each.tags else {}
        if tried:
            trials = tried["trials"]
            given = [trial["given"] for trial in trials if trial["given"] and trial["number"] < _FIRST]
            states = Counter(trial["state"] for trial in trials)
            yield Searched(name, states, [*dict.fromkeys(given)], _read(cycle, each.id, f"{STUDY}/study.png"))


def _trained(below: Mapping[str, Run], metric: str) -> Iterator[Trained]:
    for name, each in below.items():
        yield Trained(
            name,
            each.metrics.get(f"train_{metric}"),
            each.metrics.get(f"validation_{metric}"),
            each.params,
            error=each.tags.get(runs.ERROR, ""),
        )


def _links(cycle: Cycle, run: Run, judged_run: str) -> Iterator[tuple[str, str]]:
    if cycle.page is not None:
        yield "Cycle in Airflow", cycle.page
    for name, run_id in (("Cycle in MLflow", run.id), ("Judged model in MLflow", judged_run)):
        page = cycle.tracker.page_of_run(run_id, run.experiment_id)
        if page is not None:
            yield name, page


def _without_results(checks: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for each in checks.get("checks", ()):
        yield {name: value for name, value in each.items() if name != "result"}


def _json(cycle: Cycle, run_id: str, path: str) -> dict[str, Any]:
    """Return the content of a JSON file of the run; an empty dict if it has no such file."""
    text = _read(cycle, run_id, path)
    content: dict[str, Any] = {} if text is None else json.loads(text)
    return content


def _read(cycle: Cycle, run_id: str, path: str) -> bytes | None:
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        try:
            return cycle.tracker.download_artifact(run_id, path, Path(folder)).read_bytes()
        except NotFoundError:
            return None
