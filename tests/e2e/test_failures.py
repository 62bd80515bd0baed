"""When a task fails for good, the team hears of it within a minute, once, and the message has no secret in it."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from retrain.spec.files import ROLLBACK_DAG, SpecFile
from stack.airflow_api import AirflowApi, Task
from stack.local import Running
from tests.inbox import Inbox
from tests.tap import Tap

Follow = Callable[..., list[Task]]
TEAM = [{"webhook": "team"}]
SECRET = "sentinel-5f1c9e"
FORMS = (SECRET, base64.b64encode(SECRET.encode()).decode().rstrip("="))


@pytest.mark.nightly  # three cycles more; airflow/test_notifier.py has each kind without a scheduler
def test_each_kind_of_task_that_fails_is_told_once_within_a_minute(
    stack: Running, api: AirflowApi, add_model: Callable[..., SpecFile], follow: Follow, inbox: Inbox
) -> None:
    def source(file: SpecFile, statement: str) -> None:
        with closing(psycopg2.connect(stack.dsn("source"))) as database, database, database.cursor() as cursor:
            cursor.execute(statement.format(file.path.stem))

    files = {task: add_model(channels=TEAM) for task in ("sense", "snapshot", "check", "rollback")}
    files["evaluate"] = add_model("fussy", channels=TEAM, trust=["pickle"])
    source(files["sense"], "ALTER TABLE {} RENAME COLUMN a TO z")
    source(files["snapshot"], "ALTER TABLE {0} DROP CONSTRAINT {0}_pkey; UPDATE {0} SET id = 1 WHERE id = 2")
    source(files["check"], "UPDATE {} SET labelled_at = now() + interval '30 days' WHERE id = 7")
    runs = {
        task: (file.dag_id, api.trigger(file.dag_id, ignore_threshold=True))
        for task, file in files.items()
        if task != "rollback"
    }
    runs["rollback"] = (ROLLBACK_DAG, api.trigger(ROLLBACK_DAG, why="a test", model=files["rollback"].spec.model))
    for task, (dag, run) in runs.items():
        failed = {each.id for each in follow(dag, run, "failed") if each.state == "failed"}
        assert failed == {task}
        model = files[task].spec.model
        inbox.wait_for(1, of=model)
        errors = [post.body for post in inbox.posts if post.body["model"] == model and post.body["level"] == "error"]
        assert len(errors) == 1, errors
        assert run in errors[0]["headline"]


@pytest.mark.soak  # one whole cycle more, for one more kind of task
def test_a_promotion_that_fails_is_told_as_well(
    tap: Tap,
    api: AirflowApi,
    add_model: Callable[..., SpecFile],
    promote_loser: Callable[..., None],
    follow: Follow,
    inbox: Inbox,
) -> None:
    file = add_model(channels=TEAM)
    model = file.spec.model
    with tap.hold("POST", "/runs/log-batch", "retrain.verdict", after=True) as held:
        run = api.trigger(file.dag_id, ignore_threshold=True)
        held.process()
        # The verdict is in the ledger, but a person is faster.
        promote_loser(model, expects=None)
    assert {each.id for each in follow(file.dag_id, run, "failed") if each.state == "failed"} == {"promote"}
    inbox.wait_for(3, of=model)
    (error,) = [post.body for post in inbox.posts if post.body["model"] == model and post.body["level"] == "error"]
    assert "the verdict was made against" in error["headline"]


LATE = """
from datetime import timedelta
from airflow.sdk import DAG, AsyncCallback, DeadlineAlert, DeadlineReference, task
from retrain_airflow.notifiers.incident import IncidentNotifier

at_once = DeadlineAlert(
    reference=DeadlineReference.DAGRUN_QUEUED_AT,
    interval=timedelta(seconds=1),
    callback=AsyncCallback(IncidentNotifier, kwargs={{"spec": "{spec}"}}),
)
with DAG("{dag_id}", schedule=None, deadline=[at_once]):

    @task
    def dawdle():
        import time
        time.sleep(10)

    dawdle()
