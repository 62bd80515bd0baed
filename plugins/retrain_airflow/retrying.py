"""How long tasks try again, and what is not worth it."""

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

NOT_WORTH_A_RETRY = (
    "SettingsError",
    "SpecError",
    "SourceMismatchError",
    "BlockedDataError",
    "EstimatorError",
    "UntrustedModelError",
    "NotInLedgerError",
    "StaleVerdictError",
    "FrozenError",
    "RollbackError",
)

# Waits of 30 s, 1, 2, 4 and five times 5 minutes: an outage of half an hour passes by itself, and whatever its length
# nothing waits more than five minutes to try again.
DEFAULT_ARGS: dict[str, Any] = {
    "retries": 9,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2,
    "max_retry_delay": timedelta(minutes=5),
    "retry_policy": ExceptionRetryPolicy(
        rules=[RetryRule([f"retrain.errors.{name}" for name in NOT_WORTH_A_RETRY], RetryAction.FAIL)]
    ),
}
