"""The database that an option of a command names: no part of a password is in any error."""

import re
from collections.abc import Callable
from functools import partial

import psycopg2
from psycopg2.extensions import connection, parse_dsn

from retrain.errors import SettingsError

_URL = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_SCHEMES = ("postgresql", "postgres")
_NOT_A_STRING = (
    "is not a connection string of libpq; write postgresql://user@host/database, or host=… dbname=… user=…, with "
    "password='a b' for a value that has a blank"
)
_NOT_AN_ADDRESS = (
    "is not an address that libpq can read; percent-encode @ : / ? # % [ ] and blanks in user and password, as in "
    "postgresql://user:p%40ss@host:5432/database"
)
_HOST = r"(\[[0-9A-Fa-f:.%a-z]*\]|[^:/?#@\[\],]*)(:\d*)?"
_PLACE = re.compile(rf"{_HOST}(,{_HOST})*([/?].*)?", re.DOTALL)


def connecting(dsn: str, option: str = "--dsn") -> Callable[[], connection]:
    """Return a function that connects to the database of a libpq connection string; '' means libpq's variables.

    option: its name, for the error. Raises SettingsError where libpq cannot read the string, or may read it otherwise
    than it is meant: libpq's own error would quote a part of the password.
    """
    if fault := _fault(dsn):
        raise SettingsError(f"{option}: {fault}")
    return partial(psycopg2.connect, dsn)  # its errors name host, port, user and database


def _fault(dsn: str) -> str:
    """Return what is wrong with a connection string, without a word of it; '' if nothing is."""
    address = _URL.fullmatch(dsn)
    if address is None:
        return "" if _is_read(dsn) else _NOT_A_STRING
    scheme, rest = address.groups()
    if scheme not in _SCHEMES:
        return f"begins with {scheme[:40]}://; write postgresql://"
    if _is_ambiguous(rest) or not _is_read(dsn):
        return _NOT_AN_ADDRESS
    return ""


def _is_ambiguous(rest: str) -> bool:
    """Return whether a character of a password may have ended the password: libpq takes what follows for the host."""
    login, _, place = rest.rpartition("@")
    if re.search(r"[@/?#\[\]\s]|%(?![0-9a-fA-F]{2})", login):
        return True
    return _PLACE.fullmatch(place) is None  # a port that is none may be a part of a password


def _is_read(dsn: str) -> bool:
    try:
        parse_dsn(dsn)
    except psycopg2.ProgrammingError:
        return False
    return True
