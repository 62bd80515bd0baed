"""What all tasks have in common: how long they try again, and who hears that they have failed."""

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from retrain_airflow.notifiers.incident import IncidentNotifier
from retrain_airflow.notifiers.recovery import RecoveryNotifier

_NOT_WORTH_A_RETRY = (
    "SettingsError",
    "SpecError",
    "SourceMismatchError",
    "BlockedDataError",
    "ForeignProductionError",
    "OtherVersionError",
    "EstimatorError",
    "UntrustedModelError",
    "NotInLedgerError",
    "StaleVerdictError",
    "FrozenError",
    "RollbackError",
)

# Waits of 30 s, 1, 2, 4 and five times 5 minutes: a task outlasts an outage of half an hour, and never waits more than
# five minutes to try again.
RETRIES: dict[str, Any] = {
    "retries": 9,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2,
    "max_retry_delay": timedelta(minutes=5),
    "retry_policy": ExceptionRetryPolicy(
        rules=[RetryRule([f"retrain.errors.{name}" for name in _NOT_WORTH_A_RETRY], RetryAction.FAIL)]
    ),
}


def of_model(spec: str) -> dict[str, Any]:
    """Return the `default_args` of a model's DAG: retries, and a message when a task fails for good or recovers.

    spec: path of the spec file.
    """
    return {
        **RETRIES,
        "on_failure_callback": IncidentNotifier(spec=spec),
        "on_success_callback": RecoveryNotifier(spec=spec),
    }
