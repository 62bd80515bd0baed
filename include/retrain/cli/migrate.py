"""`retrain migrate`: makes Retrain's tables, or brings them up to date; or prints the SQL of the roles around them."""

from pathlib import Path
from typing import Annotated

import typer

from retrain import extras
from retrain.cli import roles_sql
from retrain.cli.database import connecting
from retrain.cli.options import AsJson, print_json
from retrain.errors import SettingsError
from retrain.ledger.ledger import Ledger
from retrain.ledger.rights import OWNER_ROLE, RUNTIME_ROLE
from retrain.source.rights import ROLE as SOURCE_ROLE
from retrain.spec import files as spec_files


def migrate(
    *,
    dsn: Annotated[
        str,
        typer.Option(
            "--dsn",
            metavar="DSN",
            help="libpq connection string of the schema's owner, or of a role that may create it; default: libpq's "
            "variables",
            show_default=False,
        ),
    ] = "",
    sql: Annotated[
        bool,
        typer.Option(
            "--sql",
            help="print, and do not run, what an administrator runs before: roles with the fewest rights, and an empty "
            "schema",
        ),
    ] = False,
    owner_role: Annotated[
        str | None,
        typer.Option("--owner-role", metavar="NAME", help=f"with --sql: makes the tables; default: {OWNER_ROLE}"),
    ] = None,
    runtime_role: Annotated[
        str | None,
        typer.Option(
            "--runtime-role",
            metavar="NAME",
            help=f"of the tasks, may write rows; default: {RUNTIME_ROLE}, where there is such a role",
        ),
    ] = None,
    source_role: Annotated[
        str | None,
        typer.Option("--source-role", metavar="NAME", help=f"with --sql: may read your tables; default: {SOURCE_ROLE}"),
    ] = None,
    specs: Annotated[
        Path | None,
        typer.Option(
            "--specs",
            metavar="FOLDER",
            default_factory=spec_files.folder,
            show_default="RETRAIN_SPECS",
            help="with --sql: of the specs that name the columns to be read",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Bring Retrain's tables up to date, in schema `retrain` or the one that RETRAIN_SCHEMA names."""
    if sql and as_json:
        raise SettingsError("--json: is not for --sql, which prints SQL; leave one of them out")
    if sql:
        roles = roles_sql.Roles(
            owner=owner_role or OWNER_ROLE, runtime=runtime_role or RUNTIME_ROLE, source=source_role or SOURCE_ROLE
        )
        typer.echo(roles_sql.script(roles, specs), nl=False)
        return
    for option, value in (("--owner-role", owner_role), ("--source-role", source_role)):
        if value is not None:
            raise SettingsError(f"{option}: is for --sql; the DSN says who migrates")
    ledger = Ledger(connecting(dsn))
    done = ledger.migrate(runtime_role)
    if extras.has("tune"):
        from retrain.tuning import storage

        storage.migrate(ledger, runtime_role)
    if as_json:
        print_json({"ran": done})
        return
    typer.echo(f"Ran {', '.join(done)}." if done else "Nothing to do.")
