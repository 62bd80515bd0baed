"""How Production does on rows that are labelled later, from what `retrain-watch` has left in the ledger."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import hypot
from typing import TYPE_CHECKING, Any

from retrain.later import CohortScore, Expected, LiveLook
from retrain.metrics import described
from retrain.records import Promotion, Verdict, VersionId
from retrain.spec.fields import duration_text
from retrain.spec.spec import Spec
from retrain_airflow.api.bodies.live import Alarm, LaterCohort, LaterRows, LaterTrend, Now, Promised
from retrain_airflow.api.trials import trials_of

if TYPE_CHECKING:
    from retrain.ledger.ledger import Ledger

_COHORTS, _SCORES = 60, 120
"""Cohorts that are shown, and scores of them: more of these where Production changed within cohorts."""
_LONGEST = timedelta(days=36_525)
_VERDICTS = 100
"""Verdicts that are read for the promises of versions before."""
_OF_TREND = 4
"""Cohorts at each end of a trend."""
_IN_INTERVAL = 1.96
"""Standard errors on each side of a 95% interval."""


@dataclass(frozen=True)
class _Stay:
    """From when to when a version was in Production."""

    version: VersionId
    since: datetime
    until: datetime | None


def later_rows(spec: Spec, ledger: "Ledger") -> LaterRows:
    """Return what is known by now. Raises LedgerError where the ledger does not answer."""
    history = ledger.history(spec.model)
    stays = [*_stays(history)]
    present = stays[-1] if stays and stays[-1].until is None else None
    scores = _scores(ledger, spec)
    looks = [*_looks(ledger, spec, stays)] if spec.cohort and present else []
    promises = [*_promises(ledger, spec, history, _since_first(stays, scores), looks)]
    of_present = promises[-1] if present else None
    return LaterRows(
        model=spec.model,
        metric=spec.gate.metric,
        positive=spec.gate.positive,
        greater_is_better=described(spec.gate.metric).sign > 0,
        cohort=duration_text(spec.cohort) if spec.cohort else None,
        looked_at=ledger.looked_at([spec.model]).get(spec.model),
        promised=of_present.score if of_present else None,
        promised_error=of_present.error if of_present else None,
        now=next((_now(each) for each in looks if each.scan == "version"), None),
        trend=_trend([each for each in scores if each.of == present.version]) if present else None,
        expected=_expected(ledger, present, spec),
        alarms=[*_alarms(looks)],
        promises=promises,
        cohorts=[LaterCohort.model_validate(each) for each in scores],
        looks=looks,
        trials=trials_of(ledger, spec.model),
    )


def _stays(history: Sequence[Promotion]) -> Iterator[_Stay]:
    changes = [(each.applied_at, each.came) for each in history if each.applied_at is not None]
    for place, (since, version) in enumerate(changes):
        if version is not None:
            yield _Stay(version, since, changes[place + 1][0] if place + 1 < len(changes) else None)


def _scores(ledger: "Ledger", spec: Spec) -> list[CohortScore]:
    """Return the scores of the last cohorts by the gate's present metric: others have another scale."""
    if spec.cohort is None:
        return []
    since = datetime.now(UTC) - min(_COHORTS * spec.cohort, _LONGEST)
    found = ledger.cohorts(spec.model, spec.cohort, since)
    return [each for each in found if _by_metric(spec, each)][-_SCORES:]


def _looks(ledger: "Ledger", spec: Spec, stays: Sequence[_Stay]) -> Iterator[LiveLook]:
    """Yield the last look of each scan that goes on: of the version that is there now, and of the anchor."""
    all_ = ledger.last_looks(spec.model)
    anchor = ledger.last_anchor(spec.model)
    came = next((each for each in stays if each.version == anchor), None)
    for scan, stay in (("version", stays[-1]), ("anchor", came)):
        if stay is None:
            continue
        name = stay.version.identity or f"version {stay.version.number}"
        of_scan = [each for each in all_ if (each.scan, each.identity) == (scan, name) and each.ends > stay.since]
        yield from (each for each in of_scan[-1:] if _by_metric(spec, each))


