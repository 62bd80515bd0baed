"""The stores of a model, by the connections that its spec names. Who runs the DAGs knows these connections."""

import sys
from contextlib import redirect_stdout
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from retrain.errors import SettingsError
from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile
from retrain.spec.spec import Spec

if TYPE_CHECKING:
    from retrain.ab.units import Units
    from retrain.ledger.ledger import Ledger
    from retrain.production.registry import Registry
    from retrain.snapshots.store import SnapshotStore
    from retrain.source.served import Served
    from retrain.source.table import Source
    from retrain.tracker.client import ExperimentTracker

GROUP = "retrain.stores"
"""Entry points: a function that returns the stores of a spec, given the path of its file."""


class Stores(Protocol):
    """Each is opened when it is first asked for. Raises RetrainError where its connection leads nowhere."""

    @property
    def spec(self) -> Spec: ...
    @property
    def ledger(self) -> "Ledger": ...
    @property
    def tracker(self) -> "ExperimentTracker": ...
    @property
    def snapshots(self) -> "SnapshotStore": ...
    @property
    def source(self) -> "Source": ...
    @property
    def served(self) -> "Served | None": ...
    @property
    def units(self) -> "Units": ...


def stores_of(model: str, folder: Path | None) -> Stores:
    """Return the stores of a model. Raises SpecError where no spec has it."""
    return stores_at(spec_files.load_folder(folder).of_model(model))


def stores_at(file: SpecFile) -> Stores:
    """Return the stores of a spec. Raises SettingsError where nobody knows its connections."""
    found = next(iter(entry_points(group=GROUP)), None)
    if found is None:
        raise SettingsError(
            f"entry points {GROUP}: there is none, so nothing here knows the connections of {file.path.name}; install "
            "airflow-provider-retrain as a whole, into Airflow's own environment"
        )
    with redirect_stdout(sys.stderr):  # Airflow logs to what it finds there when it is imported: a command's answer
        return cast(Stores, found.load()(str(file.path)))


def registry_of(stores: Stores) -> "Registry":
    from retrain.production.registry import Registry

    return Registry(stores.ledger, stores.tracker, stores.snapshots, stores.spec.trust)
