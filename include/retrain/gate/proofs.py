"""What the comparison with Production and with the anchor shows: the proof that the gate asks of a challenger."""

from dataclasses import dataclass

import numpy as np

from retrain.gate.comparison import Comparison, compare
from retrain.gate.guards import has_foreign_labels
from retrain.gate.predictions import Evidence
from retrain.metrics import described
from retrain.records import Cause, Matchup, Outcome, Proof
from retrain.spec.gate import Gate

_SHARE = 0.01
"""The margin by default: of the scale of a metric whose best value is 1, or else of Production's score."""


ANCHOR_SHARE = 0.75
"""Of the margin, against the anchor. The anchor climbs only when a gain is shown, so it lags behind the best version;
with this share a chain of versions stays within the margin and one step of its best one (docs/decisions/gate.md)."""


def proof_of(gate: Gate, matchup: Matchup) -> Proof:
    """Return what a challenger must show: `auto` is non-inferiority for the recipe of Production, else superiority."""
    if gate.proof is not Proof.AUTO:
        return gate.proof
    return Proof.NON_INFERIORITY if matchup.same_recipe else Proof.SUPERIORITY


def margin_of(gate: Gate, production_score: float | None) -> float:
    """Return the loss that a proof of non-inferiority must exclude, in units of the metric.

    A share of a score of 0 is 0: then nothing less than a gain will do.
    """
    if gate.margin is not None:
        return gate.margin
    return _SHARE if described(gate.metric).in_points else _SHARE * abs(production_score or 0)


def threshold_of(gate: Gate, matchup: Matchup, production_score: float | None) -> float:
    """Return what the gain over Production must exceed; below 0 in a proof of non-inferiority."""
    return gate.min_gain if proof_of(gate, matchup) is Proof.SUPERIORITY else -margin_of(gate, production_score)


@dataclass(frozen=True)
class Proven:
    """Whether the proof succeeded, and why not."""

    outcome: Outcome
    says: str
    held: Comparison | None = None
    """The comparison that held it."""
    cause: Cause | None = None
    anchors: bool = False


def prove(evidence: Evidence, gate: Gate, compared: Comparison) -> Proven:
    """Return what the comparison with Production, and where it matters that with the anchor, shows.

    A fixed sequence, so that each step has the whole level of the test: not worse than Production, not worse than the
    anchor, better than the anchor. The last decides only whether the challenger becomes the anchor. By superiority the
    first step is to be better than Production, and the second is left out.
    """
    says = f"{_pair(evidence, gate, compared)}; {_finding(gate, compared)}"
    if not compared.shown:
        # A gain that is shown to be less than min_gain is not a loss.
        worse = compared.below(min(compared.threshold, 0))
        return Proven(Outcome.HOLD, says, compared, Cause.WORSE if worse else Cause.UNDECIDED)
    if gate.proof is Proof.SUPERIORITY:  # each version is better than the one before
        return Proven(Outcome.PROMOTE, says, anchors=True)
    if evidence.matchup.anchor is not None:
        return _against_anchor(evidence, gate, compared, says)
    better = compared.threshold >= 0 or _better(evidence, gate, compared.alpha)  # Production is the anchor
    return Proven(Outcome.PROMOTE, says, anchors=better)


def _against_anchor(evidence: Evidence, gate: Gate, compared: Comparison, says: str) -> Proven:
    proof = proof_of(gate, evidence.matchup)
    version, alpha = f"version {evidence.matchup.anchor}, the gate's anchor,", compared.alpha
    fault = _anchor_fault(evidence)
    threshold = compared.threshold if proof is Proof.SUPERIORITY else ANCHOR_SHARE * compared.threshold
    anchored = None if fault else compare(evidence, gate, evidence.anchor, threshold=threshold, alpha=alpha)
    if anchored is None:
        lost = f"{says}; {version} cannot be asked ({fault or 'nothing could be computed'})"
        if proof is Proof.SUPERIORITY:
            return Proven(Outcome.PROMOTE, lost, anchors=True)
        better = compare(evidence, gate, evidence.production, threshold=gate.min_gain, alpha=alpha)
        if better is None or not better.shown:
            finding = "nothing could be computed" if better is None else _finding(gate, better)
            return Proven(
                Outcome.HOLD, f"{lost}, so it must be better than Production: {finding}", better, Cause.ANCHOR
            )
        # It takes the place of the anchor that is lost: otherwise no later version could do without superiority.
        says = f"{lost}, but it is better than Production: {_finding(gate, better)}"
        return Proven(Outcome.PROMOTE, says, anchors=True)
    if proof is Proof.SUPERIORITY:
        return Proven(Outcome.PROMOTE, says, anchors=anchored.shown)
    # One that predicts as the anchor does loses nothing against it.
    if not (anchored.alike or anchored.shown):
        against = f"against {version} {anchored.theirs:.3f}: {_finding(gate, anchored)}"
        return Proven(Outcome.HOLD, f"{says}; but {against}", anchored, Cause.ANCHOR)
    return Proven(Outcome.PROMOTE, says, anchors=_better(evidence, gate, alpha))


def _better(evidence: Evidence, gate: Gate, alpha: float) -> bool:
    """Return whether the challenger is shown to be better than the anchor."""
    anchor = evidence.production if evidence.matchup.anchor is None else evidence.anchor
    compared = compare(evidence, gate, anchor, threshold=gate.min_gain, alpha=alpha)
    return compared is not None and compared.shown


def _anchor_fault(evidence: Evidence) -> str:
    if evidence.anchor_fault or evidence.anchor is None:
        return evidence.anchor_fault or "its predictions are missing"
    return "no prediction of it is one of the labels" if has_foreign_labels(evidence, evidence.anchor) else ""


def _pair(evidence: Evidence, gate: Gate, compared: Comparison) -> str:
    words = described(gate.metric).words
    return f"{words} {compared.own:.3f} against {compared.theirs:.3f} on {len(evidence.labels):,} rows"


def _finding(gate: Gate, compared: Comparison) -> str:
    if compared.alike:
        return "the two agree in every prediction that counts"
    low, high = compared.interval or (np.nan, np.nan)
    better = "" if described(gate.metric).greater_is_better else ", below 0 is better"
    difference = f"the difference {compared.own - compared.theirs:+z.3f} (95% {low:+z.3f} to {high:+z.3f}{better})"
    if compared.threshold >= 0 and compared.gain <= compared.slack:
        return f"{difference} is not a gain"
    chance = f"p = {compared.p_value:.3g} where below {compared.alpha:.3g} is needed"
    shown, bound = compared.shown, abs(compared.threshold)
    if compared.threshold < 0:
        return f"{difference} {'is' if shown else 'may not be'} within the margin of {bound:.3g}, {chance}"
    seen = "" if compared.smallest_gain is None else f"; a gain of {compared.smallest_gain:.3f} is seen 4 times in 5"
    if compared.threshold:
        return f"{difference} {'is' if shown else 'may not be'} more than {bound:g}, {chance}{'' if shown else seen}"
    return f"{difference} is more than chance, {chance}" if shown else f"{difference} may be chance, {chance}{seen}"
