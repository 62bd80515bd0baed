"""How each call to MLflow is sent, and how MLflow's errors become Retrain's."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

from mlflow.exceptions import MlflowException, RestException
from requests import HTTPError

from retrain.errors import NoAnswerError, NotFoundError, TrackerError
from retrain.text import one_line
from retrain.tracker import certificates

DEADLINE = 60
"""Seconds after which a call without an answer fails. A write that was sent lands within this time or not at all."""


class AlreadyExistsError(TrackerError):
    """Another process was faster. Only this package catches it; to others it is a TrackerError."""


_FILE_ERRORS = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
"""Errors about a file on this machine: a second try would fail in the same way."""
_NO_ANSWER = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")
"""Error codes of MLflow that a retry can help with. The second one means that its database is down, or that another
transaction was faster."""
_NO_SUCH_CALL = ("ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED", "FEATURE_DISABLED")
_UNSUPPORTED = re.compile(r"unsupported for models in|stages? (is|are) (not|no longer) supported", re.IGNORECASE)
_CONFIDENTIAL = re.compile(r"\[SQL|psycopg2|sqlite3|://|host=")
"""Signs of an address, or of an error of MLflow's database, which MLflow passes on with the SQL statement."""


@contextmanager
def translated_errors(server: str, what: str) -> Iterator[None]:
    """Raise Retrain's errors for MLflow's, by their codes: MLflow's classes do not tell a refusal from no answer.

    what: the subject of the error message. NotFoundError, AlreadyExistsError and TrackerError are refusals;
    NoAnswerError means that nobody knows whether the call was carried out.
    """
    try:
        yield
    except (MlflowException, OSError) as error:
        message, where = f"{what}: {one_line(error)}", server
        if isinstance(error, OSError) or _CONFIDENTIAL.search(message):
            message, where = f"{what}: {_in_short(error)}", f"{server}: {message}"
        code = error.error_code if isinstance(error, MlflowException) else "INTERNAL_ERROR"
        if code in ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"):
            raise AlreadyExistsError(message, where=where) from error
        if code == "RESOURCE_DOES_NOT_EXIST":
            raise NotFoundError(message, where=where) from error
        if code not in _NO_ANSWER or 0 < _status(error) < 500 or isinstance(error, _FILE_ERRORS):
            raise TrackerError(message, where=where) from error
        raise NoAnswerError(message, where=where) from error


def is_missing(error: MlflowException) -> bool:
    """Return whether the server has no such call: an older or newer one, or a registry of another kind."""
    return error.error_code in _NO_SUCH_CALL or _UNSUPPORTED.search(str(error)) is not None


def _status(error: MlflowException | OSError) -> int:
    """Return the HTTP status; 0 if the server has not answered."""
    if isinstance(error, RestException):
        return int(error.get_http_status_code())  # type: ignore[no-untyped-call]
    # For artifacts MLflow passes the HTTP error on as it is.
    response = error.response if isinstance(error, HTTPError) else None
    return 0 if response is None else int(response.status_code)


def _in_short(error: MlflowException | OSError) -> str:
    if isinstance(error, MlflowException):
        return str(error.error_code)
    status = _status(error)
    return f"MLflow answers with {status}" if status else error.strerror or "no connection"


def set_up(server: str, deadline: float, ca_bundle: str | None) -> None:
    """Set how this process sends its requests from now on. MLflow reads these settings from the environment."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(ceil(deadline)))
    # Open connections: the API sends requests from more threads than MLflow's default of ten.
    os.environ.setdefault("MLFLOW_HTTP_POOL_MAXSIZE", "32")
    # Otherwise MLflow fetches a run once more before it ends it, to print the address of its page.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # Airflow would log each step of the progress bar as an error.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    certificates.trust(server, ca_bundle)
