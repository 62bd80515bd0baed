"""`retrain prepare`: what candidates have in common, fitted once. Only a cycle calls it: it is not in the help."""

from pathlib import Path
from typing import Annotated

import typer

from retrain.cli import train as train_command


def prepare(
    spec: Path,
    *,
    candidates: Annotated[str, typer.Option("--candidates")],
    snapshot: Annotated[str, typer.Option("--snapshot")],
    snapshots: Annotated[str, typer.Option("--snapshots")],
    into: Annotated[Path, typer.Option("--into")],
    folds: Annotated[int | None, typer.Option("--folds")] = None,
) -> None:
    """Fit the first steps that several candidates of a spec begin with, and write them into a folder."""
    from retrain.cycle.preparing import prepare_here
    from retrain.snapshots.store import SnapshotStore

    with train_command.told(into):
        read = train_command.spec_in(spec)
        rows = train_command.snapshot_in(spec, read, snapshot)
        prepare_here(read, candidates.split(","), rows, SnapshotStore(snapshots), into, folds=folds, say=typer.echo)
