"""What `retrain doctor` looks at in Airflow itself: plugin, DAGs of the specs, their pools, channels, triggerer."""

from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING

from retrain.preflight.probe import Found, Look, fail, good, warn
from retrain.spec.files import SpecFile
from retrain.spec.operation import ChannelSpec, Wake
from retrain_airflow.compat import HAS_DASHBOARD, RETRY_POLICY

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_LINE = "`globals().update(build())`, from retrain_airflow.dags.build"


def look(files: Sequence[SpecFile]) -> Iterator[Found]:
    """Yield what is found."""
    yield from _versions()
    for file in files:
        for channel in file.spec.channels:
            about, remedy = f"{channel.kind} {channel.connection}", f"correct connection {channel.connection}"
            yield from Look(about, _channel, (about, channel), remedy).found()
    yield from Look(
        "Airflow's database", _database, (files,), "run `airflow db check`, and `airflow db migrate`"
    ).found()


def _versions() -> Iterator[Found]:
    about = f"Airflow {version('apache-airflow-core')}"
    loaded = [each for each in entry_points(group="airflow.plugins") if each.value.startswith("retrain_airflow.")]
    if len(loaded) == 1:
        yield good(about, "the plugin is there once")
    else:
        yield fail(
            about,
            f"the plugin is there {len(loaded)} times",
            "run `pip uninstall` on each distribution that brings it, then install airflow-provider-retrain once",
        )
    if not HAS_DASHBOARD:
        yield good(about, "has no dashboard of Retrain's before 3.2; the REST API and MLflow's pages show the same")
    if not RETRY_POLICY:
        yield good(about, "has no retry policies before 3.3; tasks fail at once where another try cannot help")


def _channel(about: str, channel: ChannelSpec) -> Iterator[Found]:
    """Yield whether the connection of a channel has what the channel needs. Nothing is sent."""
    from retrain_airflow.hooks.connections import extra_of, get, url

    connection, here = get(channel.connection), f"connection {channel.connection}"
    if channel.kind == "webhook":
        url(connection, ours=("signing_secret",))
    elif channel.kind == "slack" and not (connection.password or "").strip():
        yield fail(about, f"{here} has no password", "write the address of the incoming webhook into its password")
        return
    elif channel.kind == "email" and not extra_of(connection).get("from_email"):
        yield fail(about, f"{here} names no sender", 'write {"from_email": "retrain@example.org"} into its extra')
        return
    elif channel.kind == "apprise" and not extra_of(connection).get("config"):
        yield fail(about, f"{here} names no service", 'write {"config": {"path": "…"}} of Apprise into its extra')
        return
    yield good(about, f"{here} is there")


def _database(files: Sequence[SpecFile]) -> Iterator[Found]:
    from airflow.utils.session import create_session

    with create_session() as session:
        yield from _dags(files, session)
        yield from _pools(files, session)
        yield from _triggerer(files, session)


def _dags(files: Sequence[SpecFile], session: "Session") -> Iterator[Found]:
    from airflow.models import DagModel
    from sqlalchemy import select

    names = [file.dag_id for file in files]
    known = {dag.dag_id: dag for dag in session.scalars(select(DagModel).where(DagModel.dag_id.in_(names)))}
    for dag_id in names:
        dag = known.get(dag_id)
        if dag is not None and dag.has_import_errors:  # which makes it stale
            yield fail(
                f"DAG {dag_id}", "its file has import errors", "run `airflow dags list-import-errors`, and correct it"
            )
        elif dag is None or dag.is_stale:
            yield fail(f"DAG {dag_id}", "Airflow does not know it", f"let a file in the folder of DAGs say {_LINE}")
        elif dag.is_paused:
            yield warn(f"DAG {dag_id}", "is paused", f"run `airflow dags unpause {dag_id}`: no cycle starts by itself")
        else:
            yield good(f"DAG {dag_id}", "is there, and switched on")


def _pools(files: Sequence[SpecFile], session: "Session") -> Iterator[Found]:
    from airflow.models import Pool
    from sqlalchemy import select

    there = {pool.pool: pool for pool in session.scalars(select(Pool))}
    for file in files:
        name = file.spec.run_on.pool
        if name not in there:
            yield fail(
                f"pool {name}",
                f"is not there, so no task of {file.path.name} that trains would start",
                f"run `airflow pools set {name} 4 training`, or correct run_on.pool",
            )


def _triggerer(files: Sequence[SpecFile], session: "Session") -> Iterator[Found]:
    from airflow.jobs.job import Job
    from sqlalchemy import select

    newest = select(Job).where(Job.job_type == "TriggererJob").order_by(Job.latest_heartbeat.desc()).limit(1)
    found = session.scalar(newest)
    if found is not None and found.is_alive():
        yield good("triggerer", "runs")
        return
    waits = [file.path.name for file in files if file.spec.wake is not Wake.SCHEDULE]
    says = f"does not run, and {', '.join(waits)} wait for it" if waits else "does not run"
    yield warn("triggerer", says, "start `airflow triggerer`: messages that are due are then sent at once")
