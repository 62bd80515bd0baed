"""Section `candidates`: the models that a cycle trains."""

from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue
from pydantic_core import PydanticCustomError

from retrain.spec.fields import Section, Share, unique

BALANCED = "balanced"
"""In place of a column of weights."""


class CandidateSpec(Section):
    """A model that each cycle trains; the best of them on the validation rows meets the gate."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    """Up to 63 letters, digits, `_`, `.` and `-`; reports and messages call it so."""
    estimator: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """`module:function`; the function takes `params` and returns an unfitted scikit-learn estimator."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """Arguments of the function."""
    fit: dict[str, JsonValue] = Field(default_factory=dict)
    """Keywords of the last step's `fit`."""
    sample_weight: str | None = Field(None, min_length=1)
    """How much each row counts: a column of the source, from `features` or `also_read`; or `balanced`, for which each
    class counts the same."""
    early_stopping: Share | None = None
    """Share of the training rows that says when a booster has enough trees: it does not learn from them. Rows that
    count as one stay together."""


def _one_or_more_with_unique_names(candidates: tuple[CandidateSpec, ...]) -> tuple[CandidateSpec, ...]:
    if not candidates:
        raise PydanticCustomError("none", "is empty; add a candidate")
    unique(tuple(candidate.name for candidate in candidates))
    return candidates


Candidates = Annotated[tuple[CandidateSpec, ...], AfterValidator(_one_or_more_with_unique_names)]
"""One or more, each with a name of its own."""
