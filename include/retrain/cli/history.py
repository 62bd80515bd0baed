"""`retrain history`: what was in Production, from when, by whom and why."""

from datetime import UTC

import typer

from retrain.cli.options import AsJson, Model, Specs, print_json
from retrain.preflight.stores import stores_of
from retrain.records import Promotion


def history(model: Model, *, specs: Specs, as_json: AsJson = False) -> None:
    """Print each change of Production, the newest first: from which version to which, when, by whom and why."""
    changes = stores_of(model, specs).ledger.history(model)[::-1]
    if as_json:
        print_json([each.to_json() for each in changes])
        return
    if not changes:
        typer.echo(f"{model}: nothing has been in Production yet")
    for each in changes:
        typer.echo(line(each))


def line(each: Promotion) -> str:
    """Return a change of Production as one line."""
    went, came = (f"version {version}" if version else "none" for version in (each.from_version, each.to_version))
    state = "" if each.applied_at else " (superseded)" if each.superseded_at else " (not carried out yet)"
    at = each.at.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC  {each.kind}: from {went} to {came}{state}; by {each.by}: {each.why}"
