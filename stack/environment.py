"""What every process of a stack finds in its environment."""

import json
import os
import sys
from pathlib import Path

from stack import ports
from stack.home import PROJECT, Home

# What an Airflow, MLflow or Postgres of the user's own is set up with would lead this stack to the wrong server.
_FOREIGN = ("AIRFLOW_", "MLFLOW_", "PG", "SUPERVISOR_")
# The user's own connections and variables are what his specs may name.
_KEPT = ("AIRFLOW_CONN_", "AIRFLOW_VAR_")


def environment(home: Home) -> dict[str, str]:
    """The whole environment of a process that belongs to the stack: the caller's, cleaned, and the stack's own."""
    inherited = {
        name: value for name, value in os.environ.items() if name.startswith(_KEPT) or not name.startswith(_FOREIGN)
    }
    return inherited | {
        "RETRAIN_STACK": str(home.path),
        # Titles of processes must not overwrite the line above where `down` looks for it.
        "SPT_NOENV": "1",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), inherited.get("PATH", os.defpath))),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(PROJECT / "include"), inherited.get("PYTHONPATH")))),
        "AIRFLOW_HOME": str(home.airflow),
        "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps(
            {"conn_type": "http", "host": "http://127.0.0.1", "port": ports.recall(home).mlflow}
        ),
        "AIRFLOW_CONN_RETRAIN_STATE": _postgres(home, "retrain"),
        "AIRFLOW_CONN_POSTGRES_DEFAULT": _postgres(home, "source"),
        "RETRAIN_SNAPSHOTS_URI": home.snapshots.as_uri(),
        # The job runner would cost ten processes and 2 GB, and nothing here uses it.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # Airflow reads .airflowignore in every task, by a class that has been renamed: each log would begin with it.
        "PYTHONWARNINGS": "ignore:GitWildMatchPattern:DeprecationWarning",
        **_QUIET,
        **{name: _not_through_a_proxy(inherited.get(name)) for name in ("NO_PROXY", "no_proxy")},
    }


# Nothing phones home.
_QUIET = {"DO_NOT_TRACK": "1", "SCARF_ANALYTICS": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def _postgres(home: Home, database: str) -> str:
    return json.dumps(
        {"conn_type": "postgres", "host": str(home.postgres_socket), "login": "postgres", "schema": database}
    )


def _not_through_a_proxy(known: str | None) -> str:
    return ",".join(filter(None, (known, "127.0.0.1", "localhost")))