def _expected(ledger: "Ledger", present: _Stay | None, spec: Spec) -> Expected | None:
    """Return the estimate, if it is about the version that is there now, by the gate's present metric."""
    found = ledger.expected(spec.model) if present else None
    if found is None or present is None or found.version != present.version.number:
        return None
    return found if (found.metric, found.positive) == (spec.gate.metric, spec.gate.positive) else None


def _by_metric(spec: Spec, found: CohortScore | LiveLook | Verdict) -> bool:
    return (found.metric, found.positive) == (spec.gate.metric, spec.gate.positive)


def _now(look: LiveLook) -> Now:
    # The first window is the shortest: the last four cohorts, or all of fewer.
    seen = look.windows[0]
    return Now(
        begins=seen.begins,
        ends=look.ends,
        rows=seen.rows,
        score=seen.score,
        interval=None if seen.score is None or seen.error is None else _around(seen.score, seen.error),
    )


def _alarms(looks: Sequence[LiveLook]) -> Iterator[Alarm]:
    for look in looks:
        seen = look.windows[look.window]
        if look.alarm and seen.score is not None:
            yield Alarm(
                scan=look.scan,
                since=seen.begins,
                until=look.ends,
                rows=seen.rows,
                score=seen.score,
                promised=look.promised,
                lost=described(look.metric).sign * (look.promised - seen.score),
                margin=look.margin,
            )


@dataclass(frozen=True)
class _Mean:
    score: float
    error: float

    @classmethod
    def of(cls, scores: Sequence[CohortScore]) -> "_Mean":
        rows = sum(each.rows for each in scores)
        parts = [(each.rows / rows, each.score or 0.0, each.error or 0.0) for each in scores]
        return cls(sum(part * score for part, score, _ in parts), hypot(*(part * error for part, _, error in parts)))


def _trend(scores: Sequence[CohortScore]) -> LaterTrend | None:
    """Return what became of a version's score; None with so few cohorts that its two ends would share some."""
    closed = [each for each in scores if not each.open and each.score is not None and each.error is not None]
    if len(closed) < 2 * _OF_TREND:
        return None
    first, last = _Mean.of(closed[:_OF_TREND]), _Mean.of(closed[-_OF_TREND:])
    change = last.score - first.score
    return LaterTrend(since=closed[0].begins, change=change, interval=_around(change, hypot(first.error, last.error)))


def _around(value: float, error: float) -> tuple[float, float]:
    return value - _IN_INTERVAL * error, value + _IN_INTERVAL * error


def _since_first(stays: Sequence[_Stay], scores: Sequence[CohortScore]) -> list[_Stay]:
    """Return the stays since the first of these scores, and the present one."""
    return [each for each in stays if each.until is None or (scores and each.until > scores[0].begins)][-_COHORTS:]


def _promises(
    ledger: "Ledger",
    spec: Spec,
    history: Sequence[Promotion],
    stays: Sequence[_Stay],
    looks: Sequence[LiveLook],
) -> Iterator[Promised]:
    if not stays:
        return
    # The verdict that let a version in: a rollback to it has none.
    let_in = {each.came: each.verdict for each in history if each.verdict}
    verdicts = {each.matchup.id: each for _, each, _ in ledger.verdicts(spec.model, _VERDICTS)}
    last = let_in.get(stays[-1].version)
    if last and last not in verdicts and (found := ledger.verdict(last)):
        verdicts[last] = found
    for stay in stays:
        verdict = verdicts.get(let_in.get(stay.version) or "")
        yield Promised(
            version=stay.version.number,
            since=stay.since,
            until=stay.until,
            **_promise(spec, verdict, () if stay.until else looks),
        )


def _promise(spec: Spec, verdict: Verdict | None, looks: Sequence[LiveLook]) -> dict[str, Any]:
    if verdict and _by_metric(spec, verdict) and verdict.score is not None and verdict.score_error is not None:
        return {"score": verdict.score, "error": verdict.score_error, "by": "verdict"}
    for look in looks:
        if look.scan == "version":
            return {"score": look.promised, "error": look.promised_error, "by": "first cohorts"}
    return {"score": None, "error": None, "by": None}
