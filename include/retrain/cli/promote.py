"""`retrain promote`: a person puts a version into Production."""

from typing import Annotated

import typer

from retrain.cli.history import line
from retrain.cli.options import AsJson, By, Model, Specs, Why, print_json
from retrain.preflight.stores import registry_of, stores_of


def promote(
    model: Model,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="its number; Retrain logged it, or it was adopted")],
    *,
    why: Why,
    by: By,
    specs: Specs,
    as_json: AsJson = False,
) -> None:
    """Put a version into Production by hand, when it has loaded and scored rows in a fresh process.

    No gate judges it. A freeze holds it back.
    """
    from retrain.production.apply import apply

    stores = stores_of(model, specs)
    now = apply(model, stores.ledger, stores.tracker)
    done = registry_of(stores).promote(model, version, expects=now, by=by, why=why)
    if as_json:
        print_json(done.to_json())
    else:
        typer.echo(line(done))
