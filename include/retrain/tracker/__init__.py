"""Everything that Retrain asks of MLflow. Nothing outside of this package imports it.

Only `MlflowClient` is used: the fluent API keeps an active run in a global, and ends it as FINISHED after an exception.
Each call is sent once: after an answer that was lost, MLflow's own retries would create a second run or version
(DESIGN rule 7). Callers make things once through `State.once`, and find what a killed predecessor made by its key.
"""

from retrain.tracker.answers import DEADLINE
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import (
    Artifact,
    Experiment,
    LoggedModel,
    MetricPoint,
    MetricStats,
    ModelVersion,
    Page,
    RegisteredModel,
    Run,
    RunStatus,
    Stage,
    View,
)
from retrain.tracker.filters import FINISHED, Condition, Order

__all__ = [
    "DEADLINE",
    "FINISHED",
    "Artifact",
    "Condition",
    "Experiment",
    "ExperimentTracker",
    "LoggedModel",
    "MetricPoint",
    "MetricStats",
    "ModelVersion",
    "Order",
    "Page",
    "RegisteredModel",
    "Run",
    "RunStatus",
    "Stage",
    "View",
]
