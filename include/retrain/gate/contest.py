"""Which candidates of a cycle meet the gate: the best on validation, and perhaps a refit of Production's own recipe."""

from collections.abc import Mapping, Sequence

from retrain.metrics import described
from retrain.records import Cause, Proof, Verdict
from retrain.spec.gate import Gate


def best(scores: Mapping[str, float], order: Sequence[str], metric: str) -> str:
    """Return the name with the best validation score; of equal ones, the one that `order` names first."""
    sign = described(metric).sign
    return min(scores, key=lambda name: (-sign * scores[name], order.index(name)))


def same_recipe(one: str | None, other: str | None) -> bool:
    """Return whether two recipes are the same. What is not known is another one."""
    return one is not None and one == other


def own(recipes: Mapping[str, str | None], production: str | None) -> str | None:
    """Return the name of the first candidate with Production's recipe; None if there is none, or if it is not known."""
    return next((name for name, recipe in recipes.items() if same_recipe(recipe, production)), None)


def own_refit(gate: Gate, verdict: Verdict, winner: str, own: str | None) -> bool:
    """Return whether the refit of Production's own recipe takes the round's next test, after this verdict.

    It does under `proof: auto`, if the winner is of another recipe and was held for want of rows. winner: name of the
    candidate that was judged. own: name of the candidate with Production's recipe; None if none was trained.
    """
    return (
        gate.proof is Proof.AUTO
        and own is not None
        and own != winner
        and not verdict.matchup.same_recipe
        and verdict.cause is Cause.UNDECIDED
        and verdict.matchup.test < gate.tests
    )
