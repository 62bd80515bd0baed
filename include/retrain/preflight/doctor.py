"""An installation and its models, looked at before a cycle finds out what is wrong.

It reads, and takes away again what it tries: a file where snapshots are, and an experiment of its own in MLflow. What
needs Airflow is added by `PROBES`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from retrain.errors import SettingsError, SpecError
from retrain.preflight import (
    probes_ledger,
    probes_mlflow,
    probes_packages,
    probes_production,
    probes_pythons,
    probes_source,
    probes_specs,
    probes_split,
)
from retrain.preflight.probe import Found, Look, told
from retrain.preflight.stores import Stores, stores_at
from retrain.spec import files as spec_files
from retrain.spec.spec import Spec

PROBES = "retrain.probes"
"""Entry points: functions that are given the spec files, and yield what they have found."""


def look(folder: Path | None, only: str = "") -> Iterator[Found]:
    """Yield what is found, good or not. folder: of the specs; None if it is not named.

    only: how the names of what is looked at begin, such as `ledger` or `source of letters`; all by default. Raises
    SpecError where no name begins so.
    """
    specs = spec_files.load_folder(folder)
    looks = [*_looks(specs, folder)]
    wanted = [each for each in looks if each.about.startswith(only)]
    if not wanted:
        names = ", ".join(each.about for each in looks)
        raise SpecError(f"--only = {only!r}: nothing that is looked at begins so; there is {names}")
    for each in wanted:
        yield from each.found()


def _looks(specs: spec_files.SpecFolder, folder: Path | None) -> Iterator[Look]:
    files = specs.files
    yield Look("specs", probes_specs.look, (specs, folder), "correct the folder that RETRAIN_SPECS names")
    yield Look("packages", probes_packages.look, (files,), "install Retrain anew")
    yield Look("interpreters", probes_pythons.look, (), "correct RETRAIN_PYTHONS")
    for entry in entry_points(group=PROBES):
        # Imported within `found`, whose error it may be.
        yield Look(entry.name, lambda files, it=entry: it.load()(files), (files,), f"look at {entry.value}")
    try:
        all_ = [(file.spec, stores_at(file)) for file in files]
    except SettingsError as error:
        about, remedy = "connections", "install airflow-provider-retrain anew, into Airflow's own environment"
        yield Look(about, told, (about, error, remedy), remedy)
        return
    for name, stores in _first(all_, lambda spec: spec.connections.ledger).items():
        remedy = (
            f"correct connection {name} (host, port, database, login, password), or let its login use the tables: "
            "`retrain migrate --runtime-role ROLE`"
        )
        yield Look(f"ledger {name}", _ledger, (name, stores), remedy)
    searched = [(spec, stores) for spec, stores in all_ if any(each.search for each in spec.candidates)]
    for name, stores in _first(searched, lambda spec: spec.connections.ledger).items():
        remedy = "run `retrain migrate --runtime-role ROLE` where the extra tune is installed"
        yield Look(f"studies {name}", _studies, (name, stores), remedy)
    for _, stores in all_[:1]:
        yield Look("snapshots", _snapshots, (stores,), "set RETRAIN_SNAPSHOTS_URI to another place")
    for name, stores in _first(all_, lambda spec: spec.connections.mlflow).items():
        models = [spec.model for spec, _ in all_ if spec.connections.mlflow == name]
        remedy = f"correct connection {name} (host, port, login, password), or start MLflow's server there"
        yield Look(f"MLflow {name}", _mlflow, (name, stores, models), remedy)
    for spec, stores in all_:
        place = spec.source.table or spec.source.query
        yield Look(f"candidates of {spec.model}", probes_specs.candidates, (spec,), "correct the spec")
        yield Look(
            f"source of {spec.model}",
            _source,
            (spec, stores),
            f"correct connection {spec.source.connection} (host, port, database, login, password), or let its login "
            f"read {place} (`retrain migrate --sql` prints how)",
        )
        if spec.ab is not None:
            yield Look(
                f"split test of {spec.model}",
                _split,
                (spec, stores),
                f"let the login of connection {spec.source.connection} read these tables (`retrain migrate --sql` "
                "prints how)",
            )
        yield Look(f"Production of {spec.model}", _production, (spec, stores), "look at MLflow's log")


# Each opens its stores, which may fail, within `Look.found`.


def _ledger(name: str, stores: Stores) -> Iterator[Found]:
    yield from probes_ledger.look(f"ledger {name}", stores.ledger)


def _studies(name: str, stores: Stores) -> Iterator[Found]:
    yield from probes_ledger.look_at_studies(f"studies {name}", stores.ledger)


def _snapshots(stores: Stores) -> Iterator[Found]:
    yield from probes_ledger.look_at_snapshots(stores.snapshots)


def _mlflow(name: str, stores: Stores, models: Sequence[str]) -> Iterator[Found]:
    yield from probes_mlflow.look(f"MLflow {name}", stores.tracker, models)


def _source(spec: Spec, stores: Stores) -> Iterator[Found]:
    yield from probes_source.look(spec, stores.source, stores.served)


def _split(spec: Spec, stores: Stores) -> Iterator[Found]:
    yield from probes_split.look(spec, stores.units)


def _production(spec: Spec, stores: Stores) -> Iterator[Found]:
    yield from probes_production.look(spec, stores.ledger, stores.tracker, stores.source)


def _first(all_: Iterable[tuple[Spec, Stores]], connection: Callable[[Spec], str]) -> dict[str, Stores]:
    """Return the stores of the first spec for each connection."""
    found: dict[str, Stores] = {}
    for spec, stores in all_:
        found.setdefault(connection(spec), stores)
    return found
