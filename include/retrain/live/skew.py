"""What the team is told where something else was served than the version says of the same rows."""

from collections.abc import Iterator

from scipy.stats import binomtest

from retrain.later import CohortScore
from retrain.live.decay import PREFIX
from retrain.live.observing import Observing
from retrain.records import Fault, Incident
from retrain.topics import Topic

_SURE = 0.95
"""How sure it must be that the share is greater than the spec accepts."""


def skews(observing: Observing) -> Iterator[Fault]:
    """Yield a fault for each version of the last closed cohort for which more rows differ than the spec accepts."""
    predictions = observing.spec.predictions
    if predictions is None:
        return
    closed = [
        each
        for each in observing.ledger.cohorts(observing.spec.model, observing.spec.cohort)
        if not each.open and each.asked
    ]
    for score in (each for each in closed if each.begins == closed[-1].begins):
        test = binomtest(score.skewed, score.asked, alternative="greater")
        if test.proportion_ci(_SURE).low > predictions.skew:
            yield Fault(name=f"{PREFIX}skew/{score.version}", incident=_incident(score, predictions.skew))


def _incident(score: CohortScore, accepted: float) -> Incident:
    share = score.skewed / score.asked
    return Incident(
        model=score.model,
        topic=Topic.SKEWED,
        what=f"version {score.version} was served otherwise than it predicts: of {score.asked:,} rows that were "
        f"labelled since {score.begins:%Y-%m-%d}, {score.skewed:,} ({share:.1%}) got another prediction than the "
        f"version gives for them now; {accepted:.1%} are accepted.",
        remedy="Look whether serving computes a feature in another way than the table has it, whether another version "
        "was served than the log says, and whether rows changed after they were served.",
        facts={"version": score.version, "asked": score.asked, "skewed": score.skewed, "since": str(score.begins)},
    )
