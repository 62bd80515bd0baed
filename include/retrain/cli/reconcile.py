"""`retrain reconcile`: after MLflow or the ledger was restored, or a registered model was made anew."""

from typing import Annotated

import typer

from retrain.cli.exits import FAULT, GOOD
from retrain.cli.options import AsJson, By, Model, Specs, print_json
from retrain.preflight.stores import registry_of, stores_of


def reconcile(
    model: Model,
    *,
    why: Annotated[
        str | None, typer.Option("--why", metavar="TEXT", help="mend what can be mended, for this reason")
    ] = None,
    by: By,
    specs: Specs,
    as_json: AsJson = False,
) -> int:
    """Compare the ledger with MLflow's registry, after one of them was restored or a model was made anew.

    Without --why it only looks. With it, versions that MLflow has under another number are known by that one, and
    versions that were in Production are registered again from their logged models. Production itself stays as it is:
    the remedies name the command.
    """
    from retrain.preflight.reconcile import look, mend

    stores = stores_of(model, specs)
    found = look(model, stores.ledger, stores.tracker)
    done = [*mend(found, registry_of(stores), by=by, why=why)] if why else []
    left = look(model, stores.ledger, stores.tracker) if done else found
    if as_json:
        print_json({"done": done, "differences": [each.to_json() for each in left]})
        return FAULT if left else GOOD
    for line in done:
        typer.echo(line)
    for each in left:
        typer.echo(f"{model}: {each.says}\n    {each.remedy}")
    if not left:
        typer.echo(f"{model}: the ledger and MLflow agree")
    return FAULT if left else GOOD
