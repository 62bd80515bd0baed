"""`retrain rollback`: the version before goes back into Production."""

from typing import Annotated

import typer

from retrain.cli.history import line
from retrain.cli.options import AsJson, By, Model, Specs, Why, print_json
from retrain.errors import RollbackError
from retrain.preflight.stores import registry_of, stores_of


def rollback(
    model: Model,
    *,
    why: Why,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="VERSION", help="default: the nearest before that loads and scores rows"),
    ] = None,
    expects: Annotated[
        str | None,
        typer.Option(
            "--expects",
            metavar="VERSION",
            help="refuse if another one is in Production; a repeated call then takes back nothing more",
        ),
    ] = None,
    by: By,
    specs: Specs,
    as_json: AsJson = False,
) -> None:
    """Put a version that was in Production before back there, when it has loaded and scored rows in a fresh process."""
    from retrain.production.apply import apply

    stores = stores_of(model, specs)
    if expects is None:
        expects = apply(model, stores.ledger, stores.tracker)
    if expects is None:
        raise RollbackError(f"{model}: nothing is in Production, so there is nothing to take back")
    done = registry_of(stores).rollback(model, expects=expects, to=to, by=by, why=why)
    if as_json:
        print_json(done.to_json())
    else:
        typer.echo(line(done))
