"""Rows wake a model's DAG, and its new Production wakes a user's DAG, through the real triggerer."""

import time
from collections.abc import Callable
from contextlib import closing
from urllib.parse import quote
from uuid import uuid4

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from retrain.records import Promotion
from retrain.spec.files import SpecFile
from stack.airflow_api import AirflowApi, Task
from stack.local import Running
from tests.core import toys

DEPLOY = """
from airflow.sdk import DAG, Asset, task

with DAG("{dag_id}", schedule=[Asset("retrain://{model}/production")]):

    @task
    def deploy(triggering_asset_events):
        ((event,),) = triggering_asset_events.values()
        return event.extra

    deploy()
"""


@pytest.mark.soak  # airflow/test_trigger.py and test_assets.py have the parts
def test_rows_that_arrive_start_a_cycle_by_themselves_and_its_promotion_starts_a_deployment(
    stack: Running,
    api: AirflowApi,
    add_model: Callable[..., SpecFile],
    add_dag: Callable[[str, str], None],
    follow: Callable[..., list[Task]],
    eventually: Callable[..., None],
) -> None:
    name = uuid4().hex[:8]
    model, deployment, connection = f"자소서 {name}", f"deploy_{name}", f"rows_{name}"
    _connect(api, connection, parse_dsn(stack.dsn("source")))
    add_dag(deployment, DEPLOY.format(dag_id=deployment, model=quote(model)))
    file = add_model(connection=connection, model=model, wake="on_arrival", threshold={"rows": 2500})
    api.wait_for_dag(deployment)
    assert api.runs(file.dag_id) == []
    with closing(psycopg2.connect(stack.dsn("source"))) as database, database:
        toys.insert(database, file.path.stem, 500, first=2000)
    arrived = time.monotonic()
    eventually(lambda: len(api.runs(file.dag_id)) == 1, 30)
    print(f"{time.monotonic() - arrived:.1f} s from rows to run")
    ((run, _),) = api.runs(file.dag_id)
    assert run.startswith("asset_triggered__")
    follow(file.dag_id, run)
    promotion = Promotion.from_json(api.result(file.dag_id, run, "promote"))
    eventually(lambda: len(api.runs(deployment)) == 1, 30)
    ((deployed, _),) = api.runs(deployment)
    follow(deployment, deployed)
    assert api.result(deployment, deployed, "deploy") == {"version": "1", "from": None, "verdict": promotion.verdict}
    # It was woken only once.
    assert [each for each, _ in api.runs(file.dag_id)] == [run]


def _connect(api: AirflowApi, name: str, dsn: dict[str, str]) -> None:
    """Make a connection in Airflow's database, which a triggerer cannot read itself: it asks the API server."""
    where = {"host": dsn["host"], "login": dsn["user"], "schema": dsn["dbname"]}
    api._http.post("/connections", json={"connection_id": name, "conn_type": "postgres", **where}).raise_for_status()
