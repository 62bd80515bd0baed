"""`retrain ab`: what a person asks about split tests from a shell."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from retrain.cli.database import connecting
from retrain.cli.options import AsJson, print_json
from retrain.spec import files as spec_files


def ab_plan(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="the file of the spec, which has a section ab")],
    *,
    source: Annotated[
        str,
        typer.Option("--source", metavar="DSN", help="read exposures and outcomes here; a libpq connection string"),
    ],
    units_a_day: Annotated[
        float | None,
        typer.Option(
            "--units-a-day",
            min=0,
            help="new units that the model serves each day; default: as many as are in ab.exposures",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how long a split test takes, before it begins: units and weeks for each metric of section `ab`.

    By what the units have done until now, and by the bounds that will decide the test. It writes nothing.
    """
    from retrain.ab.planned import planned, sentences  # scipy, which `migrate` does not need
    from retrain.ab.units import Units

    file = spec_files.load(spec)
    units = Units(connecting(source, "--source"), file.spec, file.queries, lambda _: iter(()))
    found = planned(file.spec, units, datetime.now(UTC), units_a_day)
    if as_json:
        print_json(found.to_json())
    else:
        typer.echo("\n".join(sentences(found)))
