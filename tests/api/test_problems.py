"""One table decides the response to an error, which tells nothing that would help an attacker."""

import asyncio
import inspect
import json
from typing import Any

import httpx
import pytest
import requests
from fastapi import FastAPI, Request
from mlflow.exceptions import MlflowException, RestException

from retrain import errors
from retrain.errors import NoAnswerError, NotFoundError, RetrainError, TrackerError
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.transport import translated_errors
from retrain_airflow.api import problems
from tests.api.conftest import serving

SERVER = "http://10.0.0.1:5000"
SECRETS = (SERVER, "10.0.0.1", "/srv/secret", "SELECT *")

OURS = [
    each
    for module in (errors, problems)
    for _, each in inspect.getmembers(module, inspect.isclass)
    if issubclass(each, RetrainError) and each.__module__ == module.__name__
]

STATUSES = {
    "RetrainError": 409,
    "SettingsError": 503,
    "MissingExtraError": 503,
    "SpecError": 409,
    "EstimatorError": 409,
    "EndedError": 503,
    "SourceError": 503,
    "SourceMismatchError": 409,
    "ToldError": 409,
    "BlockedDataError": 409,
    "ForeignProductionError": 409,
    "OtherVersionError": 409,
    "SnapshotError": 409,
    "ErasedRowsError": 409,
    "LedgerError": 503,
    "NotInLedgerError": 404,
    "TrackerError": 422,
    "NotFoundError": 404,
    "NoAnswerError": 503,
    "UntrustedModelError": 409,
    "StaleVerdictError": 409,
    "FrozenError": 409,
    "SplitTestError": 409,
    "RollbackError": 409,
    "AdoptionError": 409,
    "JudgingError": 409,
    "BacktestError": 409,
    "ChannelError": 409,
    "BusyError": 503,
    "TooLargeError": 413,
    "SlowBodyError": 408,
    "UnprocessableError": 422,
}


def _problem_of(error: Exception) -> tuple[int, Any, Any]:
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "app": FastAPI()}
    response = asyncio.run(problems.answer(Request(scope), error))
    return response.status_code, json.loads(bytes(response.body)), response.headers


def test_each_error_of_ours_has_a_status() -> None:
    assert {each.__name__ for each in OURS} == STATUSES.keys(), "say here which status a new error has"


@pytest.mark.parametrize("kind", OURS, ids=[each.__name__ for each in OURS])
def test_an_error_is_told_as_a_problem(kind: type[RetrainError]) -> None:
    status, body, headers = _problem_of(kind("what was wrong", where=SERVER))
    assert status == body["status"] == STATUSES[kind.__name__]
    assert headers["content-type"] == "application/problem+json"
    assert body["type"] == "about:blank"
    assert body["title"]
    assert body["detail"]
    assert headers.get("retry-after") == ("5" if status == 503 else None)


@pytest.mark.parametrize("kind", OURS, ids=[each.__name__ for each in OURS])
def test_the_address_of_what_failed_is_not_problem_of(kind: type[RetrainError]) -> None:
    assert "10.0.0.1" not in str(_problem_of(kind("what was wrong", where=SERVER)))


@pytest.mark.parametrize(
    "kind",
    [
        errors.NoAnswerError,
        errors.LedgerError,
        errors.SourceError,
        errors.SnapshotError,
        errors.EstimatorError,
        errors.SettingsError,
        RuntimeError,
        KeyError,
        OSError,
    ],
)
def test_words_that_may_hold_an_address_are_not_problem_of(kind: type[Exception]) -> None:
    status, body, _ = _problem_of(kind(f"{SERVER}: /srv/secret: SELECT * FROM people"))
    assert status == STATUSES.get(kind.__name__, 500)
    assert not [secret for secret in SECRETS if secret in json.dumps(body)]


def test_half_a_character_can_be_problem_of() -> None:
    assert _problem_of(TrackerError("tag '\ud800'"))[1]["detail"] == "tag '?'"


def test_a_fault_of_ours_has_no_trace(address: str) -> None:
    app = FastAPI()
    problems.handle(app)

    @app.get("/")
    def fail() -> None:
        raise RuntimeError("SELECT * FROM people")

    with serving(app) as place:
        response = httpx.get(place, trust_env=False)
    assert (response.status_code, response.headers["content-type"]) == (500, "application/problem+json")
    assert response.json()["detail"] == "see the server's log"
    assert "SELECT" not in response.text


# ── what MLflow says


def _http(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"{status} Client Error for url: {SERVER}/srv/secret", response=response)


def _rest(code: str, message: str = "no") -> RestException:
    return RestException({"error_code": code, "message": message})  # type: ignore[no-untyped-call]


SQL = "(psycopg2.errors.NumericValueOutOfRange) bigint out of range [SQL: SELECT * FROM runs]"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (_rest("RESOURCE_DOES_NOT_EXIST"), NotFoundError),
        (_rest("INVALID_PARAMETER_VALUE"), TrackerError),
        (_rest("BAD_REQUEST", SQL), TrackerError),
        (_rest("INTERNAL_ERROR", SQL), NoAnswerError),
        # Its database is down, or another transaction was faster.
        (_rest("TEMPORARILY_UNAVAILABLE", SQL), NoAnswerError),
        (
            MlflowException(f"API request to {SERVER}/api failed with HTTPConnectionPool(host='10.0.0.1')"),
            NoAnswerError,
        ),
        (requests.ConnectionError(f"HTTPConnectionPool(host='10.0.0.1', port=5000): {SERVER}"), NoAnswerError),
        (_http(400), TrackerError),
        (_http(500), NoAnswerError),
        (FileNotFoundError(2, "No such file or directory", "/srv/secret/file"), TrackerError),
        (PermissionError(13, "Permission denied", "/srv/secret"), TrackerError),
        (TimeoutError(SERVER), NoAnswerError),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
def test_what_mlflow_says_is_ours_without_addresses(theirs: Exception, ours: type[TrackerError]) -> None:
    with pytest.raises(TrackerError) as raised, translated_errors(SERVER, "run 7"):
        raise theirs
    assert type(raised.value) is ours
    assert raised.value.message.startswith("run 7: ")
    assert not [secret for secret in SECRETS if secret in raised.value.message]
    assert str(theirs)[:40] in str(raised.value), "the log has everything"


def test_a_refusal_of_mlflow_in_its_own_words_is_problem_of() -> None:
    with pytest.raises(TrackerError) as raised, translated_errors(SERVER, "run 7"):
        raise _rest("INVALID_PARAMETER_VALUE", "Invalid metric name: 'f1@'")
    assert _problem_of(raised.value)[1]["detail"] == "run 7: INVALID_PARAMETER_VALUE: Invalid metric name: 'f1@'"


def test_a_server_that_is_not_there_is_told_without_its_address() -> None:
    address = "http://127.0.0.1:9"
    with pytest.raises(NoAnswerError) as raised:
        ExperimentTracker(address, deadline=2).get_run("a")
    assert address in str(raised.value)
    assert "127.0.0.1" not in raised.value.message
