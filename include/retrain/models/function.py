"""The function that a candidate names."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from retrain import extras
from retrain.errors import EstimatorError
from retrain.spec.candidates import CandidateSpec
from retrain.text import one_line


def function_of(candidate: CandidateSpec) -> Callable[..., Any]:
    """Return the candidate's function. Raises EstimatorError if it cannot be imported."""
    return function_named(candidate.function, f"candidate {candidate.name!r}: {candidate.kind}")


def function_named(name: str, field: str) -> Callable[..., Any]:
    """Return the function of this name, `module:function`; field: of a spec, for errors. Raises as `function_of`."""
    module_name, function_name = name.split(":")
    where = f"{field} = {name!r}"
    try:
        module = import_module(module_name)
    except (Exception, SystemExit) as error:
        extra = (
            extras.bringing((error.name or "").partition(".")[0]) if isinstance(error, ModuleNotFoundError) else None
        )
        hint = f"; {extras.remedy(extra)}" if extra else ""
        raise EstimatorError(f"{where}: {module_name} cannot be imported: {described_error(error)}{hint}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise EstimatorError(f"{where}: {module_name} has no function {function_name}")
    return cast(Callable[..., Any], function)


def described_error(error: BaseException) -> str:
    """Return type and text of an error in one line."""
    return f"{type(error).__name__}: {one_line(error)}"
