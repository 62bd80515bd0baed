"""What an older Airflow does not have, and what is done instead; tests/corners tries it on the older ones."""

import re
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException, AirflowSkipException

from retrain.errors import BlockedDataError, NoAnswerError, SpecError
from retrain_airflow import compat
from retrain_airflow.compat import FailsWhereRetryCannotHelp, cause

PLUGINS = Path(__file__).resolve().parents[2] / "plugins" / "retrain_airflow"
DIFFERENT = (
    r"airflow\.(sdk\.)?(exceptions|configuration|timetables)|airflow\.stats|airflow\.sdk\.observability|fastapi\.sse|"
    r"from airflow\.sdk import .*\b(AssetOrTimeSchedule|CronTriggerTimetable|RetryPolicy|RetryRule|DeadlineAlert)\b"
)
"""What older versions have elsewhere or not at all."""
ALLOWED = {
    "operators/paused.py": "AirflowRuntimeError",  # in each version
    "api/airflow_access.py": "airflow.configuration",  # the API server's own, in each version
}


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> None:
    """An Airflow without retry policies, for classes that are made meanwhile."""
    monkeypatch.setattr(compat, "RETRY_POLICY", {})


def operator(error: BaseException | None) -> Any:
    class Operator(FailsWhereRetryCannotHelp):
        def execute(self, context: Any) -> str:
            if error is not None:
                raise error
            return "done"

    return Operator()


@pytest.mark.parametrize(
    "error", [SpecError("a.yaml: model is missing"), KeyError("x"), AirflowNotFoundException("no")]
)
def test_what_a_retry_cannot_help_fails_at_once(older: None, error: Exception) -> None:
    with pytest.raises(AirflowFailException) as failed:
        operator(error).execute({})
    assert cause(failed.value) is error
    assert str(error) in str(failed.value)


@pytest.mark.parametrize("error", [NoAnswerError("no"), OSError("down"), AirflowSkipException("too few")])
def test_what_a_retry_can_help_and_what_is_no_failure_stay_as_they_are(older: None, error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        operator(error).execute({})
    assert raised.value is error
    assert cause(raised.value) is error
    assert operator(None).execute({}) == "done"


def test_a_sensor_that_skips_where_it_finds_nothing_does_not_skip_what_is_wrong(older: None) -> None:
    class Sensor(FailsWhereRetryCannotHelp, BaseSensorOperator):
        def poke(self, context: Any) -> bool:
            raise SpecError("a.yaml: model is missing")

    with pytest.raises(AirflowFailException, match=r"a\.yaml: model is missing"):
        Sensor(task_id="sense", timeout=0, soft_fail=True).execute({})


def test_an_error_that_the_team_was_told_is_known_behind_the_other(older: None) -> None:
    with pytest.raises(AirflowFailException) as failed:
        operator(BlockedDataError("blocked")).execute({})
    assert isinstance(cause(failed.value), BlockedDataError)


def test_where_airflow_has_retry_policies_nothing_is_wrapped() -> None:
    with pytest.raises(SpecError):
        operator(SpecError("no")).execute({})


def test_one_module_alone_knows_what_differs() -> None:
    found = {
        (path.relative_to(PLUGINS).as_posix(), line.strip())
        for path in PLUGINS.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"^\s*(from|import) ", line) and re.search(DIFFERENT, line) and path.name != "compat.py"
    }
    assert [(path, line) for path, line in sorted(found) if ALLOWED.get(path, "\0") not in line] == []
