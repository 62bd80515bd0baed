"""`retrain train`: one candidate of a spec on one snapshot, in this process. A cycle trains by this command as well."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrain.cli.options import AsJson, print_json, writing
from retrain.errors import RetrainError, SettingsError, packed, refuse_login
from retrain.records import Snapshot, Subset
from retrain.spec import files as spec_files
from retrain.spec.spec import Spec

if TYPE_CHECKING:
    from retrain.cycle.fitting import Made, Order


def train(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="its file")],
    *,
    candidate: Annotated[str, typer.Option("--candidate", metavar="NAME", help="which of its candidates")],
    snapshot: Annotated[
        str, typer.Option("--snapshot", metavar="ID", help="on which rows; or a file with a Snapshot as JSON")
    ],
    into: Annotated[
        Path, typer.Option("--into", metavar="FOLDER", help="where its model and its figures are written to")
    ],
    subsets: Annotated[
        str, typer.Option("--subsets", metavar="LIST", help="what it learns from; a cycle's winner: train,validation")
    ] = Subset.TRAIN,
    snapshots: Annotated[
        str | None,
        typer.Option("--snapshots", metavar="URI", envvar="RETRAIN_SNAPSHOTS_URI", help="where snapshots are"),
    ] = None,
    shared: Annotated[
        Path | None, typer.Option("--shared", hidden=True, help="what a cycle has fitted for several candidates")
    ] = None,
    score_only: Annotated[bool, typer.Option("--score-only", hidden=True, help="write no model")] = False,
    folds: Annotated[int | None, typer.Option("--folds", hidden=True, help="with --score-only: cross-validate")] = None,
    as_json: AsJson = False,
) -> None:
    """Fit one candidate on the rows of a snapshot, as a cycle does, and write what it would log.

    FOLDER/model holds the model as MLflow stores it, FOLDER/made.json the figures, FOLDER/steps.jsonl the metrics by
    step. Nothing is logged, registered or judged.
    """
    with writing("--into", into):
        into.mkdir(parents=True, exist_ok=True)
    with told(into):
        order = replace(_order(spec, candidate, snapshot, subsets, shared), keeps=not score_only, folds=folds)
        made = _made(order, snapshots, into)
    if as_json:
        print_json(json.loads(made.to_text()))
        return
    scores = ", ".join(f"{name} {value:.4f}" for name, value in sorted(made.metrics.items()))
    typer.echo(
        f"{candidate}: fitted on {made.rows:,} rows in {made.seconds:.1f} s, {made.memory / 1e9:.2f} GB: {scores}"
        + ("" if score_only else f"; its model is in {into / 'model'}")
    )


def _order(path: Path, candidate: str, snapshot: str, subsets: str, shared: Path | None) -> "Order":
    from retrain.cycle.fitting import Order, SharedStep

    spec = spec_in(path)
    step = None if shared is None else SharedStep.from_json(json.loads(shared.read_text(encoding="utf-8")))
    return Order(spec, candidate, snapshot_in(path, spec, snapshot), _subsets(subsets), step)


def _made(order: "Order", uri: str | None, into: Path) -> "Made":
    from retrain.cycle.fitting import MADE, fit_here  # MLflow and scikit-learn
    from retrain.snapshots.store import SnapshotStore

    if not uri:
        raise SettingsError("--snapshots: is missing; write it, or set RETRAIN_SNAPSHOTS_URI")
    refuse_login("--snapshots", uri, "give it to the store's own variables, such as AWS_ACCESS_KEY_ID")
    made = fit_here(order, SnapshotStore(uri), into)
    (into / MADE).write_text(made.to_text(), encoding="utf-8")
    return made


def spec_in(path: Path) -> Spec:
    """Return the spec in a file."""
    if path.suffix == ".json":  # as a cycle hands it on
        return Spec.model_validate_json(path.read_bytes())
    return spec_files.load(path).spec


def snapshot_in(path: Path, spec: Spec, name: str) -> Snapshot:
    """Return the snapshot in a file of that name, or the one that the ledger knows."""
    if Path(name).is_file():
        return Snapshot.from_json(json.loads(Path(name).read_text(encoding="utf-8")))
    from retrain.preflight.stores import stores_at

    return stores_at(spec_files.load(path)).ledger.snapshot(spec.model, name)


def _subsets(text: str) -> tuple[Subset, ...]:
    try:
        return tuple(Subset(each.strip()) for each in text.split(","))
    except ValueError as error:
        raise SettingsError(f"--subsets {text}: {error}; write one or more of {', '.join(Subset)}") from None


@contextmanager
def told(into: Path) -> Iterator[None]:
    """Write an error into the folder as well: who has started this process reads it there."""
    from retrain.cycle.fitting import ERROR

    try:
        yield
    except (RetrainError, OSError, MemoryError) as error:
        (into / ERROR).write_text(json.dumps(packed(error), ensure_ascii=False), encoding="utf-8")
        raise


def prepare() -> None:
    """Do once what takes seconds, for `retrain.models.forks`."""
    import retrain.cli.main
    import retrain.cycle.preparing  # noqa: F401
    from retrain.tracker import model_writer

    model_writer.prepare()
