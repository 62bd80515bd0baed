"""Whether a service works: each function returns None if it does, otherwise the reason why not."""

import json
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any

from stack.ports import Ports


def mlflow(ports: Ports) -> str | None:
    """Ask for an experiment, because MLflow's own /health says OK even with its database down."""
    reply = _get(ports.mlflow, "/api/2.0/mlflow/experiments/get?experiment_id=0")
    return reply if isinstance(reply, str) else None


def api_server(ports: Ports) -> str | None:
    reply = _monitor(ports)
    if isinstance(reply, str):
        return reply
    return None if reply["metadatabase"]["status"] == "healthy" else "its database does not answer"


def airflow_job(name: str, ports: Ports, since: datetime) -> str | None:
    """Ask for a heartbeat since this start: for 30 s Airflow still counts one from before a crash."""
    reply = _monitor(ports)
    if isinstance(reply, str):
        return f"the API server cannot say: {reply}"
    heartbeat = reply[name][f"latest_{name}_heartbeat"]
    if reply[name]["status"] != "healthy" or heartbeat is None:
        return "no heartbeat"
    return None if datetime.fromisoformat(heartbeat) >= since else "no heartbeat since it was started"


def _monitor(ports: Ports) -> dict[str, Any] | str:
    return _get(ports.airflow, "/api/v2/monitor/health")


def _get(port: int, path: str) -> dict[str, Any] | str:
    # Plain http.client: it is called many times a second while the two cores are busy, and must not use a proxy.
    # On slow cores Airflow was seen not to answer for more than five seconds just after its start.
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status != HTTPStatus.OK:
            return f"{path} answered {response.status}"
        body: dict[str, Any] = json.load(response)
    except (OSError, HTTPException, ValueError) as error:
        return f"{path} does not answer: {error}"
    finally:
        connection.close()
    return body
