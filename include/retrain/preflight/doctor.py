"""An installation and its models, looked at before a cycle finds out what is wrong.

It reads, and takes away again what it tries: a file where snapshots are, and an experiment of its own in MLflow. What
needs Airflow is added by `PROBES`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from retrain.preflight import probes_ledger, probes_mlflow, probes_packages, probes_source
from retrain.preflight.probe import Found, fail, good, guarded
from retrain.preflight.stores import Stores, stores_at
from retrain.spec import files as spec_files
from retrain.spec.spec import Spec

PROBES = "retrain.probes"
"""Entry points: functions that are given the spec files, and yield what they have found."""


def look(folder: Path | None) -> Iterator[Found]:
    """Yield what is found, good or not. folder: of the specs; None if it is not named."""
    specs = spec_files.load_folder(folder)
    for text in specs.faults:
        yield from (fail("specs", line) for line in text.splitlines())
    if specs.files:
        yield good("specs", f"{len(specs.files)} can be read: {', '.join(file.path.name for file in specs.files)}")
    elif not specs.faults:
        yield fail("specs", f"{folder} holds no *.yaml", "write one spec for each model into it, or run `retrain init`")
    yield from guarded("packages", probes_packages.look, specs.files)
    for entry in entry_points(group=PROBES):
        yield from guarded(entry.name, entry.load(), specs.files)
    all_ = [(file.spec, stores_at(file)) for file in specs.files]
    for name, stores in _first(all_, lambda spec: spec.connections.ledger).items():
        yield from guarded(f"ledger {name}", _ledger, name, stores)
    for _, stores in all_[:1]:
        yield from guarded("snapshots", _snapshots, stores)
    for name, stores in _first(all_, lambda spec: spec.connections.mlflow).items():
        models = [spec.model for spec, _ in all_ if spec.connections.mlflow == name]
        yield from guarded(f"MLflow {name}", _mlflow, name, stores, models)
    for spec, stores in all_:
        yield from guarded(f"source of {spec.model}", _source, spec, stores)
        yield from guarded(f"Production of {spec.model}", _production, spec, stores)


# Each opens its stores, which may fail, within `guarded`.


def _ledger(name: str, stores: Stores) -> Iterator[Found]:
    yield from probes_ledger.look(f"ledger {name}", stores.ledger)


def _snapshots(stores: Stores) -> Iterator[Found]:
    yield from probes_ledger.look_at_snapshots(stores.snapshots)


def _mlflow(name: str, stores: Stores, models: Sequence[str]) -> Iterator[Found]:
    yield from probes_mlflow.look(f"MLflow {name}", stores.tracker, models)


def _source(spec: Spec, stores: Stores) -> Iterator[Found]:
    yield from probes_source.look(spec, stores.source)


def _production(spec: Spec, stores: Stores) -> Iterator[Found]:
    yield from probes_mlflow.look_at_production(spec, stores.ledger, stores.tracker)


def _first(all_: Iterable[tuple[Spec, Stores]], connection: Callable[[Spec], str]) -> dict[str, Stores]:
    """Return the stores of the first spec for each connection."""
    found: dict[str, Stores] = {}
    for spec, stores in all_:
        found.setdefault(connection(spec), stores)
    return found
