"""What all tasks have in common: how long they try again, and who hears that they have failed."""

from datetime import timedelta
from typing import Any

from retrain_airflow.compat import BACKOFF, RETRY_POLICY
from retrain_airflow.notifiers.incident import IncidentNotifier
from retrain_airflow.notifiers.recovery import RecoveryNotifier

# Waits of 30 s, 1, 2, 4 and five times 5 minutes: a task outlasts an outage of half an hour, and never waits more than
# five minutes to try again.
LOOKING = timedelta(minutes=15)
"""The longest time that a task may take which only looks: the next one comes soon."""

RETRIES: dict[str, Any] = {
    "retries": 9,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": BACKOFF,
    "max_retry_delay": timedelta(minutes=5),
    "execution_timeout": timedelta(hours=1),
    **RETRY_POLICY,
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
