"""The gate: may this challenger replace Production? `judge` decides on what others measured, and does no I/O.

Not computable is failed: anything missing, undefined or too small makes a verdict INCONCLUSIVE. What is measured and
not good enough makes it HOLD. The rest is decided by a test on the spec's own metric, in which whole clusters of rows
swap (a gain of more than 0) or are drawn (a gain of more than `min_gain`, or a loss of less than `margin`).
"""

import numpy as np

from retrain.gate import guards
from retrain.gate.comparison import Comparison, compare, holdout_value
from retrain.gate.predictions import Evidence
from retrain.metrics import described
from retrain.records import Guard, Outcome, Proof, SliceScore, Verdict
from retrain.spec.gate import Gate


def judge(evidence: Evidence, gate: Gate) -> Verdict:
    """Return PROMOTE, HOLD or INCONCLUSIVE, with the numbers behind it. Pure: the same evidence gives the same verdict.

    A round's alpha is spent in equal parts (Bonferroni): each of its `tests` must show p below alpha / tests.
    """
    alpha, clusters = gate.alpha / gate.tests, len(np.unique(evidence.clusters))
    own, theirs = holdout_value(evidence, gate, evidence.challenger), holdout_value(evidence, gate, evidence.production)
    floor = guards.limit(gate.limit, own, "floor" if gate.limit.ceiling is None else "ceiling")
    before, beside = [*guards.before(evidence, gate, clusters)], [*guards.beside(evidence, gate)]
    compared, slices = None, list[SliceScore]()
    if all(guard.passed for guard in before) and evidence.production is not None:
        compared = compare(evidence, gate, evidence.production, alpha)
        if compared is None:
            before.append(guards.missing(f"{described(gate.metric).words} of the two"))
        for guard, score in guards.slices(evidence, gate):
            beside.append(guard)
            slices.append(score)
    outcome, reason = _decide(evidence, gate, before, [floor, *beside], compared)
    right_to_wrong, wrong_to_right = evidence.flips()
    return Verdict(
        matchup=evidence.matchup,
        outcome=outcome,
        reason=reason,
        metric=gate.metric,
        score=own,
        production_score=theirs,
        difference=None if own is None or theirs is None else own - theirs,
        interval=compared.interval if compared else None,
        score_interval=compared.own_interval if compared else None,
        production_interval=compared.theirs_interval if compared else None,
        proof=gate.proof,
        threshold=gate.threshold,
        p_value=compared.p_value if compared else None,
        alpha=alpha,
        tests=gate.tests,
        rows=len(evidence.labels),
        clusters=clusters,
        right_to_wrong=len(right_to_wrong),
        wrong_to_right=len(wrong_to_right),
        smallest_gain=compared.smallest_gain if compared else None,
        overlap=evidence.overlap,
        guards=(*before, *beside, floor),
        slices=tuple(slices),
    )


def _decide(
    evidence: Evidence, gate: Gate, before: list[Guard], beside: list[Guard], compared: Comparison | None
) -> tuple[Outcome, str]:
    for checked in (before, beside):
        if unknown := [guard.says for guard in checked if not guard.computed]:
            return Outcome.INCONCLUSIVE, "; ".join(unknown)
    alone = "there is no Production to compare with; " if compared is None else ""
    if failed := [guard.says for guard in beside if not guard.passed]:
        return Outcome.HOLD, alone + "; ".join(failed)
    if compared is None:
        return Outcome.PROMOTE, alone + beside[0].says
    alpha = gate.alpha / gate.tests
    finding = f"{_pair(evidence, gate, compared)}; {_finding(gate, compared, alpha)}"
    outcome = Outcome.PROMOTE if compared.shown(gate.threshold, alpha) else Outcome.HOLD
    if outcome is Outcome.PROMOTE and evidence.anchor is not None:
        anchored = compare(evidence, gate, evidence.anchor, alpha)
        version = f"version {evidence.matchup.anchor}, the last that was better,"
        if anchored is None:
            return Outcome.INCONCLUSIVE, f"{finding}; but against {version} nothing could be computed"
        same = anchored.alike and gate.threshold < 0  # it predicts as the anchor does, so it loses nothing against it
        if not (same or anchored.shown(gate.threshold, alpha)):
            return (
                Outcome.HOLD,
                f"{finding}; but against {version} {anchored.theirs:.3f}: {_finding(gate, anchored, alpha)}",
            )
    return outcome, finding


def _pair(evidence: Evidence, gate: Gate, compared: Comparison) -> str:
    words = described(gate.metric).words
    return f"{words} {compared.own:.3f} against {compared.theirs:.3f} on {len(evidence.labels):,} rows"


def _finding(gate: Gate, compared: Comparison, alpha: float) -> str:
    if compared.alike:
        return "the two agree in every prediction that counts"
    low, high = compared.interval or (np.nan, np.nan)
    better = "" if described(gate.metric).greater_is_better else ", below 0 is better"
    difference = f"the difference {compared.own - compared.theirs:+z.3f} (95% {low:+z.3f} to {high:+z.3f}{better})"
    if gate.proof is Proof.SUPERIORITY and compared.gain <= compared.slack:
        return f"{difference} is not a gain"
    chance = f"p = {compared.p_value:.3g} where below {alpha:.3g} is needed"
    shown, bound = compared.shown(gate.threshold, alpha), abs(gate.threshold)
    if gate.proof is Proof.NON_INFERIORITY:
        return f"{difference} {'is' if shown else 'may not be'} within the margin of {bound:g}, {chance}"
    seen = "" if compared.smallest_gain is None else f"; a gain of {compared.smallest_gain:.3f} is seen 4 times in 5"
    if gate.threshold:
        return f"{difference} {'is' if shown else 'may not be'} more than {bound:g}, {chance}{'' if shown else seen}"
    return f"{difference} is more than chance, {chance}" if shown else f"{difference} may be chance, {chance}{seen}"
