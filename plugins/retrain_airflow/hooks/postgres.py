from typing import Any, cast

import psycopg2
from airflow.providers.postgres.hooks.postgres import PostgresHook
from psycopg2.extensions import connection

_SECONDS = 60


class Psycopg2Hook(PostgresHook):
    """Airflow's hook with the driver that the core uses: by default it uses psycopg 3 wherever that is installed."""

    def get_conn(self) -> connection:
        return cast(connection, super().get_conn())

    def _create_connection(self, conn_args: dict[str, Any]) -> connection:
        # By default psycopg2 waits for ever: for a server that does not answer, and for one that has vanished.
        limits = {"connect_timeout": _SECONDS, "tcp_user_timeout": _SECONDS * 1000}
        opened: connection = psycopg2.connect(**{**limits, **conn_args})
        return opened
