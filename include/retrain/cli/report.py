"""`retrain report`: fetches what a cycle wrote about itself."""

from pathlib import Path
from typing import Annotated

import typer

from retrain.cli.options import AsJson, print_json
from retrain.errors import refuse_login


def report(
    *,
    run: Annotated[str, typer.Option("--run", metavar="ID", help="of the cycle's run in MLflow")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="where to write it; default: here", show_default=False)
    ] = Path(),
    markdown: Annotated[
        bool, typer.Option("--markdown", help="report.md and its pictures, in place of report.html")
    ] = False,
    mlflow: Annotated[
        str,
        typer.Option(
            "--mlflow",
            metavar="URI",
            envvar="MLFLOW_TRACKING_URI",
            help="of the tracking server; you log in to it with MLflow's own variables",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Fetch the report of a cycle from its run in MLflow.

    It is one HTML file, or Markdown with pictures.
    """
    from retrain.reports.kept import fetch  # MLflow, which `migrate` does not need
    from retrain.tracker.client import ExperimentTracker

    refuse_login("--mlflow", mlflow, "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
    wrote = fetch(ExperimentTracker(mlflow), run, out, markdown=markdown)
    if as_json:
        print_json({"run": run, "wrote": str(wrote)})
    else:
        typer.echo(f"Wrote {wrote}.")
