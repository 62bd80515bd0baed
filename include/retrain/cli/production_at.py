"""`retrain production-at`: which version was in Production at a time."""

from typing import Annotated

import typer

from retrain.cli.options import AsJson, Model, Specs, print_json
from retrain.cli.times import time_of
from retrain.preflight.stores import stores_of


def production_at(
    model: Model,
    time: Annotated[
        str, typer.Argument(metavar="TIME", help="of ISO 8601, as 2026-11-29T08:00+09:00; without a zone it is UTC")
    ],
    *,
    specs: Specs,
    as_json: AsJson = False,
) -> None:
    """Print the version that was in Production at a time."""
    at = time_of(time, "TIME")
    version = stores_of(model, specs).ledger.production_at(model, at)
    if as_json:
        print_json({"model": model, "at": at.isoformat(), "version": version})
    else:
        typer.echo(f"{model}: {f'version {version}' if version else 'nothing'} was in Production at {at.isoformat()}")
