"""Airflow's own: DAGs of the specs, pools, the triggerer, and the connections of channels."""

from functools import partial

from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.jobs.job import Job
from airflow.models import DagModel, Pool
from airflow.utils.session import create_session
from sqlalchemy import delete

from retrain.preflight.probe import State
from tests.airflow.conftest import DAG_FILE
from tests.airflow.doctor_ways.way import Stack, Steps, way

_dag = partial(way, "Airflow", part="Airflow", about="DAG retrain_toy")
_channel = partial(way, "Channels", part="Airflow")


def known(stack: Stack, file: str = str(DAG_FILE)) -> None:
    """Let Airflow read a file of DAGs, and switch that of the spec on."""
    sync_bag_to_db(DagBag(file), "dags-folder", None)
    _unpause()


def _unpause() -> None:
    with create_session() as session:
        dag = session.get(DagModel, "retrain_toy")
        if dag is not None:
            dag.is_paused = False


def triggerer() -> None:
    """Do what a triggerer does when it starts."""
    with create_session() as session:
        job = Job(job_type="TriggererJob")  # type: ignore[no-untyped-call]
        job.prepare_for_execution(session=session)
        assert job.is_alive()


@_dag(
    "Airflow has no DAG of a spec",
    "Airflow does not know it",
    "let a file in the folder of DAGs say `globals().update(build())`, from retrain_airflow.dags.build",
)
def unknown(stack: Stack) -> Steps:
    with create_session() as session:
        dag = session.get(DagModel, "retrain_toy")
        if dag is not None:  # rows of other tests' runs may refer to it
            dag.is_stale = True  # as Airflow does where no file makes it any more
    yield
    file = stack.folder / "mine.py"
    file.write_text("from retrain_airflow.dags.build import build\nglobals().update(build())  # of an Airflow DAG\n")
    known(stack, str(file))


@_dag(
    "its file cannot be imported",
    "its file has import errors",
    "run `airflow dags list-import-errors`, and correct it",
)
def import_error(stack: Stack) -> Steps:
    file = stack.folder / "mine.py"
    good = DAG_FILE.read_text()
    file.write_text(good)
    known(stack, str(file))
    file.write_text(f"{good}\nimport nobodys_module  # of an Airflow DAG\n")
    known(stack, str(file))
    yield
    file.write_text(good)
    known(stack, str(file))


@_dag("a DAG is paused", "is paused", "run `airflow dags unpause retrain_toy`: …", state=State.WARN)
def paused(stack: Stack) -> Steps:
    known(stack)
    with create_session() as session:
        session.get(DagModel, "retrain_toy").is_paused = True  # type: ignore[union-attr]
    yield
    _unpause()


@way(
    "Airflow",
    "the pool of a spec is not there",
    "is not there, so no task of toy.yaml that trains would start",
    "run `airflow pools set gpu 4 training`, or correct run_on.pool",
    part="Airflow",
    about="pool",
)
def pool(stack: Stack) -> Steps:
    stack.spec(run_on={"pool": "gpu"})
    yield
    Pool.create_or_update_pool("gpu", 4, "training", include_deferred=False)


@way(
    "Airflow",
    "no triggerer runs",
    "does not run, and toy.yaml wait for it",
    "start `airflow triggerer`: messages that are due are then sent at once",
    part="Airflow",
    about="triggerer",
    state=State.WARN,
)
def no_triggerer(stack: Stack) -> Steps:
    stack.spec(wake="on_arrival")
    with create_session() as session:
        session.execute(delete(Job).where(Job.job_type == "TriggererJob"))
    yield
    triggerer()


@_channel(
    "a channel's connection is not there",
    "connection team: there is none",
    "make it in Airflow, or set AIRFLOW_CONN_TEAM",
    about="webhook team",
)
def no_connection(stack: Stack) -> Steps:
    stack.spec(channels=[{"webhook": "team"}])
    yield
    stack.connection("team", conn_type="http", host="hooks.example.org")


@_channel(
    "a web hook has no address",
    "connection team: has no host",
    "write the server's address into it",
    about="webhook team",
)
def no_host(stack: Stack) -> Steps:
    stack.spec(channels=[{"webhook": "team"}])
    stack.connection("team", conn_type="http", login="kim")
    yield
    stack.connection("team", host="hooks.example.org")


@_channel(
    "Slack's connection has no address",
    "connection team has no password",
    "write the address of the incoming webhook into its password",
    about="slack team",
)
def no_password(stack: Stack) -> Steps:
    stack.spec(channels=[{"slack": "team"}])
    stack.connection("team", conn_type="slackwebhook", host="https://hooks.slack.example.org/services")
    yield
    stack.connection("team", password="T000/B000/XXXX")


@_channel(
    "a mail has no sender",
    "connection team names no sender",
    'write {"from_email": "retrain@example.org"} into its extra',
    about="email team",
)
def no_sender(stack: Stack) -> Steps:
    stack.spec(channels=[{"email": "team", "to": ["kim@example.org"]}])
    stack.connection("team", conn_type="smtp", host="mail.example.org")
    yield
    stack.connection("team", extra={"from_email": "retrain@example.org"})


@_channel(
    "Apprise has no service",
    "connection team names no service",
    'write {"config": {"path": "…"}} of Apprise into its extra',
    about="apprise team",
)
def no_service(stack: Stack) -> Steps:
    stack.spec(channels=[{"apprise": "team"}])
    stack.connection("team", conn_type="apprise")
    yield
    stack.connection("team", extra={"config": {"path": "json://127.0.0.1"}})