"""


@pytest.mark.soak  # waits for a deadline; airflow/test_notifier.py has the notifier
def test_a_dag_of_ones_own_that_misses_its_deadline_is_told(
    api: AirflowApi,
    add_model: Callable[..., SpecFile],
    add_dag: Callable[[str, str], None],
    follow: Follow,
    inbox: Inbox,
) -> None:
    file, dag = add_model(channels=TEAM), f"late_{uuid4().hex[:8]}"
    add_dag(dag, LATE.format(dag_id=dag, spec=file.path))
    api.wait_for_dag(dag)
    run = api.trigger(dag)
    follow(dag, run)
    inbox.wait_for(1, of=file.spec.model)
    headlines = [post.body["headline"] for post in inbox.posts if post.body["model"] == file.spec.model]
    assert headlines == [f"{file.spec.model}: run {run} of {dag} has missed its deadline."]


@pytest.fixture
def connect(api: AirflowApi) -> Iterator[Callable[..., str]]:
    """Makes a connection in Airflow's database; it is deleted when the test ends."""
    made = []

    def connect(kind: str, **fields: Any) -> str:
        name = f"secret_{kind}_{uuid4().hex[:6]}"
        made.append(name)
        api._http.post("/connections", json={"connection_id": name, "conn_type": kind, **fields}).raise_for_status()
        return name

    yield connect
    for name in made:
        api._http.delete(f"/connections/{name}").raise_for_status()


@pytest.mark.nightly  # a minute: it looks into all that two cycles more have left
def test_no_credential_is_in_a_log_an_xcom_a_table_or_a_message(
    stack: Running,
    api: AirflowApi,
    add_model: Callable[..., SpecFile],
    follow: Follow,
    inbox: Inbox,
    connect: Callable[..., str],
    eventually: Callable[..., None],
) -> None:
    dsn = parse_dsn(stack.dsn("source"))
    where = {"host": dsn["host"], "login": dsn["user"], "schema": dsn["dbname"], "password": SECRET}
    nobody = {"host": "127.0.0.1", "port": 9, "password": SECRET}
    signing = json.dumps({"signing_secret": f"whsec_{base64.b64encode(SECRET.encode()).decode()}"})
    channels = [
        {"webhook": connect("http", host=inbox.url, login="kim", password=SECRET, extra=signing)},
        {"webhook": connect("http", login="kim", extra=signing, **nobody)},
        {"slack": connect("slackwebhook", host="http://127.0.0.1:9/services", password=f"T0/B0/{SECRET}")},
        {"email": connect("smtp", login="kim", extra='{"from_email": "a@example.org"}', **nobody), "to": ["b@c.de"]},
        {"apprise": connect("apprise", extra=json.dumps({"config": {"path": f"json://kim:{SECRET}@127.0.0.1:9/"}}))},
    ]
    good = add_model(connection=connect("postgres", **where), channels=channels)
    bad = add_model(connection=connect("postgres", **{**where, **nobody}), channels=channels)
    cut_short = api.trigger(bad.dag_id, ignore_threshold=True)
    run = api.trigger(good.dag_id, ignore_threshold=True)
    follow(good.dag_id, run)
    eventually(lambda: "up_for_retry" in {task.state for task in api.tasks(bad.dag_id, cut_short)})
    inbox.wait_for(2, of=good.spec.model)

    places = {f"message {number}": post.raw.decode() for number, post in enumerate(inbox.posts)}
    for dag, of in ((good.dag_id, run), (bad.dag_id, cut_short)):
        places[f"XComs of {dag}"] = json.dumps(api._get(f"/dags/{dag}/dagRuns/{of}/taskInstances/~/xcomEntries"))
        for task in api.tasks(dag, of):
            places[f"log of {dag}.{task.id}"] = json.dumps(
                [api.log(dag, of, task.id, attempt, task.map_index) for attempt in range(1, task.tries + 1)]
            )
    with closing(psycopg2.connect(stack.dsn("retrain"))) as database, database.cursor() as cursor:
        for table in ("outbox", "deliveries", "claims", "verdicts", "promotions", "faults"):
            cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM retrain.{table} t")
            places[table] = cursor.fetchone()[0]
    places |= {
        str(path): path.read_text(errors="replace") for path in _files(stack.home.logs, stack.home.airflow / "logs")
    }
    # Each place holds what it should, so that the search for secrets means something.
    assert "answered" in places["deliveries"] or "no answer" in places["deliveries"]
    assert good.spec.model in places["outbox"]
    assert "Connection refused" in str(places)
    assert [place for place, text in places.items() if any(form in text for form in FORMS)] == []


def _files(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file())
