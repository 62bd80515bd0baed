"""The services of a stack: what each runs, which others it needs, and how one sees that it works."""

import os
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

# Takes the time when the process was started. Returns None if the service works, otherwise the reason why not.
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
    label: str  # for people
    command: list[str]
    after: tuple[str, ...] = ()
    why_not_ready: Check | None = None  # None: a program that does one job and ends
    when_ready: Callable[[], None] | None = None  # called before the services that need it are started
    port: str | None = None
    # PostgreSQL: SIGINT to its first process is a fast and clean shutdown; that process ends the others.
    stop_signal: str = "TERM"
    whole_group: bool = True
    user: str | None = None
    patience: int = 15  # seconds between the stop signal and SIGKILL


def services(home: Home, ports: Ports, names: Sequence[str] = ALL) -> list[Service]:
    """Return the services `names`, in the order of `ALL`. Raises StackError if one lacks a service that it needs."""
    if unknown := set(names) - set(ALL):
        raise StackError(f"unknown service {', '.join(sorted(unknown))}: choose among {', '.join(ALL)}")
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
    for name, label, options in (
        ("scheduler", "Airflow's scheduler", ["--skip-serve-logs"]),
        ("dag-processor", "Airflow's DAG processor", []),
        ("triggerer", "Airflow's triggerer", ["--skip-serve-logs"]),
    ):
        yield Service(
            name,
            label,
            # Airflow's log servers listen on every address, which no setting changes. The API server reads the files.
            _alone("airflow", name, *options),
            # They start without the API server, but their health is asked through it.
            after=("airflow-migrate", "retrain-migrate"),
            why_not_ready=partial(health.airflow_job, name.replace("-", "_"), ports),
        )


def _alone(name: str, *arguments: str) -> list[str]:
    # -P: this folder, the script's, holds a supervisor.py that would hide the package supervisor.
    return [sys.executable, "-P", str(PROJECT / "stack" / "alone.py"), *_program(name, *arguments)]


def _program(name: str, *arguments: str) -> list[str]:
    return [str(_folder(name) / name), *arguments]


def _folder(name: str) -> Path:
    # The matrix sets it, to try us against servers of other versions.
    elsewhere = os.environ.get("RETRAIN_STACK_MLFLOW") if name == "mlflow" else None
    return Path(elsewhere or Path(sys.executable).parent)
