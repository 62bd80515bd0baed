"""What all tasks of a model's DAGs have in common."""

from typing import Any

from retrain_airflow import retrying
from retrain_airflow.notifiers.incident import IncidentNotifier
from retrain_airflow.notifiers.recovery import RecoveryNotifier


def of(spec: str) -> dict[str, Any]:
    """`default_args` of a DAG: they try again, and the team hears when one has failed for good and when it is well.

    spec: path of the spec file.
    """
    return {
        **retrying.DEFAULT_ARGS,
        "on_failure_callback": IncidentNotifier(spec=spec),
        "on_success_callback": RecoveryNotifier(spec=spec),
    }
