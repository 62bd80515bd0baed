"""`retrain check`: finds what is wrong with specs before their first run does."""

from functools import partial
from pathlib import Path
from typing import Annotated

import psycopg2
import typer

from retrain.errors import RetrainError
from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile, SpecFolder


def check(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            default_factory=spec_files.folder,
            show_default=f"RETRAIN_SPECS, or else {spec_files.SHIPPED}",
            help="where the specs are",
        ),
    ],
    *,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="DSN",
            help="also look at the tables in this database, and say how new rows are counted there; a libpq connection "
            "string, '' for libpq's variables",
        ),
    ] = None,
    connection: Annotated[
        str | None, typer.Option(metavar="ID", help="with --source: only of specs whose source.connection it is")
    ] = None,
) -> int:
    """Read every spec, import its estimators and build them."""
    found = spec_files.load_folder(folder)
    faults = _faults(found, folder)
    if not faults:
        typer.echo(f"{len(found.files)} specs are good: {', '.join(file.path.name for file in found.files)}")
    if source is not None:
        of_connection = (file for file in found.files if connection in (None, file.spec.source.connection))
        faults += [fault for file in of_connection for fault in _check_source(file, source)]
    for fault in faults:
        typer.echo(fault, err=True)
    return 1 if faults else 0


def _faults(found: SpecFolder, folder: Path) -> list[str]:
    # scikit-learn: two seconds that `migrate` does not need
    from retrain.gate.scorers import scorers_for
    from retrain.models.training import build

    faults = list(found.faults)
    for file in found.files:
        gate = file.spec.gate
        checks = [partial(build, candidate) for candidate in file.spec.candidates]
        checks.append(partial(scorers_for, (gate, *gate.limits), file.spec.task, ()))
        for run_check in checks:
            try:
                run_check()
            except RetrainError as error:
                faults.append(f"{file.path.name}: {error}")
    if not found.files and not faults:
        faults.append(f"{folder}: holds no *.yaml; write one spec for each model into it")
    return faults


def _check_source(file: SpecFile, dsn: str) -> list[str]:
    """Print how new rows are counted; return what cannot be read as the spec says."""
    from retrain.source.table import Source  # pyarrow, which `migrate` does not need

    try:
        plan = Source(lambda: psycopg2.connect(dsn), file.spec.source, file.sql, file.spec.snapshot).count_plan()
    except RetrainError as error:
        return [f"{file.path.name}: {line}" for line in str(error).splitlines()]
    typer.echo(f"{file.path.name}: {plan}")
    return []
