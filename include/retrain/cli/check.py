"""`retrain check`: finds what is wrong with specs before their first run does."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from psycopg2.extensions import connection as connection_

from retrain.cli.database import connecting
from retrain.cli.exits import FAULT, GOOD
from retrain.cli.options import AsJson, print_json
from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile

if TYPE_CHECKING:
    from retrain.preflight.finding import Finding


def check(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            default_factory=spec_files.folder,
            show_default="RETRAIN_SPECS",
            help="where the specs are",
        ),
    ],
    *,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="DSN",
            help="also hold each spec to its table in this database, try its candidates on some of its rows, and say "
            "how new rows are counted there; a libpq connection string, '' for libpq's variables",
        ),
    ] = None,
    connection: Annotated[
        str | None,
        typer.Option("--connection", metavar="ID", help="with --source: only of specs whose source.connection it is"),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Read every spec, and try its candidates as a cycle would: build, fit, score, save and load them.

    Prints every fault of every spec.
    """
    connect = None if source is None else connecting(source, "--source")
    found = spec_files.load_folder(folder)
    faults, remarks = list(found.faults), list[str]()
    if not found.files and not faults:
        faults.append(f"{folder}: holds no *.yaml; write one spec for each model into it")
    for file in found.files:
        of_connection = connection in (None, file.spec.source.connection)
        for finding in _findings(file, connect if of_connection else None):
            line = f"{file.path.name}: {finding.text}"
            (faults if finding.fault else remarks).append(line)
            if not finding.fault and not as_json:
                typer.echo(line)  # at once: the next one may take seconds
    if as_json:
        print_json({"specs": [file.path.name for file in found.files], "faults": faults, "remarks": remarks})
        return FAULT if faults else GOOD
    for fault in faults:
        typer.echo(fault, err=True)
    if not faults:
        good = "1 spec is" if len(found.files) == 1 else f"{len(found.files)} specs are"
        typer.echo(f"{good} good: {', '.join(file.path.name for file in found.files)}")
    return FAULT if faults else GOOD


def _findings(file: SpecFile, connect: Callable[[], connection_] | None) -> "Iterator[Finding]":
    # MLflow and scikit-learn: seconds that `migrate` does not need.
    from retrain.ab.units import Units
    from retrain.preflight.outlook import outlook
    from retrain.preflight.source import hold_to_source
    from retrain.preflight.spec import look
    from retrain.preflight.split import hold_to_tables
    from retrain.source.served import Served
    from retrain.source.table import Source

    source = None
    if connect is None:
        yield from look(file.spec)
    else:
        source = Source(connect, file.spec.source, file.sql, file.spec.snapshot)
        yield from hold_to_source(file.spec, source, Served.of(source, file.spec.predictions, file.queries))
        yield from hold_to_tables(file.spec, Units(connect, file.spec, file.queries, lambda _: iter(())))
    yield from outlook(file.spec, source)
