"""How a candidate is made: what makes two models the same, but for their rows."""

import inspect
import json
from hashlib import sha256

from retrain.errors import EstimatorError
from retrain.models import training
from retrain.spec.candidates import CandidateSpec
from retrain.spec.fields import duration_text
from retrain.spec.spec import Spec


def recipe_of(spec: Spec, candidate: CandidateSpec) -> str | None:
    """Return a digest of function, parameters, columns and window; None where the function has no source to read."""
    try:
        function = training.function_of(candidate)
        source = inspect.getsource(function)
        bound = inspect.signature(function).bind(**candidate.params)
    except (OSError, TypeError, ValueError, EstimatorError):
        return None
    bound.apply_defaults()
    window = None if spec.snapshot.window is None else duration_text(spec.snapshot.window)
    parts = [source, bound.arguments, spec.source.features, spec.source.label, window, spec.snapshot.max_rows]
    return sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()
