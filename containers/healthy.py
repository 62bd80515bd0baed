"""Whether a container does its work: `python containers/healthy.py mlflow`, or another part of `_why_not`.

Exit status 0 when it does, else 1 and why. With the standard library alone: it runs every few seconds.
"""

import base64
import json
import os
import sys
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

_MONITOR = "/api/v2/monitor/health"


def main(part: str) -> int:
    try:
        why_not = _why_not(part)
    except (OSError, ValueError, KeyError) as error:
        why_not = f"{part} does not answer: {error}"
    if why_not:
        print(why_not)
    return 1 if why_not else 0


def _why_not(part: str) -> str | None:
    if part == "mlflow":
        login = f"{os.environ['MLFLOW_AUTH_ADMIN_USERNAME']}:{os.environ['MLFLOW_AUTH_ADMIN_PASSWORD']}"
        # MLflow's own /health says OK with its database down as well.
        _get("http://localhost:5000/api/2.0/mlflow/experiments/get?experiment_id=0", login)
        return None
    if part == "scheduler":
        _answer("http://localhost:8974/health")  # without words: it says all with its status
        return None
    if part == "api-server":
        return _status(_get(f"http://localhost:8080{_MONITOR}"), "metadatabase")
    # Airflow's API server knows whose heart beats.
    return _status(_get(f"http://api-server:8080{_MONITOR}"), part)


def _status(health: dict[str, Any], part: str) -> str | None:
    status = health[part]["status"]
    return None if status == "healthy" else f"{part} is {status or 'not there'}"


def _get(address: str, login: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_answer(address, login))
    return found


def _answer(address: str, login: str | None = None) -> bytes:
    """Raises OSError for any status that is an error."""
    headers = {} if login is None else {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
    # Never through a proxy.
    with build_opener(ProxyHandler({})).open(Request(address, headers=headers), timeout=10) as answer:  # noqa: S310 - our own addresses
        body: bytes = answer.read()
    return body


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
