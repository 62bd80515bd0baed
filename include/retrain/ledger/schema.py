"""The name of Retrain's schema, which an installation may choose."""

import os
import re
from typing import Any

from psycopg2.extras import RealDictCursor

from retrain.errors import SettingsError
from retrain.text import printable, shorten, sql_name

VARIABLE, DEFAULT = "RETRAIN_SCHEMA", "retrain"
_PLAIN = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_OF_OTHERS = ("public", "information_schema")
_HERE = re.compile(rf"\b{DEFAULT}\.")
"""How statements write it."""


def schema_name(name: str | None = None) -> str:
    """Return the name, by default that of `RETRAIN_SCHEMA`. Raises SettingsError unless it is a plain one."""
    chosen = name or os.environ.get(VARIABLE) or DEFAULT
    if not _PLAIN.fullmatch(chosen):
        raise SettingsError(
            f"{VARIABLE} = {printable(shorten(chosen, 80))!r}: is not a plain name of a schema; write at most 63 small "
            "letters, digits and _, without a digit or pg_ first, as in retrain"
        )
    if chosen in _OF_OTHERS:
        raise SettingsError(
            f"{VARIABLE} = {chosen!r}: is a schema of others; name one for Retrain alone, as in retrain"
        )
    return chosen


def cursor_in(schema: str) -> type[RealDictCursor]:
    """Return a cursor whose rows are dictionaries, and whose statements are run in this schema.

    The name is written into each statement: a `search_path` that a session has set would, behind a proxy that pools
    transactions, be that of another client.
    """
    if schema == DEFAULT:
        return RealDictCursor
    here = f"{sql_name(schema)}."

    class InSchema(RealDictCursor):
        def execute(self, query: Any, vars: Any = None) -> None:
            super().execute(_HERE.sub(here, query), vars)

    return InSchema
