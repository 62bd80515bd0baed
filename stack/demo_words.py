"""The demo's words for a task, and for a whole cycle."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from retrain.records import Candidate, Promotion, Snapshot, Verdict
from stack.airflow_api import Task


@dataclass(frozen=True)
class Judged:
    """What became of one batch."""

    arrived: int
    snapshot: Snapshot
    candidates: list[Candidate]
    verdict: Verdict
    promotion: Promotion | None


KEYS = {"check": "checks", "prepare": "shared"}
"""Under which key a task has pushed what is told of it, where that is not what it returned."""


def of_task(task: Task, result: Any) -> str:
    """Return one line. result: what the task returned, or pushed under its key; None if it is nothing."""
    text = task.state or ""
    match task.id, task.state:
        case "sense", "success":
            text = "enough new labelled rows are there"
        case "sense", "skipped":
            text = "not enough new labelled rows are there"
        case "snapshot", "success":
            snapshot = Snapshot.from_json(result)
            subsets = ", ".join(f"{rows:,} {subset}" for subset, rows in snapshot.subsets.items() if rows)
            text = f"snapshot of {snapshot.rows:,} rows, {snapshot.new_rows:,} of them new: {subsets}"
        case "check", "success":
            failed = [f"{name} {found}" for name, found in result.items() if found != "passed"]
            text = f"{len(result)} checks: {', '.join(failed) or 'all passed'}"
        case "prepare", "success":
            shared = "; ".join(" and ".join(names) for names in result)
            text = f"fitted once for {shared}" if shared else "each candidate fits its own steps"
        case "train", "success":
            candidate = Candidate.from_json(result)
            text = f"{candidate.name}: {candidate.metric} {candidate.validation_score:.4f} on validation rows"
        case "evaluate", "success":
            verdict = Verdict.from_json(result)
            text = f"{verdict.result} {verdict.matchup.candidate}: {verdict.reason}"
        case "promote", "success":
            text = f"version {Promotion.from_json(result).to_version} is in Production"
        case "notify", "success":
            text = f"{result} announcements"
    return f"{task.id:9} {text}{'' if task.seconds is None else f' ({task.seconds:.1f} s)'}"


def of_cycle(cycle: Judged) -> Iterator[tuple[str, str]]:
    """Yield the rows of a table with two columns."""
    verdict, matchup, metric = cycle.verdict, cycle.verdict.matchup, cycle.verdict.metric
    snapshot, rival = cycle.snapshot, f"version {matchup.production}" if matchup.production else "no Production"
    yield "arrived", f"{cycle.arrived:,} rows; snapshot {snapshot.id[:12]} holds {snapshot.rows:,}"
    for candidate in cycle.candidates:
        yield candidate.name, f"{metric} {candidate.validation_score:.4f} on validation rows"
    yield "verdict", f"{verdict.result} {matchup.candidate}: {verdict.reason}"
    yield "holdout", f"{metric} {_number(verdict.score)} against {_number(verdict.production_score)} of {rival}"
    yield (
        "",
        f"on {verdict.rows:,} rows; test {matchup.test} of {verdict.tests} of holdout round {matchup.holdout_round}",
    )
    if verdict.p_value is not None:
        yield "difference", f"{_number(verdict.difference)}, 95% interval {_interval(verdict.interval)}"
        yield "p", f"{_number(verdict.p_value)}, to be below {verdict.alpha:g}"
        yield "flips", f"{verdict.wrong_to_right} wrong to right, {verdict.right_to_wrong} right to wrong"
    now = cycle.promotion.to_version if cycle.promotion else matchup.production
    yield "Production", f"version {now}" if now else "none"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _interval(value: tuple[float, float] | None) -> str:
    return "-" if value is None else f"{value[0]:+.4f} to {value[1]:+.4f}"
