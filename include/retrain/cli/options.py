"""Arguments and options that several commands have."""

import getpass
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from retrain.errors import SettingsError
from retrain.spec import files as spec_files
from retrain.text import one_line


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


@contextmanager
def writing(option: str, path: Path) -> Iterator[None]:
    """Raise SettingsError where the file that an option names cannot be written in this block."""
    try:
        yield
    except OSError as error:
        raise SettingsError(f"{option} {path}: cannot be written: {one_line(error)}; name another file") from error


AsJson = Annotated[bool, typer.Option("--json", help="print one JSON document")]


def print_json(value: Any) -> None:
    typer.echo(to_json(value))


def to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
