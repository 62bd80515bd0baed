"""`retrain freeze`: no version goes forward into Production for a while."""

from typing import Annotated
from uuid import uuid4

import typer

from retrain.cli.options import AsJson, By, Model, Specs, Why, print_json
from retrain.preflight.stores import stores_of
from retrain.records import LONGEST_FREEZE


def freeze(
    model: Model,
    *,
    why: Why,
    days: Annotated[
        float, typer.Option("--days", metavar="DAYS", min=0, max=LONGEST_FREEZE, help="from now; 0 ends a freeze")
    ] = 7,
    by: By,
    specs: Specs,
    as_json: AsJson = False,
) -> None:
    """Keep the Production of a model as it is for some days, or end that. A rollback is still possible."""
    from retrain.cycle.freeze import freeze as freeze_until

    ledger = stores_of(model, specs).ledger
    freeze_until(ledger, uuid4().hex, model, days=days, by=by, why=why)
    holds = ledger.freeze_of(model)
    if as_json:
        print_json(None if holds is None else holds.to_json())
    else:
        typer.echo(f"{model}: is not frozen" if holds is None else str(holds))
