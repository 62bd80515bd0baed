"""`retrain adopt`: takes over a Production of somebody else's, after a person has said what they trust."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from retrain.cli.exits import GOOD, NOT_REPEATED
from retrain.cli.options import AsJson, By, Model, Specs, Why, print_json
from retrain.cli.times import time_of
from retrain.errors import SettingsError
from retrain.preflight.stores import registry_of, stores_of


def adopt(
    model: Model,
    version: Annotated[
        str | None,
        typer.Argument(metavar="[VERSION]", help="default: the one that is Production, or looks like it"),
    ] = None,
    *,
    why: Why,
    trained_before: Annotated[
        str | None,
        typer.Option(
            "--trained-before",
            metavar="TIME",
            help="rows that were labelled later have not trained it, and may judge it; default: when it was registered",
        ),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option("--python", metavar="NAME", help="interpreter that loads it, of those that RETRAIN_PYTHONS lists"),
    ] = None,
    none: Annotated[
        bool, typer.Option("--none", help="say that what looks like Production is not: cycles go on without it")
    ] = False,
    repeated: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="as it was shown; without it you are asked")
    ] = None,
    digest: Annotated[
        str | None, typer.Option("--digest", metavar="DIGEST", help="as it was shown; 12 characters are enough")
    ] = None,
    by: By,
    specs: Specs,
    as_json: AsJson = False,
) -> int:
    """Take over a Production that Retrain did not log.

    Shows the format and the digest of its files, which you repeat: the trust is in this digest alone. Then it is loaded
    in a process without logins, and must score rows of the source. It becomes Production if nothing is; a model whose
    Production was adopted is observed until its spec says `mode: enforce`.
    """
    from retrain.production.adoption import Trust

    stores = stores_of(model, specs)
    registry = registry_of(stores)
    if none:
        if version is not None:
            raise SettingsError("--none: is about all that look like Production; leave VERSION out")
        dismissed = [each.standing for each in registry.dismiss(model, by=by, why=why)]
        _tell({"dismissed": dismissed}, f"{model}: not Production: {', '.join(dismissed) or 'none was found'}", as_json)
        return GOOD
    before = None if trained_before is None else time_of(trained_before, "--trained-before")
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        found = registry.look(registry.candidate(model, version), Path(folder))
        shown = {"version": found.version.version, "format": found.format, "digest": found.digest}
        if repeated is None or digest is None:
            typer.echo(found, err=as_json)
            if not sys.stdin.isatty():
                _tell(shown, "Nothing was done. Say --format and --digest as they are here, if you trust it.", as_json)
                return NOT_REPEATED
            repeated, digest = typer.prompt("format"), typer.prompt("digest (12 characters are enough)")
        trust = Trust(repeated, digest, by, why, before, python)
        row = registry.take_over(found, trust, stores.spec, stores.source)
    is_production = row is not None and row.to_version == found.version.version
    text = f"{found.version.standing} of {model} is adopted{', and is Production' if is_production else ''}."
    _tell(shown | {"adopted": True, "production": is_production}, text, as_json)
    return GOOD


def _tell(value: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        print_json(value)
    else:
        typer.echo(text)
