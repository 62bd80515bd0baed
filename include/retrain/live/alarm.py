"""Two scans of Production, each look by look: against its own verdict's promise, and against that of the anchor.

Each has half of the model's alpha a year. The second one follows whatever was in Production since the anchor came, so
that each refit's new promise does not hide a slow decay.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from math import isfinite
from typing import Literal

from retrain.gate.proofs import margin_of
from retrain.later import CohortScore, LiveLook, Seen
from retrain.live import predicted as files
from retrain.live.observing import Observing
from retrain.live.predicted import Predicted
from retrain.live.scan import Look, Promise, Window, scan, windows_of
from retrain.live.score import Score, score_of
from retrain.metrics import described
from retrain.records import Promotion, VersionId
from retrain.snapshots.split import position

_YEAR = timedelta(days=365.25)
_LEAST_ROWS = 100
"""Cohorts with fewer wait for the next one: the error of so few is not known well."""
_MOST_ROWS = 500_000
"""Rows of a window; of more, those of some clusters."""
_FIRST = 4
"""Cohorts that promise where no verdict does."""

Kind = Literal["version", "anchor"]


@dataclass(frozen=True)
class _Scan:
    kind: Kind
    promised_by: VersionId
    began: datetime


@dataclass(frozen=True)
class _Unit:
    """One cohort, or several that follow each other: enough rows for a look."""

    begins: datetime
    ends: datetime
    rows: int
    uris: tuple[str, ...]


def looks(observing: Observing) -> list[LiveLook]:
    """Make the looks that are due, and return the last one of each scan that goes on: none before the first is due."""
    spec, ledger = observing.spec, observing.ledger
    history = [each for each in ledger.history(spec.model) if each.applied_at is not None]
    if spec.cohort is None or not history:
        return []
    scores = ledger.cohorts(spec.model, spec.cohort)
    found = (_looked(observing, each, history, scores) for each in _scans(observing, history))
    return [each for each in found if each is not None]


def _scans(observing: Observing, history: Sequence[Promotion]) -> Iterator[_Scan]:
    head = history[-1]
    if head.came is None or head.applied_at is None:
        return
    yield _Scan("version", head.came, head.applied_at)
    anchor = observing.ledger.last_anchor(observing.spec.model)
    first = next((each.applied_at for each in history if each.came == anchor), None)
    if anchor is not None and first is not None:
        yield _Scan("anchor", anchor, first)


def _looked(
    observing: Observing, of: _Scan, history: Sequence[Promotion], scores: Sequence[CohortScore]
) -> LiveLook | None:
    spec, ledger = observing.spec, observing.ledger
    since = [
        each
        for each in scores
        if each.ends > of.began and not each.open and each.rows and (of.kind == "anchor" or each.of == of.promised_by)
    ]
    units = [*_units(since)]
    promise = _promise(observing, of.promised_by, history)
    if promise is None:
        promise, units = _of_first(observing, units), units[_FIRST:]
    if promise is None:
        return None
    identity = of.promised_by.identity or f"version {of.promised_by.number}"
    margin = spec.watch.margin if spec.watch.margin is not None else margin_of(spec.gate, promise.score)
    terms = (spec.gate.metric, spec.gate.positive, promise.score, promise.error, margin, spec.watch.alpha / 2)
    made = [each for each in ledger.live_looks(spec.model, of.kind) if each.identity == identity]
    made = [each for each in made if each.began == made[-1].began and each.ends > of.began]
    began = made[-1].began if made else of.began
    if made and _terms(made[-1]) != terms:
        began, made = made[-1].ends, []  # another promise, margin or alpha: a new scan
    units = [each for each in units if each.ends > began]
    for place in range(len(made), len(units)):
        windows = tuple(_seen(observing, of, units[: place + 1], count) for count in windows_of(place + 1))
        look = LiveLook(
            model=spec.model,
            scan=of.kind,
            identity=identity,
            place=place,
            began=began,
            cohort=units[place].begins,
            ends=units[place].ends,
            rows=units[place].rows,
            metric=spec.gate.metric,
            positive=spec.gate.positive,
            promised=promise.score,
            promised_error=promise.error,
            margin=margin,
            alpha=spec.watch.alpha / 2,
            windows=windows,
            z=None,
            window=-1,
            bound=None,
            alarm=False,
        )
        made.append(ledger.save_look(judged([*made, look])))
    return made[-1] if made else None


def _terms(look: LiveLook) -> tuple[object, ...]:
    return look.metric, look.positive, look.promised, look.promised_error, look.margin, look.alpha


def judged(looks: Sequence[LiveLook]) -> LiveLook:
    """Return the last look with what it shows, which follows from all looks of the scan until then."""
    last = looks[-1]
    sign = described(last.metric).sign
    shown = scan(
        f"{last.model} {last.scan} {last.identity} {last.began.isoformat()}",
        Promise(last.promised, last.promised_error),
        [_as_look(each) for each in looks],
        sign=sign,
        margin=last.margin,
        alpha=last.alpha,
    )[-1]
    return last.model_copy(
        update={
            "z": shown.z if isfinite(shown.z) else None,
            "window": shown.window,
            "bound": shown.bound if isfinite(shown.bound) else None,
            "alarm": shown.alarm,
        }
    )


def _as_look(look: LiveLook) -> Look:
    nothing = float("nan")
    windows = (
        Window(
            each.cohorts,
            nothing if each.score is None else each.score,
            nothing if each.error is None else each.error,
        )
        for each in look.windows
    )
    return Look(look.rows, max((look.ends - look.began) / _YEAR, 0.0), tuple(windows))


def _units(scores: Sequence[CohortScore]) -> Iterator[_Unit]:
    """Yield the cohorts, the oldest first; one with few rows is joined to the next."""
    waiting = list[CohortScore]()
    for _, parts in groupby(scores, key=lambda each: each.begins):
        waiting += parts
        if sum(each.rows for each in waiting) >= _LEAST_ROWS:
            yield _Unit(
                waiting[0].begins,
                waiting[-1].ends,
                sum(each.rows for each in waiting),
                tuple(each.uri for each in waiting),
            )
            waiting = []


def _promise(observing: Observing, version: VersionId, history: Sequence[Promotion]) -> Promise | None:
    """Return what the verdict that let a version in has promised; None without one by the present metric."""
    gate = observing.spec.gate
    for change in reversed(history):
        verdict = observing.ledger.verdict(change.verdict) if change.came == version and change.verdict else None
        if verdict is None or (verdict.metric, verdict.positive) != (gate.metric, gate.positive):
            continue
        if verdict.score is not None and verdict.score_error is not None:
            return Promise(verdict.score, verdict.score_error)
    return None


def _of_first(observing: Observing, units: Sequence[_Unit]) -> Promise | None:
    """Return the score of the first cohorts as a promise; None before there are so many."""
    if len(units) < _FIRST:
        return None
    score = _pooled(observing, units[:_FIRST], "first")
    return None if score.value is None or score.error is None else Promise(score.value, score.error)


def _seen(observing: Observing, of: _Scan, units: Sequence[_Unit], count: int) -> Seen:
    window = units[-count:]
    score = _pooled(observing, window, f"{of.kind} {len(units)} {count}")
    return Seen(cohorts=count, rows=score.rows, begins=window[0].begins, score=score.value, error=score.error)


def _pooled(observing: Observing, units: Sequence[_Unit], seed: str) -> Score:
    return score_of(observing.spec, pooled(observing, units), f"{observing.spec.model} {seed}")


def pooled(observing: Observing, units: Sequence[_Unit]) -> Predicted:
    """Return the rows of some cohorts with what was predicted for them; of very many, those of some clusters."""
    share = _MOST_ROWS / max(sum(each.rows for each in units), 1)
    parts = []
    for uri in (uri for unit in units for uri in unit.uris):
        part = files.get(observing.snapshots, uri)
        parts.append(part if share >= 1 else part.part(position(part.clusters) < share))
    return Predicted.joined(parts)
