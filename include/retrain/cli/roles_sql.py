"""The SQL that `retrain migrate --sql` prints, for an administrator to read and to run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from retrain.errors import SettingsError, SpecError
from retrain.ledger import rights
from retrain.ledger.schema import schema_name
from retrain.source import rights as source_rights
from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile
from retrain.spec.source import SourceSpec
from retrain.spec.table import Table
from retrain.text import sql_name


@dataclass(frozen=True)
class Roles:
    """Names of roles, which may not be there yet."""

    owner: str
    runtime: str
    source: str


def script(roles: Roles, folder: Path | None) -> str:
    """Return the SQL. folder: of the specs; None if none is named: then nothing is said about users' tables.

    Raises SettingsError for a name that cannot be one of a role, and SpecError for a spec that cannot be read: what it
    names would be missing.
    """
    _refuse_names(roles)
    schema = schema_name()
    lines = [
        "-- What Retrain's roles may do. Nothing was run: read it, and run it as an administrator. Run again, it does",
        "-- no harm. Roles have no password yet: set one (in psql: \\password), or let them log in otherwise.",
        "",
        "-- In the ledger's database:",
        *_ended(rights.of_administrator(roles.owner, roles.runtime, schema)),
        f"-- An administrator that is not a superuser first runs: GRANT {sql_name(roles.owner)} TO CURRENT_USER;",
        "",
        f"-- Then `retrain migrate --runtime-role {roles.runtime}` as {roles.owner} makes the tables, and lets "
        f"{roles.runtime}",
        "-- use them. It runs, beside the tables themselves:",
        *(f"--   {each}" for each in _ended(rights.of_runtime(roles.runtime, schema))),
        *_of_sources(roles.source, folder),
    ]
    return "\n".join(lines) + "\n"


def _of_sources(role: str, folder: Path | None) -> Iterator[str]:
    if folder is None:
        yield "\n-- No folder of specs is named (RETRAIN_SPECS, --specs), so nothing is said about your tables."
        return
    found = spec_files.load_folder(folder)
    if found.faults:
        raise SpecError("\n".join(found.faults))
    files = sorted(found.files, key=_connection)
    for connection, of_connection in groupby(files, key=_connection):
        yield f"\n-- In the database of connection {connection}:"
        yield from _ended([rights.role_made(role), rights.may_connect(role)])
        for file in of_connection:
            yield from _of_source(file, role)


def _of_source(file: SpecFile, role: str) -> Iterator[str]:
    source, served = file.spec.source, file.spec.predictions
    yield from _of_table(file, "source", source, source_rights.columns_read(source), role)
    if served is not None:
        yield from _of_table(file, "predictions", served, served.columns(source.key), role)
    if file.spec.ab is not None:
        for field, table in file.spec.ab.tables.items():
            yield from _of_table(file, field, table, table.columns, role)


def _of_table(
    file: SpecFile, field: str, table: SourceSpec | Table, columns: Sequence[str], role: str
) -> Iterator[str]:
    named = file.path.name if field == "source" else f"{file.path.name}, {field},"
    if table.table is None:
        yield f"-- {named} reads the result of {table.query}: grant SELECT on the columns that it names; or"
        yield f"-- make a view of it, grant SELECT on that, and name it as {field}.table."
        return
    yield f"-- {named.rstrip(',')}" + ("" if "." in table.table else ", whose table is the first in the search path:")
    try:
        yield from _ended(source_rights.of_table(table.table, columns, role))
    except ValueError as error:
        raise SpecError(f"{file.path.name}: {field}: {error}; correct it") from None


def _connection(file: SpecFile) -> str:
    return file.spec.source.connection


def _ended(statements: Iterator[str] | list[str]) -> Iterator[str]:
    return (f"{statement};" for statement in statements)


def _refuse_names(roles: Roles) -> None:
    for option, name in (("owner", roles.owner), ("runtime", roles.runtime), ("source", roles.source)):
        try:
            sql_name(name)
        except ValueError as error:
            raise SettingsError(f"--{option}-role: {error}") from None
        if not name.isprintable():
            raise SettingsError(f"--{option}-role: {name!r} holds what cannot be printed; choose another name")
