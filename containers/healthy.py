"""Whether a container works: `python containers/healthy.py mlflow`, or another part of `_why_not`.

The exit status is 0 if it does, otherwise 1, with the reason. It runs every few seconds in each container, so it
imports little: nothing of Airflow, and http.client, which takes half of urllib.request's time and never uses a proxy.
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
        # MLflow's own /health says OK even with its database down.
        _get("localhost:5000", "/api/2.0/mlflow/experiments/get?experiment_id=0", login)
        return None
    if part == "worker":
        worker = f"celery@{socket.gethostname()}"
        return None if _pong(os.environ["AIRFLOW__CELERY__BROKER_URL"], worker) else f"{worker} does not answer"
    if part == "scheduler":
        _get("localhost:8974", "/health")  # its status says everything
        return None
    if part == "api-server":
        return _status(_get("localhost:8080", _MONITOR), "metadatabase")
    # Airflow's API server knows the heartbeats of the others.
    return _status(_get("api-server:8080", _MONITOR), part)


def _status(body: bytes, part: str) -> str | None:
    health: dict[str, Any] = json.loads(body)
    status = health[part]["status"]
    return None if status == "healthy" else f"{part} is {status or 'not there'}"


def _get(server: str, path: str, login: str | None = None) -> bytes:
    """Return the body. Raises OSError for any status but 200."""
    headers = {} if login is None else {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
    with closing(HTTPConnection(server, timeout=10)) as connection:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        if response.status != 200:
            raise OSError(f"{path} answered {response.status} {response.reason}")
        return response.read()


def _pong(broker: str, worker: str) -> bool:
    """Ping as `celery inspect ping` does, which imports all of Celery first: twice the work.

    Raises OSError if the broker does not answer.
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
        raise OSError(f"the broker does not answer: {error}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
