"""`retrain forget`: erases a person's rows from the snapshots of a model."""

from typing import Annotated

import typer

from retrain.cli.database import connecting
from retrain.cli.options import AsJson, models_of_specs, print_json
from retrain.errors import refuse_login
from retrain.ledger.ledger import Ledger


def forget(
    *,
    model: Annotated[
        str, typer.Option("--model", metavar="MODEL", help="as in its spec", autocompletion=models_of_specs)
    ],
    key: Annotated[
        list[str],
        typer.Option(
            "--key", metavar="KEY", help="of the rows, as the source has them; several: --key 4711 --key 4712"
        ),
    ],
    dsn: Annotated[
        str,
        typer.Option(
            "--dsn",
            metavar="DSN",
            help="of schema `retrain`: libpq connection string; default: libpq's variables",
            show_default=False,
        ),
    ] = "",
    snapshots: Annotated[
        str, typer.Option("--snapshots", metavar="URI", envvar="RETRAIN_SNAPSHOTS_URI", help="where snapshots are")
    ],
    as_json: AsJson = False,
) -> None:
    """Erase rows from every snapshot of a model.

    Delete the rows from the source before, or the next snapshot takes them again.
    """
    from retrain.cycle import retention  # pyarrow, which `migrate` does not need
    from retrain.snapshots.store import SnapshotStore

    refuse_login("--snapshots", snapshots, "give it to the store's own variables, such as AWS_ACCESS_KEY_ID")
    ledger = Ledger(connecting(dsn))
    ledger.check()
    forgotten = retention.forget(model, key, snapshots=SnapshotStore(snapshots), ledger=ledger)
    if as_json:
        print_json(
            [{"snapshot": each.snapshot.id, "rows": each.rows, "versions": [*each.versions]} for each in forgotten]
        )
        return
    for each in forgotten:
        versions = f"; version {', '.join(each.versions)} cannot be reproduced any more" if each.versions else ""
        typer.echo(f"{each.rows:,} rows erased from snapshot {each.snapshot.id}{versions}")
    if not forgotten:
        typer.echo(f"No snapshot of {model} holds these keys.")
