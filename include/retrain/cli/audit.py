"""`retrain audit`: what is wrong in an MLflow registry, whoever keeps it."""

from pathlib import Path
from typing import Annotated

import typer

from retrain.cli.exits import FAULT, GOOD
from retrain.cli.options import print_json, writing
from retrain.errors import refuse_login


def audit(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="default: all", show_default=False)
    ] = None,
    *,
    mlflow: Annotated[
        str,
        typer.Option(
            "--mlflow",
            metavar="URI",
            envvar="MLFLOW_TRACKING_URI",
            help="of the tracking server; you log in to it with MLflow's own variables",
        ),
    ],
    registry: Annotated[
        str | None,
        typer.Option(
            "--registry",
            metavar="URI",
            envvar="MLFLOW_REGISTRY_URI",
            help="of the registry, where it is another server",
            show_default=False,
        ),
    ] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option("--alias", metavar="NAME", help="an alias of Production, beside production, prod and champion"),
    ] = None,
    download: Annotated[
        bool,
        typer.Option(
            "--download",
            help="also download all files of the versions that are in use or that Retrain logged: to hold them to "
            "their digest, and to list the types in files of skops",
        ),
    ] = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="also write one page")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> int:
    """Say what is wrong in an MLflow registry: read it, change nothing, and load no model.

    It needs nothing else of Retrain: no specs, no ledger, no Airflow. docs/audit.md lists what it looks for.
    """
    from retrain.preflight.audit import audit as look  # MLflow and SciPy, which `migrate` does not need
    from retrain.preflight.audit_text import to_text, write_html
    from retrain.tracker.client import ExperimentTracker

    for option, address in (("--mlflow", mlflow), ("--registry", registry or "")):
        refuse_login(option, address, "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
    tracker = ExperimentTracker(mlflow, registry_uri=registry)
    found = look(tracker, mlflow, models=models or (), aliases=alias or (), download=download)
    if html is not None:
        with writing("--html", html):
            write_html(found, html)
    if as_json:
        print_json(found.to_json())
    else:
        typer.echo(to_text(found))
    if html is not None and not as_json:
        typer.echo(f"Wrote {html}.")
    return FAULT if found.has_faults else GOOD
