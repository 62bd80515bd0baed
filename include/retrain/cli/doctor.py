"""`retrain doctor`: what is wrong with an installation, before a cycle finds out."""

from typing import Annotated

import typer

from retrain.cli.exits import FAULT, GOOD
from retrain.cli.options import AsJson, Specs, print_json


def doctor(
    *,
    specs: Specs,
    only: Annotated[
        str,
        typer.Option(
            "--only",
            metavar="NAME",
            show_default=False,
            help="look only at what begins with this name: specs, packages, interpreters, Airflow, ledger, snapshots, "
            'MLflow, or e.g. "source of letters"',
        ),
    ] = "",
    quiet: Annotated[bool, typer.Option("--quiet", help="leave out what is good")] = False,
    as_json: AsJson = False,
) -> int:
    """Look at packages, connections, rights, clocks, sources and Productions, and say of each fault what to do.

    It writes a file where snapshots are, and an experiment of its own in MLflow, and takes both away again. All else it
    only reads.
    """
    from retrain.preflight import doctor as it
    from retrain.preflight.probe import State

    found = []
    for each in it.look(specs, only):
        found.append(each)
        if not as_json and not (quiet and each.state is State.GOOD):
            typer.echo(f"{each.state:<4}  {each}")
    if as_json:
        print_json([each.to_json() for each in found])
    failed, warned = (sum(each.state is state for each in found) for state in (State.FAIL, State.WARN))
    if not as_json:
        typer.echo(f"{failed} fail, {warned} to be warned of, {len(found) - failed - warned} good")
    return FAULT if failed else GOOD
