"""The API as a part of Airflow's API server: its login, its connections, its scheduler."""

import time
from collections.abc import Mapping
from datetime import datetime
from functools import cache, lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
from airflow.api_fastapi.app import cached_app
from fastapi import FastAPI, Request

from retrain.errors import NotFoundError, RetrainError
from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile, SpecFolder
from retrain_airflow import approval
from retrain_airflow.api import app
from retrain_airflow.api.access import NotAllowedError
from retrain_airflow.api.airflow_access import identify
from retrain_airflow.api.backend import Backend, DagRun, Schedule
from retrain_airflow.api.problems import UnprocessableError
from retrain_airflow.hooks.retrain import RetrainHook, ledger_of, snapshots_of
from retrain_airflow.hooks.tracker import TrackerHook

if TYPE_CHECKING:
    from retrain.ledger.ledger import Ledger
    from retrain.source.table import Source
    from retrain.tracker.client import ExperimentTracker

_CACHED = 60
"""Seconds for which a connection is not read again."""
_MOST_SERVERS = 32


def create() -> FastAPI:
    return app.create_app(
        Backend(
            tracker_at=_tracker,
            ledger_at=_ledger,
            snapshots=snapshots_of,
            source=_source,
            specs=_specs,
            scheduler=AirflowItself(),
        ),
        identify,
        also_import=("retrain_airflow.hooks.postgres",),
    )


def _tracker(connection_id: str) -> "ExperimentTracker":
    return _tracker_of(connection_id, int(time.monotonic() // _CACHED))


@lru_cache(maxsize=_MOST_SERVERS)
def _tracker_of(connection_id: str, _: int) -> "ExperimentTracker":
    return TrackerHook(connection_id, at_most=app.DEADLINE).tracker


@cache
def _ledger(connection_id: str) -> "Ledger":
    return ledger_of(connection_id)  # it reads the connection each time that it connects


def _source(file: SpecFile) -> "Source":
    return RetrainHook(str(file.path)).source


def _specs() -> SpecFolder:
    return spec_files.load_folder(spec_files.folder())


class AirflowItself:
    """Calls the application around this one without a network: its public API, with the caller's own login."""

    async def schedule(self, request: Request, dag_id: str) -> Schedule | None:
        response = await self._ask(request, "GET", f"/api/v2/dags/{quote(dag_id, safe='')}")
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        dag = _body(response)
        at = dag["next_dagrun_run_after"]
        return Schedule(None if at is None else datetime.fromisoformat(at), bool(dag["is_paused"]))

    async def running(self, request: Request, dag_id: str) -> list[DagRun]:
        dag = f"/api/v2/dags/{quote(dag_id, safe='')}"
        response = await self._ask(request, "GET", f"{dag}/dagRuns?state=running&state=queued&order_by=-run_after")
        if response.status_code == HTTPStatus.NOT_FOUND:
            return []
        runs = _body(response)["dag_runs"]
        asking = set()
        if runs:
            response = await self._ask(request, "GET", f"{dag}/dagRuns/~/hitlDetails?response_received=false")
            asking = {each["task_instance"]["dag_run_id"] for each in _body(response)["hitl_details"]}
        return [
            DagRun(
                run_id=each["dag_run_id"],
                state=each["state"],
                since=datetime.fromisoformat(each["start_date"] or each["queued_at"]),
                asks=each["dag_run_id"] in asking,
            )
            for each in runs
        ]

    async def answer(self, request: Request, dag_id: str, run_id: str, *, approve: bool) -> None:
        path = f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}/taskInstances/{approval.ASK}/-1"
        body = {"chosen_options": [approval.YES if approve else approval.NO], "params_input": {}}
        response = await self._ask(request, "PATCH", f"{path}/hitlDetails", body)
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise NotFoundError(f"run {run_id} of {dag_id} does not wait for an approval")
        if response.status_code == HTTPStatus.CONFLICT:
            raise RetrainError(f"run {run_id} of {dag_id} has been answered already")
        _body(response)

    async def start(self, request: Request, dag_id: str, run_id: str | None, conf: Mapping[str, Any]) -> str:
        path = f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns"
        # Looked up first: Airflow logs a traceback for each conflict.
        if run_id is not None and (await self._ask(request, "GET", f"{path}/{run_id}")).is_success:
            return run_id
        response = await self._ask(request, "POST", path, {"logical_date": None, "dag_run_id": run_id, "conf": conf})
        if response.status_code == HTTPStatus.CONFLICT and run_id is not None:
            return run_id  # the same request was sent twice at the same time
        return str(_body(response)["dag_run_id"])

    async def _ask(self, request: Request, method: str, path: str, body: Any = None) -> httpx.Response:
        login = {name: request.headers[name] for name in ("authorization", "cookie") if name in request.headers}
        transport = httpx.ASGITransport(cached_app(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow", headers=login) as airflow:
            return await airflow.request(method, path, json=body)


def _body(response: httpx.Response) -> Any:
    """Return the JSON of a success. Raises what Airflow refuses, in its own words if they are for the caller."""
    if response.is_success:
        return response.json()
    if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise NotAllowedError(response.status_code, "Airflow does not allow it")
    detail = response.json().get("detail") if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else None
    raise UnprocessableError(f"Airflow refuses: {detail or response.status_code}")
