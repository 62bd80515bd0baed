"""The services of a stack: what each runs, which it waits for, and how one sees that it works."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from stack import health, postgres
from stack.errors import StackError
from stack.home import PROJECT, Home
from stack.ports import Ports

# Told since when the process runs. None: it does its work; else why not, in words.
Check = Callable[[datetime], str | None]

ALL = (
    "postgres",
    "retrain-migrate",
    "mlflow",
    "airflow-migrate",
    "api-server",
    "scheduler",
    "dag-processor",
    "triggerer",
)


@dataclass(frozen=True)
class Service:
    """One program under supervisor."""

    name: str
    says: str  # what is being started, in words
    command: list[str]
    after: tuple[str, ...] = ()
    why_not_ready: Check | None = None  # None: a program that does one thing and ends
    when_ready: Callable[[], None] | None = None  # before those that wait for it are started
    port: str | None = None
    # PostgreSQL: SIGINT to its first process is "now, in good order"; the others take their orders from that one.
    stop_signal: str = "TERM"
    whole_group: bool = True
    user: str | None = None
    patience: int = 15  # seconds between the stop signal and SIGKILL


def services(home: Home, ports: Ports, names: Sequence[str] = ALL) -> list[Service]:
    """The services `names`, in the order of `ALL`. Each must come with those that it waits for."""
    if unknown := set(names) - set(ALL):
        raise StackError(f"no service is called {', '.join(sorted(unknown))}: there are {', '.join(ALL)}")
    chosen = [service for service in _all(home, ports) if service.name in names]
    for service in chosen:
        if missing := set(service.after) - set(names):
            raise StackError(f"{service.name} needs {', '.join(sorted(missing))}: name those too")
    return chosen


def _all(home: Home, ports: Ports) -> Iterable[Service]:
    yield Service(
        "postgres",
        "PostgreSQL",
        postgres.command(home),
        why_not_ready=lambda _: postgres.why_not_ready(home),
        when_ready=partial(postgres.create_databases, home),
        stop_signal="INT",
        whole_group=False,
        user=postgres.system_user(),
        patience=60,
    )
    yield Service(
        "retrain-migrate",
        "Retrain's tables",
        _program("retrain", "migrate", "--dsn", postgres.dsn(home, "retrain")),
        after=("postgres",),
    )
    yield Service(
        "mlflow",
        "MLflow",
        _alone(
            *("mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(ports.mlflow)),
            *("--backend-store-uri", postgres.url(home, "mlflow", driver="psycopg2")),
            # Two promotions at once must not leave two versions in Production.
            "--registry-store-uri",
            postgres.url(home, "mlflow", driver="psycopg2")
            + "&options=-c%20default_transaction_isolation%3Dserializable",
            *("--serve-artifacts", "--artifacts-destination", str(home.artifacts)),
        ),
        after=("postgres",),
        why_not_ready=lambda _: health.mlflow(ports),
        port="mlflow",
    )
    yield Service("airflow-migrate", "Airflow's tables", _program("airflow", "db", "migrate"), after=("postgres",))
    yield Service(
        "api-server",
        "Airflow's API server",
        _program("airflow", "api-server"),
        after=("airflow-migrate",),
        why_not_ready=lambda _: health.api_server(ports),
        port="airflow",
    )
    for name, says, port in (
        ("scheduler", "Airflow's scheduler", "worker_log"),
        ("dag-processor", "Airflow's DAG processor", None),
        ("triggerer", "Airflow's triggerer", "trigger_log"),
    ):
        yield Service(
            name,
            says,
            _alone("airflow", name),
            # They start without the API server; their health is known through it.
            after=("airflow-migrate", "retrain-migrate"),
            why_not_ready=partial(health.airflow_job, name.replace("-", "_"), ports),
            port=port,
        )


def _alone(name: str, *arguments: str) -> list[str]:
    # -P: the folder of the script, this one, holds a supervisor.py that is not supervisor's.
    return [sys.executable, "-P", str(PROJECT / "stack" / "alone.py"), *_program(name, *arguments)]


def _program(name: str, *arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / name), *arguments]
