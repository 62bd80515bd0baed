"""How a candidate is made: two that are made in the same way differ only by the rows that they have learnt from."""

import inspect
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from retrain.models.function import function_of
from retrain.spec.spec import Spec

_TOLD = ("fit", "sample_weight", "early_stopping", "passes", "stream")


def recipe_of(spec: Spec, name: str) -> str | None:
    """Return the digest of a candidate's recipe; None where its function has no source or no signature to read.

    It is made of the function's source, the arguments that it gets, defaults included, what its fit gets, the features,
    the label, and which rows a snapshot takes. The names of the candidate and of the function's module do not count;
    what the function calls, and the versions of libraries, are not seen. Raises EstimatorError if the function cannot
    be imported.
    """
    candidate = spec.candidate(name)
    told = candidate.model_dump(mode="json", include={*_TOLD}, exclude_defaults=True)
    function = function_of(candidate)
    try:
        source = inspect.getsource(function)
        arguments = candidate.params if candidate.train else _bound(function, candidate.params)
    except (OSError, TypeError, ValueError):
        return None
    window = spec.snapshot.model_dump(mode="json", include={"window", "max_rows"})
    parts = [source, arguments, spec.source.features, spec.source.label, window, told]
    return sha256(json.dumps(parts, sort_keys=True, default=_spelled).encode()).hexdigest()


def _bound(function: Callable[..., Any], params: dict[str, Any]) -> dict[str, Any]:
    bound = inspect.signature(function).bind(**params)
    bound.apply_defaults()
    return bound.arguments


def _spelled(default: Any) -> str:
    """Return what stands for an argument that is not JSON: a default, so the source has its expression already."""
    return type(default).__qualname__
