"""Runs side by side: pure functions over runs that were fetched."""

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from retrain.tracker.entities import MetricStats, Run


def table(runs: Sequence[Run], metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a row for each run, in their order, with columns `run_id`, `metric_<key>`, `param_<key>`.

    A cell is empty if the run does not have the value. metrics: the keys that are wanted, in this order; None for all
    keys that any of the runs has, by name.
    """
    wanted = sorted({name for run in runs for name in run.metrics}) if metrics is None else list(metrics)
    params = sorted({name for run in runs for name in run.params})
    columns: dict[str, list[str | float | None]] = {"run_id": [run.id for run in runs]}
    columns |= {f"metric_{name}": [run.metrics.get(name, math.nan) for run in runs] for name in wanted}
    columns |= {f"param_{name}": [run.params.get(name) for run in runs] for name in params}
    return pd.DataFrame(columns)


def stats(runs: Sequence[Run], smaller_is_better: Collection[str] = ()) -> Mapping[str, MetricStats]:
    """Return the statistics of each metric, by name. runs: finished runs, the earliest first."""
    found = {}
    for name in sorted({name for run in runs for name in run.metrics}):
        having = [(run.id, run.metrics[name]) for run in runs if math.isfinite(run.metrics.get(name, math.nan))]
        if not having:
            continue
        values = np.array([value for _, value in having])
        best = int(values.argmin() if name in smaller_is_better else values.argmax())
        low, middle, high = (float(each) for each in np.quantile(values, (0.25, 0.5, 0.75)))
        found[name] = MetricStats(
            count=len(values),
            mean=float(values.mean()),
            standard_deviation=float(values.std(ddof=1)) if len(values) > 1 else 0.0,
            min=float(values.min()),
            quartiles=(low, middle, high),
            max=float(values.max()),
            best_run=having[best][0],
        )
    return found
