"""What differs between Airflow 3.1, 3.2 and 3.3: the one module that knows. docs/versions.md lists what each lacks."""

import functools
import inspect
from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from retrain.errors import can_help

AIRFLOW = tuple(int(part) for part in version("apache-airflow-core").split(".")[:2])

if TYPE_CHECKING or AIRFLOW >= (3, 2):
    from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSkipException,
        AirflowTaskTimeout,
    )
else:
    from airflow.configuration import conf
    from airflow.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSkipException,
        AirflowTaskTimeout,
    )
    from airflow.timetables.assets import AssetOrTimeSchedule
    from airflow.timetables.trigger import CronTriggerTimetable

if TYPE_CHECKING or AIRFLOW >= (3, 3):
    from airflow.sdk import RetryDecision, RetryPolicy
    from airflow.sdk.observability import stats
elif AIRFLOW >= (3, 2):
    from airflow.sdk.observability.stats import Stats as stats  # noqa: N813 - a module in later versions
else:
    from airflow.stats import Stats as stats  # noqa: N813

__all__ = [
    "AIRFLOW",
    "BACKOFF",
    "HAS_DASHBOARD",
    "RETRY_POLICY",
    "AirflowException",
    "AirflowNotFoundException",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "AssetOrTimeSchedule",
    "CronTriggerTimetable",
    "FailsWhereRetryCannotHelp",
    "cause",
    "conf",
    "stats",
    "user_of",
]

BACKOFF: Any = 2 if AIRFLOW >= (3, 2) else True
"""For `retry_exponential_backoff`: each wait is twice as long as the one before."""

HAS_DASHBOARD = AIRFLOW >= (3, 2)
"""Before, Airflow's pages do not lend a plugin the components that ours are made of."""

RETRY_POLICY: dict[str, Any] = {}
"""For `default_args`: what fails a task at once where another try cannot help."""

if TYPE_CHECKING or AIRFLOW >= (3, 3):

    class OnlyWhereItHelps(RetryPolicy):
        """Fails a task at once where `retrain.errors.RETRIES` says that another try cannot help."""

        def evaluate(self, exception: BaseException, *_: Any, **__: Any) -> RetryDecision:
            if can_help(exception):
                return RetryDecision.default()
            return RetryDecision.fail(f"{type(exception).__name__}: another try cannot help")

    RETRY_POLICY["retry_policy"] = OnlyWhereItHelps()


class FailsWhereRetryCannotHelp:
    """A base of each operator and sensor that is tried again: it does the same where Airflow has no retry policies."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Not `poke`: a sensor that skips where it finds nothing would skip what is raised from there as well.
        if not RETRY_POLICY and {"execute", "poke"} & vars(cls).keys():
            cls.execute = _failing_at_once(cls.execute)  # type: ignore[attr-defined]


def _failing_at_once(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except AirflowNotFoundException as error:
            raise AirflowFailException(str(error)) from error
        except AirflowException:  # how a task is skipped, deferred, ended
            raise
        except Exception as error:
            if can_help(error):
                raise
            raise AirflowFailException(f"{type(error).__name__}: {error}") from error

    return wrapped


def cause(error: BaseException | str | None) -> BaseException | str | None:
    """Return the error for which a task has failed: `FailsWhereRetryCannotHelp` hides it behind another."""
    return error.__cause__ if isinstance(error, AirflowFailException) and error.__cause__ is not None else error


@functools.cache
def _takes_request(get_user: Callable[..., Any]) -> bool:
    return "request" in inspect.signature(get_user).parameters


async def user_of(request: Any, bearer: Any) -> Any:
    """Return Airflow's user whose token, or else whose session, came with a request. Raises HTTPException.

    bearer: the request's HTTPAuthorizationCredentials, or None. Airflow 3.1.0 takes tokens alone.
    """
    from airflow.api_fastapi.core_api.security import get_user  # only the API server has what this imports

    if _takes_request(get_user):
        return await get_user(request, None, bearer)
    return await get_user(None, bearer)  # type: ignore[arg-type]
