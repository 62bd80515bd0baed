"""`retrain forget`: erases a person's rows from the snapshots of a model, and units from its split tests."""

from typing import TYPE_CHECKING, Annotated

import typer

from retrain.cli.database import connecting
from retrain.cli.options import AsJson, models_of_specs, print_json
from retrain.errors import refuse_login
from retrain.ledger.ledger import Ledger

if TYPE_CHECKING:
    from retrain.cycle.retention import Forgotten


def forget(
    *,
    model: Annotated[
        str, typer.Option("--model", metavar="MODEL", help="as in its spec", autocompletion=models_of_specs)
    ],
    key: Annotated[
        list[str],
        typer.Option(
            "--key",
            metavar="KEY",
            default_factory=list,
            help="of the rows, as the source has them; several: --key 4711 --key 4712",
            show_default=False,
        ),
    ],
    unit: Annotated[
        list[str],
        typer.Option(
            "--unit",
            metavar="UNIT",
            default_factory=list,
            help="of split tests, whose exposures were recorded over HTTP; --dsn must be of the owner of the tables",
            show_default=False,
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
        str,
        typer.Option(
            "--snapshots",
            metavar="URI",
            envvar="RETRAIN_SNAPSHOTS_URI",
            help="where snapshots are; needed with --key",
            show_default=False,
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Erase rows from every snapshot of a model, and units from what its split tests have recorded.

    Delete the rows from the source before, or the next snapshot takes them again.
    """
    if not key and not unit:
        raise typer.BadParameter(
            "--key, --unit: name what is to be erased, the keys of rows or the units of split tests"
        )
    if key and not snapshots:
        raise typer.BadParameter("--snapshots: name where snapshots are, or set RETRAIN_SNAPSHOTS_URI")
    refuse_login("--snapshots", snapshots, "give it to the store's own variables, such as AWS_ACCESS_KEY_ID")
    ledger = Ledger(connecting(dsn))
    ledger.check()
    exposures = ledger.forget_units(model, unit) if unit else 0
    forgotten = _rows(model, key, snapshots, ledger) if key else []
    if as_json:
        rows = [{"snapshot": each.snapshot.id, "rows": each.rows, "versions": [*each.versions]} for each in forgotten]
        print_json({"snapshots": rows, "exposures": exposures})
        return
    for each in forgotten:
        versions = f"; version {', '.join(each.versions)} cannot be reproduced any more" if each.versions else ""
        typer.echo(f"{each.rows:,} rows erased from snapshot {each.snapshot.id}{versions}")
    if key and not forgotten:
        typer.echo(f"No snapshot of {model} holds these keys.")
    if unit:
        typer.echo(f"{exposures:,} exposures erased from the split tests of {model}")


def _rows(model: str, keys: list[str], snapshots: str, ledger: Ledger) -> "list[Forgotten]":
    from retrain.cycle import retention  # pyarrow, which `migrate` does not need
    from retrain.snapshots.store import SnapshotStore

    return retention.forget(model, keys, snapshots=SnapshotStore(snapshots), ledger=ledger)
