"""What a backtest would cost, before it begins: trainings counted, two of each candidate timed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrain.backtest.run import Running
from retrain.backtest.timeline import Taken
from retrain.backtest.worker import Fit, Fitted, work
from retrain.errors import BacktestError
from retrain.gate.labels import Integers
from retrain.records import Record, Subset
from retrain.spec.spec import Spec


class PlannedPolicy(Record):
    name: str
    cycles: int
    trainings: int
    """Fits that it would need by itself."""


class Plan(Record):
    policies: tuple[PlannedPolicy, ...]
    trainings: int
    """Fits of different models, which all policies share. The refits of Production's own recipe are not counted."""
    seconds: float
    """Estimated, for all of them, with the processes that were asked for."""


@dataclass(frozen=True)
class _Wanted:
    """Fits of one candidate on one subset of rows, with the same spec."""

    spec: Spec
    candidate: str
    rows: Integers


def plan(run: Running) -> Plan:
    """Count the fits of all policies, and time the smallest and a middle one of each candidate.

    Raises BacktestError where one of these cannot be fitted.
    """
    wanted, counts, middle = dict[str, list[int]](), list[PlannedPolicy](), dict[str, list[_Wanted]]()
    seen = set[tuple[str, str, str]]()
    for policy, timeline in zip(run.policies, run.timelines, strict=True):
        taken = [each for each in timeline if isinstance(each, Taken)]
        spec, names = policy.spec, [each.name for each in policy.spec.candidates]
        # Each candidate on the training rows, the best of them again on the validation rows too: here, any of them.
        passes: list[tuple[tuple[Subset, ...], list[str]]] = [((Subset.TRAIN, Subset.VALIDATION), names[:1])]
        if len(names) > 1:
            passes.append(((Subset.TRAIN,), names))
        fits = [(name, subsets) for subsets, each in passes for name in each]
        counts.append(PlannedPolicy(name=policy.name, cycles=len(taken), trainings=len(taken) * len(fits)))
        for name, subsets in fits:
            recipe = spec.candidate(name).model_dump_json()
            for place, each in enumerate(taken):
                rows = each.part(run.history, *subsets)
                key = (recipe, str(subsets), run.history.digest_of(rows))
                if key in seen:
                    continue
                seen.add(key)
                wanted.setdefault(recipe, []).append(len(rows))
                if place in (0, len(taken) // 2):
                    middle.setdefault(recipe, []).append(_Wanted(spec, name, rows))
    seconds = sum(_estimated(run, middle[recipe], sizes) for recipe, sizes in wanted.items())
    return Plan(
        policies=tuple(counts),
        trainings=sum(map(len, wanted.values())),
        seconds=seconds / run.options.jobs,
    )


def _estimated(run: Running, some: Sequence[_Wanted], sizes: Sequence[int]) -> float:
    """Return the seconds of all fits of a candidate: a line through the times of the smallest and of a middle one."""
    ordered = sorted(some, key=lambda each: len(each.rows))
    measured = [(len(each.rows), _seconds(run, each)) for each in (ordered[0], ordered[len(ordered) // 2])]
    (few, short), (many, long) = measured[0], measured[-1]
    slope = max(0.0, (long - short) / (many - few)) if many > few else short / max(few, 1)
    return sum(max(short, short + slope * (size - few)) for size in sizes)


def _seconds(run: Running, wanted: _Wanted) -> float:
    fit = Fit("planned", wanted.spec.candidate(wanted.candidate), wanted.rows, None)
    fitted: Fitted = run.pool.submit(work, "fit", wanted.spec, fit, np.empty(0, np.int64)).result()
    if fitted.fault:
        raise BacktestError(f"candidate {wanted.candidate!r} cannot be fitted: {fitted.fault}")
    return fitted.seconds
