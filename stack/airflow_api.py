"""The part of Airflow's REST API that the demo, the benchmarks and the tests use."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast

import httpx

from stack.errors import StackError

ENDED = ("success", "failed")
_PATIENCE = 60


@dataclass(frozen=True)
class Task:
    """One task of a run, or one of its mapped instances, as it is now."""

    id: str
    map_index: int
    """-1 where the task is not mapped."""
    state: str | None
    tries: int
    seconds: float | None
    start: datetime | None
    end: datetime | None
    host: str
    """The worker that runs it; empty before one does."""

    @property
    def ended(self) -> bool:
        return self.state in ("success", "failed", "skipped", "upstream_failed", "removed")


class Reachable(Protocol):
    """An Airflow with a login."""

    @property
    def airflow_url(self) -> str: ...

    @property
    def token(self) -> str:
        """A bearer token of a user."""


class AirflowApi:
    def __init__(self, stack: Reachable) -> None:
        self._http = httpx.Client(
            base_url=f"{stack.airflow_url}/api/v2",
            headers={"Authorization": f"Bearer {stack.token}"},
            timeout=60,
            trust_env=False,
        )

    def close(self) -> None:
        self._http.close()

    def wait_for_dag(self, dag_id: str, patience: float = _PATIENCE) -> None:
        """Return when Airflow knows the DAG. Raises StackError with the import errors after `patience` seconds."""
        until = time.monotonic() + patience
        while self._http.get(f"/dags/{dag_id}").status_code == httpx.codes.NOT_FOUND:
            if time.monotonic() > until:
                errors = [error["stack_trace"] for error in self._get("/importErrors")["import_errors"]]
                refused = self._get("/dags", dag_id_pattern="retrain-refused-specs")["dags"]
                why = "; ".join([*errors, *(dag["description"] for dag in refused)])
                raise StackError(f"Airflow does not know {dag_id}: {why or 'it records no error and no refused spec'}")
            time.sleep(0.5)

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a run and return its id. conf: params of the DAG."""
        response = self._http.post(f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        if response.is_error:
            raise StackError(f"Airflow refuses to run {dag_id}: {response.text}")
        return cast(str, response.json()["dag_run_id"])

    def runs(self, dag_id: str) -> list[tuple[str, str]]:
        """Return id and state of the last hundred runs, oldest first."""
        found = self._get(f"/dags/{dag_id}/dagRuns", order_by="-run_after", limit=100)["dag_runs"]
        return [(each["dag_run_id"], each["state"]) for each in reversed(found)]

    def dags(self) -> list[dict[str, Any]]:
        """Return every DAG, as Airflow's API shows it."""
        found: list[dict[str, Any]] = []
        while page := self._get("/dags", limit=100, offset=len(found))["dags"]:
            found += page
        return found

    def runs_since(self, moment: datetime) -> list[dict[str, Any]]:
        """Return the runs of all DAGs that were started since then, as Airflow's API shows them; the last hundred."""
        since = moment.isoformat()
        found = self._get("/dags/~/dagRuns", run_after_gte=since, order_by="-run_after", limit=100)["dag_runs"]
        return cast(list[dict[str, Any]], found)

    def tasks(self, dag_id: str, run_id: str) -> list[Task]:
        found = self._get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=100)["task_instances"]
        return [
            Task(
                id=each["task_id"],
                map_index=each["map_index"],
                state=each["state"],
                tries=each["try_number"],
                seconds=each["duration"],
                start=_moment(each["start_date"]),
                end=_moment(each["end_date"]),
                host=each["hostname"] or "",
            )
            for each in found
        ]

    def follow(self, dag_id: str, run_id: str, patience: float, *, every: float = 0.7) -> Iterator[Task]:
        """Yield each task when it has ended, until the run has. Raises StackError after `patience` seconds.

        every: seconds from one look to the next; each look is work for the API server.
        """
        until, seen = time.monotonic() + patience, set[tuple[str, int]]()
        while True:
            state = self.state(dag_id, run_id)
            for task in self.tasks(dag_id, run_id):
                if task.ended and (task.id, task.map_index) not in seen:
                    seen.add((task.id, task.map_index))
                    yield task
            if state in ENDED:
                return
            if time.monotonic() > until:
                tasks = ", ".join(f"{task.id} {task.state}" for task in self.tasks(dag_id, run_id))
                raise StackError(f"run {run_id} of {dag_id} is still {state} after {patience:.0f} s: {tasks}")
            time.sleep(every)

    def state(self, dag_id: str, run_id: str) -> str:
        return cast(str, self._get(f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def result(self, dag_id: str, run_id: str, task: str, map_index: int = -1, *, key: str = "return_value") -> Any:
        """Return what a task returned, or pushed under a key; None if it is nothing."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task}/xcomEntries/{key}"
        response = self._http.get(path, params={"map_index": map_index, "deserialize": True})
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        return response.raise_for_status().json()["value"]

    def clear(self, dag_id: str, run_id: str, task: str) -> None:
        """Start a task of a run again, with all tasks downstream."""
        body = {"dry_run": False, "dag_run_id": run_id, "task_ids": [task], "only_failed": False}
        response = self._http.post(f"/dags/{dag_id}/clearTaskInstances", json=body | {"include_downstream": True})
        if response.is_error:
            raise StackError(f"Airflow refuses to clear {task} of {dag_id}: {response.text}")

    def log(self, dag_id: str, run_id: str, task: str, attempt: int = 1, map_index: int = -1) -> list[dict[str, Any]]:
        """Return a task's log, one entry for each line."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task}/logs/{attempt}"
        return cast(list[dict[str, Any]], self._get(path, map_index=map_index)["content"])

    def _get(self, path: str, **params: Any) -> dict[str, Any]:
        response = self._http.get(path, params=params)
        if response.is_error:
            raise StackError(f"Airflow's API responds {response.status_code} to {path}: {response.text[:500]}")
        return cast(dict[str, Any], response.json())


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
