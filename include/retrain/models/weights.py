"""Which features of a fitted model weigh most: a first look, not an explanation."""

from contextlib import suppress
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

MOST = 20


def heaviest(estimator: Any) -> dict[str, float]:
    """Return the features with the greatest weights or importances, the greatest first; empty where there are none.

    Of a linear model with several classes, the weight that is greatest in size counts. What a feature is called is what
    the steps before the last one call it; without names, its place.
    """
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    weights = _weights(last)
    if weights is None or not weights.size:
        return {}
    places = np.argsort(-np.abs(weights), kind="stable")[:MOST]
    names = _names(estimator)
    named = len(names) == len(weights)
    return {
        str(names[place]) if named else f"#{place}": float(weights[place])
        for place in places.tolist()
        if np.isfinite(weights[place])
    }


def _weights(last: Any) -> Any:
    for name in ("feature_importances_", "coef_"):
        with suppress(Exception):  # without it, or of a kernel that has none: others have written how it fails
            found = np.asarray(getattr(last, name), np.float64)
            if found.ndim == 2:
                return found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])]
            if found.ndim == 1:
                return found
    return None


def _names(estimator: Any) -> Any:
    if not isinstance(estimator, Pipeline):
        return getattr(estimator, "feature_names_in_", ())
    try:
        return estimator[:-1].get_feature_names_out()
    except Exception:  # a step without names
        return ()
