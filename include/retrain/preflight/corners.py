"""A candidate that has a search, at the corners of its space."""

from retrain import extras
from retrain.errors import MissingExtraError
from retrain.spec.candidates import CandidateSpec


def corners_of(candidate: CandidateSpec) -> list[CandidateSpec]:
    """Return the candidate at each corner; one without a search is its only corner.

    Raises MissingExtraError without Optuna, EstimatorError where the user's own space fails.
    """
    search = candidate.search
    if search is None:
        return [candidate]
    if not extras.has("tune"):
        raise MissingExtraError(f"candidate {candidate.name!r}: search needs an extra; {extras.remedy('tune')}")
    from retrain.tuning.space import corners

    return [
        candidate.model_copy(update={"params": {**candidate.params, **params}, "search": None})
        for params in corners(search)
    ]


def at(candidate: CandidateSpec, corner: CandidateSpec) -> str:
    """Return, for a message, where a corner is; nothing for a candidate without a search."""
    if candidate.search is None:
        return ""
    params = {name: value for name, value in corner.params.items() if name not in candidate.params}
    return f" (search: at {', '.join(f'{name} = {value!r}' for name, value in params.items())})"
