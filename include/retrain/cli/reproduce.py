"""`retrain reproduce`: a version fitted again, from the ledger alone."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from retrain.cli.exits import FAULT, GOOD
from retrain.cli.options import AsJson, Model, Specs, print_json
from retrain.preflight.stores import stores_of

if TYPE_CHECKING:
    from retrain.preflight.reproduce import Reproduced


def reproduce(
    model: Model,
    *,
    version: Annotated[str, typer.Option("--version", metavar="N", help="which of its versions")],
    specs: Specs,
    as_json: AsJson = False,
) -> int:
    """Fit a version again, as the ledger knows that it was fitted, and compare what both predict.

    The rows are those of its snapshot, the parameters those of its spec of then. Nothing is logged or changed.
    """
    from retrain.preflight.reproduce import reproduce as again  # MLflow and scikit-learn

    found = again(stores_of(model, specs), version)
    if as_json:
        print_json(asdict(found) | {"same": found.same})
    else:
        typer.echo(f"{model}: version {version}{_says(found)}", err=not found.same)
    return GOOD if found.same else FAULT


def _says(found: "Reproduced") -> str:
    if found.gone:
        return f" cannot be fitted again. Gone: {found.gone}"
    if found.same:
        return f" ({found.candidate}), fitted again, predicts the same for all {found.rows:,} rows of its snapshot"
    why = f"; {'; '.join(found.changed)}" if found.changed else "; its function or a library is not deterministic"
    return (
        f" ({found.candidate}), fitted again, predicts otherwise for {found.other:,} of {found.rows:,} rows (numbers "
        f"differ by up to {found.furthest:.3g}){why}"
    )
