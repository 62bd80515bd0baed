"""The gate: may this challenger replace Production? `judge` decides on what others measured, and does no I/O.

Not computable is failed: anything missing, undefined or too small makes a verdict INCONCLUSIVE. What is measured and
not good enough makes it HOLD. The rest is decided by a test on the spec's own metric, in which whole clusters of rows
swap (a gain of more than 0) or are drawn (a gain of more than `min_gain`, or a loss of less than `margin`).
"""

from math import ceil

import numpy as np

from retrain.gate import guards
from retrain.gate.comparison import Comparison, compare, holdout_value, interval_of
from retrain.gate.predictions import Evidence
from retrain.gate.proofs import Proven, proof_of, prove, threshold_of
from retrain.gate.spending import alpha_of, false_a_year
from retrain.metrics import described
from retrain.records import Cause, Guard, Outcome, SliceScore, Verdict
from retrain.spec.gate import Gate


def judge(evidence: Evidence, gate: Gate) -> Verdict:
    """Return PROMOTE, HOLD or INCONCLUSIVE, with the numbers behind it. Pure: the same evidence gives the same verdict.

    Each test of a round must show p below its part of the round's alpha (`gate.spending`).
    """
    alpha, clusters = alpha_of(gate, evidence.matchup.test), len(np.unique(evidence.clusters))
    own, theirs = holdout_value(evidence, gate, evidence.challenger), holdout_value(evidence, gate, evidence.production)
    threshold = threshold_of(gate, evidence.matchup, theirs)
    floor = guards.limit(gate.limit, own, "floor" if gate.limit.ceiling is None else "ceiling")
    before, beside = [*guards.before(evidence, gate, clusters)], [*guards.beside(evidence, gate)]
    compared, slices = None, list[SliceScore]()
    if all(guard.passed for guard in before) and evidence.production is not None:
        compared = compare(evidence, gate, evidence.production, threshold=threshold, alpha=alpha)
        if compared is None:
            before.append(guards.missing(f"{described(gate.metric).words} of the two"))
        for guard, score in guards.slices(evidence, gate):
            beside.append(guard)
            slices.append(score)
    proven = _decide(evidence, gate, before, [floor, *beside], compared)
    # The rows that it takes come in a later round, in which the first test is the one to count on.
    needed = proven.held.rows_needed(len(evidence.labels), alpha_of(gate, 1)) if proven.held else None
    right_to_wrong, wrong_to_right = evidence.flips()
    rate = evidence.rate
    return Verdict(
        matchup=evidence.matchup,
        outcome=proven.outcome,
        reason=proven.says + _what_helps(evidence, gate, proven, needed),
        metric=gate.metric,
        score=own,
        production_score=theirs,
        difference=None if own is None or theirs is None else own - theirs,
        interval=compared.interval if compared else None,
        score_interval=compared.own_interval if compared else interval_of(evidence, gate),
        production_interval=compared.theirs_interval if compared else None,
        positive=gate.positive,
        cause=proven.cause,
        anchors=proven.anchors,
        proof=proof_of(gate, evidence.matchup),
        threshold=threshold,
        p_value=compared.p_value if compared else None,
        alpha=alpha,
        tests=gate.tests,
        rows=len(evidence.labels),
        clusters=clusters,
        right_to_wrong=len(right_to_wrong),
        wrong_to_right=len(wrong_to_right),
        smallest_gain=compared.smallest_gain if compared else None,
        rows_needed=needed,
        false_a_year=false_a_year(gate, rate.holdout_rows, rate.cycles) if rate else None,
        overlap=evidence.overlap,
        guards=(*before, *beside, floor),
        slices=tuple(slices),
    )


def _decide(
    evidence: Evidence,
    gate: Gate,
    before: list[Guard],
    beside: list[Guard],
    compared: Comparison | None,
) -> Proven:
    for checked in (before, beside):
        if unknown := [guard.says for guard in checked if not guard.computed]:
            return Proven(Outcome.INCONCLUSIVE, "; ".join(unknown))
    alone = "there is no Production to compare with; " if compared is None else ""
    if failed := [guard.says for guard in beside if not guard.passed]:
        return Proven(Outcome.HOLD, alone + "; ".join(failed), cause=Cause.GUARD)
    if compared is None:
        return Proven(Outcome.PROMOTE, alone + beside[0].says, anchors=True)
    return prove(evidence, gate, compared)


def _what_helps(evidence: Evidence, gate: Gate, proven: Proven, needed: int | None) -> str:
    """Return, as a clause, what would decide a matchup that these rows leave undecided."""
    if proven.cause is not Cause.UNDECIDED or proven.held is None or proven.held.alike:
        return ""
    if proven.held.below(proven.held.threshold):
        return "; Production stays"
    stays = "; Production stays, as these rows do not decide it"
    if needed is None:
        return stays
    here = len(evidence.labels)
    helps = f"{stays}: a holdout of {needed:,} rows shows this difference 4 times in 5"
    if needed > max(gate.round_rows, here):
        helps += f" (set gate.round_rows to {needed:,})"
    if evidence.rate is None or evidence.rate.holdout_rows <= 0:
        return helps
    return f"{helps}, and at the present rate they arrive within {_duration(needed / evidence.rate.holdout_rows)}"


def _duration(years: float) -> str:
    days = years * 365.25
    for size, unit in ((365.25, "years"), (30.4, "months"), (7, "weeks"), (1, "days")):
        if days >= 2 * size:
            return f"{days / size:,.0f} {unit}"
    return f"{ceil(days * 24)} hours"
