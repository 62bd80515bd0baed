"""What Airflow's connections say, as the core wants it."""

from airflow.sdk import Connection


def url(connection: Connection) -> str:
    """The address of a connection of type http, by Airflow's conventions: the host may hold scheme and path as well."""
    host = connection.host or ""
    base = host if "://" in host else f"{connection.schema or 'http'}://{host}"
    return f"{base}:{connection.port}" if connection.port else base
