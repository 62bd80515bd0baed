from typing import Any, cast

import psycopg2
from airflow.providers.postgres.hooks.postgres import PostgresHook
from psycopg2.extensions import connection


class Psycopg2Hook(PostgresHook):
    """Airflow's hook, with the driver that the core speaks: by itself it takes psycopg 3 wherever that is installed."""

    def get_conn(self) -> connection:
        return cast(connection, super().get_conn())

    def _create_connection(self, conn_args: dict[str, Any]) -> connection:
        opened: connection = psycopg2.connect(**conn_args)
        return opened
