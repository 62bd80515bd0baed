"""Whether a container does its work: `python containers/healthy.py mlflow`, or another part of `_why_not`.

Exit status 0 when it does, else 1 and why. It runs every few seconds in each container, so it imports little: nothing
of Airflow, and http.client, which is half of urllib.request and never asks a proxy.
"""

import base64
import json
import os
import socket
import sys
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any

_MONITOR = "/api/v2/monitor/health"


def main(part: str) -> int:
    try:
        why_not = _why_not(part)
    except (OSError, HTTPException, ValueError, KeyError) as error:
        why_not = f"{part} does not answer: {error}"
    if why_not:
        print(why_not)
    return 1 if why_not else 0


def _why_not(part: str) -> str | None:
    if part == "mlflow":
        login = f"{os.environ['MLFLOW_AUTH_ADMIN_USERNAME']}:{os.environ['MLFLOW_AUTH_ADMIN_PASSWORD']}"
        # MLflow's own /health says OK with its database down as well.
        _get("localhost:5000", "/api/2.0/mlflow/experiments/get?experiment_id=0", login)
        return None
    if part == "worker":
        worker = f"celery@{socket.gethostname()}"
        return None if _pong(os.environ["AIRFLOW__CELERY__BROKER_URL"], worker) else f"{worker} does not answer"
    if part == "scheduler":
        _get("localhost:8974", "/health")  # without words: it says all with its status
        return None
    if part == "api-server":
        return _status(_get("localhost:8080", _MONITOR), "metadatabase")
    # Airflow's API server knows whose heart beats.
    return _status(_get("api-server:8080", _MONITOR), part)


def _status(answer: bytes, part: str) -> str | None:
    health: dict[str, Any] = json.loads(answer)
    status = health[part]["status"]
    return None if status == "healthy" else f"{part} is {status or 'not there'}"


def _get(server: str, path: str, login: str | None = None) -> bytes:
    """Raises OSError for any status but 200."""
    headers = {} if login is None else {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
    with closing(HTTPConnection(server, timeout=10)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"{path} answered {answer.status} {answer.reason}")
        return answer.read()


def _pong(broker: str, worker: str) -> bool:
    """Asks as `celery inspect ping` does, which imports all of Celery first: twice the work.

    Raises OSError where no broker answers.
    """
    from kombu.connection import Connection
    from kombu.exceptions import OperationalError
    from kombu.pidbox import Mailbox

    try:
        with Connection(broker) as connection:
            return bool(
                Mailbox("celery", type="fanout", accept=["json"])(connection).call([worker], "ping", timeout=10)
            )
    except OperationalError as error:
        raise OSError(f"no broker: {error}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
