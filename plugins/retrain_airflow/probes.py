"""What `retrain doctor` looks at in Airflow itself: version, plugin, the DAGs of the specs, channels, triggerer."""

from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points, version

from retrain.preflight.probe import Found, fail, good, guarded, warn
from retrain.spec.files import SpecFile
from retrain.spec.operation import Wake
from retrain_airflow.compat import HAS_DASHBOARD, RETRY_POLICY

_LINE = "`globals().update(build())`, from retrain_airflow.dags.build"


def look(files: Sequence[SpecFile]) -> Iterator[Found]:
    """Yield what is found."""
    yield from _versions()
    for file in files:
        for channel in file.spec.channels:
            yield from guarded(f"{channel.kind} {channel.connection}", _connection, channel.connection)
    yield from guarded("Airflow's database", _database, files)


def _versions() -> Iterator[Found]:
    about = f"Airflow {version('apache-airflow-core')}"
    loaded = [each for each in entry_points(group="airflow.plugins") if each.value.startswith("retrain_airflow.")]
    if len(loaded) == 1:
        yield good(about, "the plugin is there once")
    else:
        yield fail(about, f"the plugin is there {len(loaded)} times", "install airflow-provider-retrain once, anew")
    if not HAS_DASHBOARD:
        yield warn(
            about, "has no dashboard of Retrain's", "update to 3.2; the REST API and MLflow's pages show the same"
        )
    if not RETRY_POLICY:
        yield warn(about, "has no retry policies", "none is needed: tasks fail at once where another try cannot help")


def _connection(connection_id: str) -> Iterator[Found]:
    from retrain_airflow.hooks.connections import get

    get(connection_id)
    yield good(f"connection {connection_id}", "is there")


def _database(files: Sequence[SpecFile]) -> Iterator[Found]:
    from airflow.jobs.job import Job
    from airflow.models import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    names = [file.dag_id for file in files]
    with create_session() as session:
        known = {dag.dag_id: dag for dag in session.scalars(select(DagModel).where(DagModel.dag_id.in_(names)))}
        for dag_id in names:
            dag = known.get(dag_id)
            if dag is None or dag.is_stale:
                yield fail(f"DAG {dag_id}", "Airflow does not know it", f"let a file in the folder of DAGs say {_LINE}")
            elif dag.has_import_errors:
                yield fail(f"DAG {dag_id}", "its file has import errors", "see Airflow's list of import errors")
            elif dag.is_paused:
                yield warn(f"DAG {dag_id}", "is paused", "switch it on when its cycles should start by themselves")
            else:
                yield good(f"DAG {dag_id}", "is there, and switched on")
        newest = select(Job).where(Job.job_type == "TriggererJob").order_by(Job.latest_heartbeat.desc()).limit(1)
        triggerer = session.scalar(newest)
        if triggerer is None or not triggerer.is_alive():
            waits = [file.path.name for file in files if file.spec.wake is not Wake.SCHEDULE]
            says = f"does not run; {', '.join(waits)} wait for it" if waits else "does not run"
            yield warn("triggerer", says, "start it: messages that are due are then sent at once, not within the hour")
