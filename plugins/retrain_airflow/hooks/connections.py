"""What Airflow's connections say, as the core wants it."""

from urllib.parse import urlsplit

from airflow.sdk import Connection

from retrain.errors import SettingsError


def url(connection: Connection) -> str:
    """The address of a connection of type http, by Airflow's conventions: the host may hold scheme and path as well.

    A connection that is an address itself (`https://…` in a variable) has its scheme as type and its path as schema.
    Raises SettingsError for one without a host, or with a login in it: addresses are told in errors and logs.
    """
    host, scheme, path = connection.host or "", connection.schema or "http", ""
    if connection.conn_type == "https":
        scheme, path = "https", f"/{connection.schema}" if connection.schema else ""
    parts = urlsplit(host if "://" in host else f"{scheme}://{host}{path}")
    if not parts.hostname:
        raise SettingsError(f"connection {connection.conn_id}: has no host; write the server's address into it")
    if "@" in parts.netloc:
        raise SettingsError(f"connection {connection.conn_id}: has a login in its host; move it to login and password")
    if connection.port is None:
        return parts.geturl()
    return parts._replace(netloc=f"{parts.netloc}:{connection.port}").geturl()
