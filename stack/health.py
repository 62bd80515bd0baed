"""Whether a service does its work: each function answers None when it does, else why not."""

import json
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any

from stack.ports import Ports


def mlflow(ports: Ports) -> str | None:
    """Asks for an experiment: MLflow's own /health says OK with its database down as well."""
    answer = _get(ports.mlflow, "/api/2.0/mlflow/experiments/get?experiment_id=0")
    return answer if isinstance(answer, str) else None


def api_server(ports: Ports) -> str | None:
    answer = _monitor(ports)
    if isinstance(answer, str):
        return answer
    return None if answer["metadatabase"]["status"] == "healthy" else "its database does not answer"


def airflow_job(name: str, ports: Ports, since: datetime) -> str | None:
    """Healthy, and by a heartbeat since this start: one from before a crash counts for 30 s in Airflow's eyes."""
    answer = _monitor(ports)
    if isinstance(answer, str):
        return f"the API server cannot tell: {answer}"
    heartbeat = answer[name][f"latest_{name}_heartbeat"]
    if answer[name]["status"] != "healthy" or heartbeat is None:
        return "no heartbeat"
    return None if datetime.fromisoformat(heartbeat) >= since else "no heartbeat since it was started"


def _monitor(ports: Ports) -> dict[str, Any] | str:
    return _get(ports.airflow, "/api/v2/monitor/health")


def _get(port: int, path: str) -> dict[str, Any] | str:
    # Bare http.client: asked many times a second while two cores have better to do, and never through a proxy.
    # Just after its start Airflow was seen to answer nobody for more than five seconds, on slow cores.
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status != HTTPStatus.OK:
            return f"{path} answered {response.status}"
        answer: dict[str, Any] = json.load(response)
    except (OSError, HTTPException, ValueError) as error:
        return f"{path} does not answer: {error}"
    finally:
        connection.close()
    return answer
