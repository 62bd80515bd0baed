"""Multiple comparisons with the best (Hsu 1984), by draws that all policies have in common."""

from dataclasses import dataclass

import numpy as np

from retrain.gate.labels import Floats

_SHARE = 0.95


@dataclass(frozen=True)
class Place:
    """One policy among others. Scores are such that greater is better."""

    may_be_best: bool
    """False where one of the others is surely better. Whichever is the best in truth is called so in 95% of cases."""
    behind: tuple[float, float]
    """Simultaneous 95% interval of its score minus the best of the others': the first is how far it may be behind."""


def with_the_best(observed: Floats, drawn: Floats, widening: float) -> list[Place]:
    """Place each policy by its score and its resampled scores, shapes (p,) and (p, draws).

    widening: factor of all intervals, for draws of few blocks. For each policy, one bound holds for its differences to
    all others at once, with the spread that these have together, whatever the correlations.
    """
    drawn = drawn[:, np.isfinite(drawn).all(axis=0)]
    policies = len(observed)
    if policies == 1 or not drawn.shape[1]:
        return [Place(True, (0.0, 0.0))] * policies if policies == 1 else [Place(True, (-np.inf, np.inf))] * policies
    gaps = observed[:, None] - observed[None, :]
    spread, reach = np.zeros((policies, policies)), np.zeros(policies)
    for each in range(policies):
        moved = (drawn[each] - drawn) - gaps[each][:, None]
        spread[each] = moved.std(axis=1)
        apart = spread[each] > 0
        if apart.any():
            lowest = (moved[apart] / spread[each][apart, None]).min(axis=0)
            reach[each] = -np.quantile(lowest, 1 - _SHARE) * widening
    others = ~np.eye(policies, dtype=np.bool_)
    # At most so much above the best of the others; equal predictions have neither a gap nor a spread.
    most = np.array([(gaps[i] + reach[i] * spread[i])[others[i]].min() for i in range(policies)])
    alike = np.array([(gaps[i] + reach[i] * spread[i] >= 0)[others[i]].all() for i in range(policies)])
    best = np.flatnonzero(alike)
    places = []
    for i in range(policies):
        rivals = [j for j in best if j != i]
        least = min((gaps[i, j] - reach[j] * spread[i, j] for j in rivals), default=0.0)
        places.append(Place(bool(alike[i]), (min(0.0, float(least)), max(0.0, float(most[i])))))
    return places
