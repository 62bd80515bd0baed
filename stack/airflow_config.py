"""Airflow's own configuration file, airflow.cfg, for a stack."""

import configparser
import json

from stack import postgres
from stack.credentials import USER, Credentials, write_private
from stack.home import PROJECT, Home
from stack.ports import Ports

EVERYWHERE: dict[str, dict[str, object]] = {
    "core": {"load_examples": False, "dags_are_paused_at_creation": False},
    # A task that was killed with its scheduler is taken up by the next one after a minute instead of five.
    "scheduler": {"orphaned_tasks_check_interval": 30},
    # In its first seconds the API server answers nobody, on slow cores: a task waits, and does not die of that.
    # A task whose process outlives its pipes by a moment, as many do on busy cores, has its place in the worker until
    # the next heartbeat: that is Airflow's 5 s.
    "workers": {"execution_api_timeout": 30, "min_heartbeat_interval": 2},
    # A new DAG file is seen within seconds; a new or changed spec within Airflow's own half a minute.
    "dag_processor": {"refresh_interval": 5},
    "logging": {
        "colored_console_log": False,
        # What operators say belongs in the task's log, whatever Airflow itself keeps to itself.
        "namespace_levels": "airflow=WARNING airflow.task=INFO alembic=WARNING http.access=WARNING",
    },
    "usage_data_collection": {"enabled": False},
}
"""What holds in containers as well: docker-compose.yml says the same."""


def everywhere() -> dict[str, str]:
    """The same as variables of the environment."""
    return {
        f"AIRFLOW__{section}__{key}".upper(): str(value)
        for section, values in EVERYWHERE.items()
        for key, value in values.items()
    }


def write(home: Home, ports: Ports, credentials: Credentials) -> None:
    """In a file and not in AIRFLOW__… variables: it holds keys, and tasks inherit and may print their environment."""
    passwords = home.airflow / "passwords.json"
    write_private(passwords, json.dumps({USER: credentials.password}))
    settings: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": PROJECT / "dags",
            "plugins_folder": PROJECT / "plugins",
            "executor": "LocalExecutor",
            "parallelism": 4,
            "fernet_key": credentials.fernet_key,
            "execution_api_server_url": f"http://127.0.0.1:{ports.airflow}/execution/",
            "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "simple_auth_manager_users": f"{USER}:admin",
            "simple_auth_manager_passwords_file": passwords,
        },
        "database": {
            "sql_alchemy_conn": postgres.url(home, "airflow", driver="psycopg2"),
            "sql_alchemy_conn_async": postgres.url(home, "airflow", driver="asyncpg"),
        },
        "api": {
            "host": "127.0.0.1",
            "port": ports.airflow,
            "base_url": f"http://127.0.0.1:{ports.airflow}",
            "workers": 1,
            "secret_key": credentials.api_secret_key,
        },
        "api_auth": {"jwt_secret": credentials.jwt_secret},
        # An idle scheduler looks again after 0.2 s instead of 1 s: most of a short cycle is this waiting.
        "scheduler": {"scheduler_idle_sleep_time": 0.2},
        "logging": {
            "base_log_folder": home.airflow / "logs",
            "worker_log_server_port": ports.worker_log,
            "trigger_log_server_port": ports.trigger_log,
        },
    }
    for section, values in EVERYWHERE.items():
        settings[section] = settings.get(section, {}) | values
    parser = configparser.RawConfigParser()
    # Airflow interpolates: a lone percent sign, as in an escaped URL, would be taken for the begin of a reference.
    parser.read_dict(
        {section: {k: str(v).replace("%", "%%") for k, v in values.items()} for section, values in settings.items()}
    )
    file = home.airflow / "airflow.cfg"
    write_private(file, "")
    with file.open("w") as stream:
        parser.write(stream)
