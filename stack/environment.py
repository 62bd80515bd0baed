"""The environment of every process of a stack."""

import json
import os
import sys
from pathlib import Path

from stack import ports
from stack.home import PROJECT, SPECS, Home

# Settings of the user's own Airflow, MLflow or Postgres would lead this stack to the wrong server.
_FOREIGN = ("AIRFLOW_", "MLFLOW_", "PG", "SUPERVISOR_")
# The user's specs may name these connections and variables.
_KEPT = ("AIRFLOW_CONN_", "AIRFLOW_VAR_")


def environment(home: Home) -> dict[str, str]:
    """Return the whole environment of a process of the stack: the caller's, cleaned, and the stack's own variables."""
    inherited = {
        name: value for name, value in os.environ.items() if name.startswith(_KEPT) or not name.startswith(_FOREIGN)
    }
    return inherited | {
        "RETRAIN_STACK": str(home.path),
        # Process titles must not overwrite the variable above, because `down` looks for it.
        "SPT_NOENV": "1",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), inherited.get("PATH", os.defpath))),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(PROJECT / "include"), inherited.get("PYTHONPATH")))),
        "AIRFLOW_HOME": str(home.airflow),
        "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps(
            {"conn_type": "http", "host": "http://127.0.0.1", "port": ports.recall(home).mlflow}
        ),
        "AIRFLOW_CONN_RETRAIN_STATE": _postgres(home, "retrain"),
        "AIRFLOW_CONN_POSTGRES_DEFAULT": _postgres(home, "source"),
        "RETRAIN_SPECS": inherited.get("RETRAIN_SPECS") or str(SPECS),
        "RETRAIN_SNAPSHOTS_URI": home.snapshots.as_uri(),
        # The job runner would take ten processes and 2 GB, and nothing here uses it.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # Every task reads .airflowignore with a class that was renamed: each log would begin with that warning.
        "PYTHONWARNINGS": "ignore:GitWildMatchPattern:DeprecationWarning",
        **_QUIET,
        **{name: _not_through_a_proxy(inherited.get(name)) for name in ("NO_PROXY", "no_proxy")},
    }


# No telemetry.
_QUIET = {"DO_NOT_TRACK": "1", "SCARF_ANALYTICS": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def _postgres(home: Home, database: str) -> str:
    return json.dumps(
        {"conn_type": "postgres", "host": str(home.postgres_socket), "login": "postgres", "schema": database}
    )


def _not_through_a_proxy(known: str | None) -> str:
    return ",".join(filter(None, (known, "127.0.0.1", "localhost")))
