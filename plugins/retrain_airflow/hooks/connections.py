"""Airflow's connections, and values of them in the form that the core needs."""

import json
import os
from collections.abc import Collection
from typing import Any
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseHook, Connection

from retrain.errors import SettingsError
from retrain_airflow.compat import AirflowNotFoundException

_SCHEMES = ("http", "https")
_PLAIN = "/:@!$&'()*+,;=~"
"""What stands in a path as it is."""


def get(connection_id: str) -> Connection:
    """Return a connection. Raises SettingsError where there is none, or where it is written in a way that Airflow
    cannot read: Airflow itself says then that there is none.
    """
    try:
        return BaseHook.get_connection(connection_id)
    except AirflowNotFoundException:
        if not _written(connection_id):
            raise SettingsError(
                f"connection {connection_id}: there is none; make it in Airflow, or set "
                f"AIRFLOW_CONN_{connection_id.upper()}"
            ) from None
        raise SettingsError(
            f"connection {connection_id}: cannot be read; percent-encode special characters of its address, such as @ "
            'and / in a password, or write it as JSON: {"conn_type": …, "host": …, "login": …, "password": …}'
        ) from None


def _written(connection_id: str) -> str:
    """Return the text of a connection in this process's environment; empty where it is elsewhere."""
    return os.environ.get(f"AIRFLOW_CONN_{connection_id.upper()}", "")


def extra_of(connection: Connection, *, texts: Collection[str] = ()) -> dict[str, Any]:
    """Return the extra without the fields that a form left empty.

    Raises SettingsError where it holds no fields, or where one of `texts` is not a text.
    """
    here = f"connection {connection.conn_id}: extra"
    if not _holds_fields(connection.extra):
        raise SettingsError(f"{here} holds no fields; write them as a JSON object")
    extra = connection.extra_dejson
    for name in texts:
        if not isinstance(extra.get(name, ""), str | None):
            raise SettingsError(f"{here}.{name} is not a text; put it in quotes")
    return {name: value for name, value in extra.items() if value not in (None, "")}


def _holds_fields(text: str | None) -> bool:
    # Airflow takes an extra that is not JSON for an empty one.
    try:
        return isinstance(json.loads(text or "{}"), dict)
    except ValueError:
        return False


def url(connection: Connection, *, ours: Collection[str] = ()) -> str:
    """Return the address of a connection of type http, by Airflow's conventions: its host may hold scheme and path.

    A connection that is written as an address (`https://…` in a variable) has the scheme as type, the path as schema,
    and the query among its extra. ours: names in the extra that are no part of a query. Raises SettingsError where
    there is no host, where something of an address would be lost, or where a login is in the host: addresses appear in
    errors and logs.
    """
    host, scheme, path = connection.host or "", connection.schema or "http", ""
    if "://" not in host and host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"  # an address of IPv6, which Airflow takes out of its brackets
    if connection.conn_type == "https":
        scheme, path = "https", connection.schema or ""
    elif scheme not in _SCHEMES:
        scheme, path = "http", scheme
    _refuse_losses(connection, path, ours)
    whole = host if "://" in host else f"{scheme}://{host}"
    parts = urlsplit(f"{whole}/{quote(path, safe=_PLAIN)}" if path else whole)
    if not parts.hostname:
        raise SettingsError(f"connection {connection.conn_id}: has no host; write the server's address into it")
    if "@" in parts.netloc:
        raise SettingsError(f"connection {connection.conn_id}: has a login in its host; move it to login and password")
    if connection.port is None:
        return parts.geturl()
    return parts._replace(netloc=f"{parts.netloc}:{connection.port}").geturl()


def _refuse_losses(connection: Connection, path: str, ours: Collection[str]) -> None:
    """Raises SettingsError where Airflow has taken a part of an address that cannot be put back."""
    written = _written(connection.conn_id)
    as_address = "://" in written.split("{", 1)[0]
    if not (path or as_address or connection.conn_type == "https"):
        return  # then a field of the extra that is not ours is another program's
    lost = [f"?{name}=" for name in sorted(connection.extra_dejson.keys() - set(ours))]
    if as_address and "%2f" in urlsplit(written).path.lower():
        lost.append("%2F")
    if lost:
        raise SettingsError(
            f"connection {connection.conn_id}: is written as an address, of which Airflow loses {', '.join(lost)}; "
            'write it as JSON: {"conn_type": "http", "host": "https://host/path?…"}'
        )
