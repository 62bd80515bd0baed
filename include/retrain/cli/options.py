"""Arguments and options that several commands have."""

import getpass
import json
import socket
from pathlib import Path
from typing import Annotated, Any

import typer

from retrain.spec import files as spec_files


def models_of_specs(context: typer.Context, incomplete: str) -> list[str]:
    """Return the models that the shell offers: those of the specs, read from the folder alone."""
    folder = context.params.get("specs") or spec_files.folder()
    known = [file.spec.model for file in spec_files.load_folder(None if folder is None else Path(folder)).files]
    return [model for model in known if model.startswith(incomplete)]


Model = Annotated[str, typer.Argument(metavar="MODEL", help="as in its spec", autocompletion=models_of_specs)]
Specs = Annotated[
    Path | None,
    typer.Option(
        "--specs",
        metavar="FOLDER",
        default_factory=spec_files.folder,
        show_default="RETRAIN_SPECS",
        help="where the specs are",
    ),
]
Why = Annotated[
    str, typer.Option("--why", metavar="TEXT", help="the reason; the history and the team's message quote it")
]
By = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="NAME",
        default_factory=lambda: f"{getpass.getuser()} at {socket.gethostname()}",
        show_default="your login and this machine",
        help="who does it",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON document")]


def print_json(value: Any) -> None:
    typer.echo(to_json(value))


def to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
