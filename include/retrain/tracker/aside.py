"""What a user's own function logs to MLflow while it trains: to a folder that is deleted, and not to a server."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_UNSET = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_ACTIVE_MODEL_ID")
"""They name what is on a server."""
_PARENT = "mlflow.parentRunId"


@contextmanager
def aside(log: Callable[[int, Mapping[str, float]], None] | None = None) -> Iterator[None]:
    """Let what is logged within, by autologging too, go to a folder of its own: no run, no version, no file stays.

    log: called at the end with the metrics of each step, those of child runs left out. A function that sets another
    tracking URI itself logs there. The environment is changed meanwhile: not for threads.
    """
    with tempfile.TemporaryDirectory(prefix="retrain-") as temporary:
        store = Path(temporary) / "mlflow"
        uri = store.as_uri()
        own = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_REGISTRY_URI": uri, "MLFLOW_ALLOW_FILE_STORE": "true"}
        before = {name: os.environ.pop(name, None) for name in (*own, *_UNSET)}
        os.environ.update(own)
        try:
            yield
            _end()
            if log is not None and store.exists():
                for step, metrics in sorted(_metrics(uri).items()):
                    log(step, metrics)
        finally:
            _end()
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


def _end() -> None:
    """End runs and autologging, so that nothing that comes later is logged."""
    if "mlflow" not in sys.modules:
        return
    import mlflow
    from mlflow.tracking import fluent
    from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS

    while mlflow.active_run() is not None:
        mlflow.end_run()
    for settings in AUTOLOGGING_INTEGRATIONS.values():  # `mlflow.autolog(disable=True)` leaves out some of them
        settings["disable"] = True
    fluent._active_experiment_id = None  # MLflow has no word for it
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    mlflow.set_registry_uri(None)  # type: ignore[arg-type]


def _metrics(uri: str) -> dict[int, dict[str, float]]:
    """Return the metrics of all runs by step; where two runs have the same, that of the later one."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiments = [each.experiment_id for each in client.search_experiments()]
    found: dict[int, dict[str, float]] = {}
    for run in client.search_runs(experiments, order_by=["attributes.start_time ASC"]):
        if _PARENT in run.data.tags:
            continue
        for name in run.data.metrics:
            for point in client.get_metric_history(run.info.run_id, name):
                found.setdefault(point.step, {})[name] = point.value
    return found
