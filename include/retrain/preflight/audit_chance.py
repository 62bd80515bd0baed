"""Was Production promoted by a number that may be chance? Said only where what was logged allows to say it."""

import json
from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Any

from scipy.stats import binomtest

from retrain.errors import NoAnswerError, TrackerError
from retrain.preflight.audit_finding import AuditFinding
from retrain.preflight.audit_registry import Listed
from retrain.preflight.audit_runs import Runs, run_of
from retrain.preflight.counts import Counted, counts
from retrain.records import Outcome
from retrain.text import printable, shorten
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import ModelVersion
from retrain.tracker.inspection import StoredRun

_CONFIDENCE = 0.95
_VERDICT, _REASON = "retrain.verdict", "retrain.reason"
_FILE = "verdict/verdict.json"
_MOST_BYTES = 1_000_000
_LONGEST = 300


def of_chance(listed: Listed, runs: Runs, tracker: ExperimentTracker) -> Iterator[AuditFinding]:
    """Yield whether the version that serves may owe its place to chance.

    Retrain's own versions have a verdict. Others are compared with the version before them, by the shares of rows that
    their runs counted right.
    """
    if len(listed.production) != 1:
        return
    (production,) = listed.production
    stored = run_of(production, runs)
    if stored is None:
        return
    if stored.run.tags.get(_VERDICT) in {*Outcome}:
        yield from _of_verdict(production, stored.run.tags, _verdict(production, stored, tracker))
        return
    own = counts(stored)
    for before in _before(production, listed.versions):
        other = run_of(before, runs)
        theirs = {} if other is None or before.run_id == production.run_id else counts(other)
        both = [name for name in sorted(own) if name in theirs]
        if both:
            yield from _of_counts(production, before, own[both[0]], theirs[both[0]])
            return


def _before(production: ModelVersion, versions: Sequence[ModelVersion]) -> list[ModelVersion]:
    """Return the versions that Production may have replaced, the most likely first.

    MLflow keeps no history: an archived version has served, and of others the newest before it may have.
    """
    earlier = [each for each in versions if int(each.version) < int(production.version)][::-1]
    archived = [each for each in earlier if each.stage == "Archived"]
    return (archived or earlier)[:1]


# ── by Retrain's own verdict


def _verdict(production: ModelVersion, stored: StoredRun, tracker: ExperimentTracker) -> dict[str, Any]:
    """Return the verdict on a version, as its run has it; empty where there is none on exactly this version."""
    try:
        content = tracker.read_file_up_to(_MOST_BYTES, stored.artifacts, _FILE)
        found = json.loads(content or b"{}")
    except NoAnswerError:
        raise
    except (TrackerError, ValueError, RecursionError):  # the tags say less, but the same
        return {}
    matchup = found.get("matchup") if isinstance(found, dict) else None
    own = isinstance(matchup, dict) and matchup.get("version") == production.version
    return found if own else {}


def _of_verdict(production: ModelVersion, tags: Any, verdict: dict[str, Any]) -> Iterator[AuditFinding]:
    outcome = verdict.get("outcome", tags[_VERDICT])
    if outcome == Outcome.PROMOTE:
        return
    reason = shorten(printable(str(verdict.get("reason") or tags.get(_REASON, ""))), _LONGEST)
    p, alpha = verdict.get("p_value"), verdict.get("alpha")
    by_chance = outcome == Outcome.HOLD and isinstance(p, float) and isinstance(alpha, float) and p >= alpha
    kind = "may_be_chance" if by_chance else "against_verdict"
    what = f"Retrain's verdict on it was {outcome}: {reason}"
    yield AuditFinding.of(kind, production.model, production.version, what)


# ── by what runs have counted


def _of_counts(production: ModelVersion, before: ModelVersion, own: Counted, theirs: Counted) -> Iterator[AuditFinding]:
    low, high = newcombe(own, theirs)
    kind = "worse" if high < 0 else "may_be_chance" if low <= 0 else None
    if kind == "may_be_chance" and own.data is not None and own.data == theirs.data and own.rows == theirs.rows:
        kind = kind if may_be_chance_however_paired(own, theirs) else None
    if kind is None:
        return
    what = (
        f"{own.metric} {own} against {theirs} of version {before.version}: the difference "
        f"{own.share - theirs.share:+.4f} has a 95% interval of {low:+.4f} to {high:+.4f}"
    )
    yield AuditFinding.of(kind, production.model, production.version, what)


def newcombe(own: Counted, theirs: Counted) -> tuple[float, float]:
    """Return the 95% interval of the difference between two shares, of rows that have nothing to do with each other.

    Method 10 of Newcombe 1998, "Interval estimation for the difference between independent proportions", made of
    Wilson's intervals of the two. For the same rows it is wider than needed where both are mostly wrong on the same.
    """
    (low, high), (low_, high_) = (_wilson(each) for each in (own, theirs))
    difference = own.share - theirs.share
    return (
        difference - sqrt((own.share - low) ** 2 + (high_ - theirs.share) ** 2),
        difference + sqrt((high - own.share) ** 2 + (theirs.share - low_) ** 2),
    )


def may_be_chance_however_paired(own: Counted, theirs: Counted) -> bool:
    """Return whether two counts on the same rows may differ by chance, even where they differ in no row more.

    The exact test of McNemar (1947) needs the rows that one has right and the other wrong. They are not known; there
    are least, and p is smallest, where all are in favour of one.
    """
    rows = own.right - theirs.right
    return rows <= 0 or float(binomtest(rows, rows).pvalue) >= 1 - _CONFIDENCE


def _wilson(counted: Counted) -> tuple[float, float]:
    interval = binomtest(counted.right, counted.rows).proportion_ci(_CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)
