"""Airflow's own configuration file, airflow.cfg, for a stack."""

import configparser
import json

from stack import postgres
from stack.credentials import USER, Credentials, write_private
from stack.home import PROJECT, Home
from stack.ports import Ports

EVERYWHERE: dict[str, dict[str, object]] = {
    "core": {"load_examples": False, "dags_are_paused_at_creation": False},
    # The next scheduler adopts the tasks of one that was killed after a minute, not after five.
    "scheduler": {"orphaned_tasks_check_interval": 30},
    # On slow cores the API server does not respond in its first seconds: a task waits then, instead of failing.
    # On busy cores many a task's process outlives its pipes by a moment and keeps its slot in the worker until the
    # next heartbeat: with Airflow's default that takes 5 s.
    "workers": {"execution_api_timeout": 30, "min_heartbeat_interval": 2},
    # Airflow sees a new DAG file within seconds, and a new or changed spec within its default of half a minute.
    "dag_processor": {"refresh_interval": 5},
    "logging": {
        "colored_console_log": False,
        # Messages of operators belong in the task's log, though Airflow's own stay out of it.
        "namespace_levels": "airflow=WARNING airflow.task=INFO alembic=WARNING http.access=WARNING",
    },
    "usage_data_collection": {"enabled": False},
}
"""Settings that containers have as well: docker-compose.yml holds the same."""


def everywhere() -> dict[str, str]:
    """Return the same settings as environment variables."""
    return {
        f"AIRFLOW__{section}__{key}".upper(): str(value)
        for section, values in EVERYWHERE.items()
        for key, value in values.items()
    }


def write(home: Home, ports: Ports, credentials: Credentials) -> None:
    """Write airflow.cfg. It holds keys, so it is a file: tasks inherit AIRFLOW__… variables and may print them."""
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
        # An idle scheduler looks again after 0.2 s, not 1 s: a short cycle consists mostly of this waiting.
        "scheduler": {"scheduler_idle_sleep_time": 0.2},
        "logging": {
            "base_log_folder": home.airflow / "logs",
            # There are no log servers, and nobody is to be asked in their place for the log of a task that runs.
            "worker_log_server_port": 0,
            "trigger_log_server_port": 0,
        },
    }
    for section, values in EVERYWHERE.items():
        settings[section] = settings.get(section, {}) | values
    # That it asked in vain is a traceback in the API server's log, each second that somebody watches a task.
    settings["logging"]["namespace_levels"] = (
        f"{settings['logging']['namespace_levels']} airflow.utils.log.file_task_handler=CRITICAL"
    )
    parser = configparser.RawConfigParser()
    # Airflow interpolates: a single percent sign, as in an escaped URL, would begin a reference.
    parser.read_dict(
        {section: {k: str(v).replace("%", "%%") for k, v in values.items()} for section, values in settings.items()}
    )
    file = home.airflow / "airflow.cfg"
    write_private(file, "")
    with file.open("w") as stream:
        parser.write(stream)
