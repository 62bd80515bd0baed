"""The parameters of a search: asked of a trial, and the corners of their space."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice, product
from random import Random
from typing import Any

from retrain import extras
from retrain.errors import EstimatorError, MissingExtraError
from retrain.models.function import described_error, function_named
from retrain.spec.search import Range, Search, Space
from retrain.text import one_line

try:
    import optuna
    from optuna.trial import BaseTrial
except ModuleNotFoundError as error:
    raise MissingExtraError(f"search needs an extra; {extras.remedy('tune')}") from error

Params = dict[str, Any]

_SAMPLES = 3
"""Points of a function's space that are tried for its corners, which nobody can see."""
_GRID = 100_000
"""Points of a grid that are looked at."""


def suggested(trial: BaseTrial, search: Search) -> Params:
    """Return the parameters of a trial. Raises EstimatorError where the user's function does not return any."""
    if search.space is not None:
        return _of_table(trial, search.space)
    name = str(search.function)
    try:
        params = function_named(name, "search.function")(trial)
    except EstimatorError:
        raise
    except (Exception, SystemExit) as error:
        raise EstimatorError(f"search: {name} failed: {described_error(error)}") from error
    if not isinstance(params, dict) or not all(isinstance(each, str) for each in params):
        raise EstimatorError(f"search: {name} returned {type(params).__name__}; let it return parameters by name")
    try:
        json.dumps(params, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise EstimatorError(
            f"search: {name} returned what JSON cannot hold: {one_line(error)}; let it return texts, numbers and lists"
        ) from error
    return params


def _of_table(trial: BaseTrial, space: Space) -> Params:
    params = Params()
    for name, each in space.items():
        if not _is_used(each, params):
            continue
        if each.choice is not None:
            params[name] = trial.suggest_categorical(name, each.choice)
            continue
        low, high = each.bounds
        if each.int is not None:
            params[name] = trial.suggest_int(name, low, high, step=round(each.step or 1), log=each.log)
        else:
            params[name] = trial.suggest_float(name, low, high, step=each.step, log=each.log)
    return params


def _is_used(each: Range, params: Params) -> bool:
    return all(other in params and params[other] in wanted for other, wanted in each.when.items())


def fits(params: Mapping[str, Any], search: Search) -> bool:
    """Return whether these parameters are a point of the space; of a function's, nobody can say."""
    if search.space is None:
        return True
    used = {name: each for name, each in search.space.items() if _is_used(each, dict(params))}
    return used.keys() == params.keys() and all(_holds(each, params[name]) for name, each in used.items())


def _holds(each: Range, value: Any) -> bool:
    if each.choice is not None:
        return any(type(value) is type(choice) and value == choice for choice in each.choice)
    kind = int if each.int is not None else (int, float)
    low, high = each.bounds
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        return False
    return each.values is None or any(abs(value - known) <= 1e-9 * max(1, abs(known)) for known in each.values)


def corners(search: Search) -> list[Params]:
    """Return points at which each parameter has its least and its greatest value, and each choice occurs.

    Raises EstimatorError where the user's function fails.
    """
    if search.space is None:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=search.seed))
        return _unique(suggested(study.ask(), search) for _ in range(_SAMPLES))
    ends = {name: each.choice or tuple(dict.fromkeys(each.bounds)) for name, each in search.space.items()}
    most = max(len(values) for values in ends.values())
    return _unique(
        _used(search.space, {name: values[min(place, len(values) - 1)] for name, values in ends.items()})
        for place in range(most)
    )


def grid(search: Search) -> list[Params]:
    """Return the points of a grid, as many as there may be trials; where there are more, some drawn by the seed."""
    space = search.space or {}
    every = product(*(each.values or () for each in space.values()))
    points = _unique(_used(space, dict(zip(space, values, strict=True))) for values in islice(every, _GRID))
    if len(points) > search.trials:
        points = Random(search.seed).sample(points, search.trials)  # noqa: S311 - not a secret
    return points


def _used(space: Space, values: Params) -> Params:
    params = Params()
    for name, each in space.items():
        if _is_used(each, params):
            params[name] = values[name]
    return params


def _unique(points: Iterator[Params]) -> list[Params]:
    return [*{repr(sorted(point.items())): point for point in points}.values()]
