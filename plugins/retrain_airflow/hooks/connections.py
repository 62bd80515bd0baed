"""Values of Airflow's connections, in the form that the core needs."""

from urllib.parse import urlsplit

from airflow.sdk import Connection

from retrain.errors import SettingsError


def url(connection: Connection) -> str:
    """Return the address of a connection of type http, by Airflow's conventions: its host may hold scheme and path.

    A connection that is written as an address (`https://…` in a variable) has the scheme as type, the path as schema.
    Raises SettingsError where there is no host, or a login in it: addresses appear in errors and logs.
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
