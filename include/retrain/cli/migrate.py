"""`retrain migrate`: makes Retrain's tables, or brings them up to date."""

from typing import Annotated

import typer

from retrain.cli.database import connecting
from retrain.ledger.ledger import Ledger


def migrate(
    *,
    dsn: Annotated[
        str,
        typer.Option(
            metavar="DSN",
            help="libpq connection string of a role that may create; default: libpq's variables",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Bring Retrain's tables up to date."""
    done = Ledger(connecting(dsn)).migrate()
    typer.echo(f"Ran {', '.join(done)}." if done else "Nothing to do.")
