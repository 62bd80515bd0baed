"""A model's Production: whose it is, whether alias and stage agree, and whether its files could be loaded here."""

import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

from retrain.errors import EstimatorError, NotFoundError, SettingsError, SourceError, UntrustedModelError
from retrain.ledger.ledger import Ledger
from retrain.models import files as model_files
from retrain.models import pythons
from retrain.preflight.probe import Found, fail, good, told, warn
from retrain.production import known
from retrain.records import ModelFile
from retrain.source.rights import columns_read
from retrain.source.table import Source
from retrain.spec.files import ADOPT_DAG
from retrain.spec.spec import Spec
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import ModelVersion

_NUMBERS = {"double", "float", "long", "integer", "boolean"}
"""Types of MLflow's that a model is given as numbers."""


def look(spec: Spec, ledger: Ledger, tracker: ExperimentTracker, source: Source) -> Iterator[Found]:
    """Yield whose version is in Production, whether it is what the ledger says, and whether it could be loaded here."""
    about, alias = f"Production of {spec.model}", tracker.alias("Production")
    if (frozen := ledger.freeze_of(spec.model)) is not None:
        yield good(about, str(frozen))
    owner = tracker.in_production(spec.model)
    if owner is None:
        yield from _without(about, spec, ledger, tracker)
        return
    file = known.file_of(owner, ledger)
    if file is None:
        others = ledger.model_files_of_version(spec.model, owner.version)
        why = known.why_unknown(owner, ledger) if others else "Retrain did not log it"
        yield fail(
            about,
            f"{owner.standing} is Production, and {why}: no cycle trains",
            f"adopt it: `retrain adopt {spec.model} {owner.version}`, or DAG {ADOPT_DAG}",
        )
    else:
        yield good(about, f"{owner.standing}, {'adopted' if file.adopted else f'candidate {file.name}'}")
    yield from _apart(about, alias, owner, tracker)
    inputs = yield from _files(about, spec, owner, tracker, file)
    yield from _signature(about, spec, owner, inputs, source)


def _without(about: str, spec: Spec, ledger: Ledger, tracker: ExperimentTracker) -> Iterator[Found]:
    found, alias = known.foreign(spec.model, ledger, tracker), tracker.alias("Production")
    if not found:
        yield good(about, "is empty: the first challenger that reaches the floor goes there")
    for each in found:
        yield fail(
            about,
            f"{each.standing} may be Production, and no version owns alias {alias}: no cycle trains",
            f"adopt it (`retrain adopt {spec.model} {each.version}`), or say that it is not (--none)",
        )


def _apart(about: str, alias: str, owner: ModelVersion, tracker: ExperimentTracker) -> Iterator[Found]:
    try:
        versions = tracker.list_model_versions(owner.model)
    except NotFoundError:
        return
    others = [each for each in versions if each.stage == "Production" and each.version != owner.version]
    for each in others:
        yield warn(
            about,
            f"version {each.version} is in stage Production, and version {owner.version} owns alias {alias}",
            f"load by the alias, and move version {each.version} to stage Archived",
        )


def _files(
    about: str, spec: Spec, owner: ModelVersion, tracker: ExperimentTracker, file: ModelFile | None
) -> Generator[Found, None, dict[str, str]]:
    """Yield why the files could not be loaded here. Returns the type of each column that the model takes."""
    uri = f"models:/{owner.model}/{owner.version}"
    if not tracker.has_files(uri):
        yield fail(about, f"the files of version {owner.version} are gone", "bring them back, or roll back")
        return {}
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        path = tracker.download_model(uri, Path(folder))
        if file is not None:
            yield from _loadable(about, spec, owner, path, file)
        differences = model_files.version_differences(path)
        if differences and (file is None or file.python is None):
            yield warn(
                about,
                f"version {owner.version}: {differences}",
                "install these versions here, or let the next cycle train under the new ones",
            )
        return model_files.inputs(path) or {}


def _loadable(about: str, spec: Spec, owner: ModelVersion, path: Path, file: ModelFile) -> Iterator[Found]:
    """Yield why the files would not be loaded; nothing of them is."""
    back = "or roll back"
    try:
        if file.python is not None:
            pythons.of_name(file.python)
        model_files.may_load(f"version {owner.version}", path, file.digest, model_files.trust_in(file, spec.trust))
    except UntrustedModelError as error:
        is_other = model_files.digest(path) != file.digest
        what = "bring back the files that were logged" if is_other else "name what you trust of it in the spec's trust"
        yield fail(about, error.message.replace("; ", ", so "), f"{what}, {back}")
    except (SettingsError, EstimatorError) as error:
        yield from told(about, error, back)


def _signature(about: str, spec: Spec, owner: ModelVersion, inputs: dict[str, str], source: Source) -> Iterator[Found]:
    if missing := sorted(inputs.keys() - {*columns_read(spec.source)}):
        names = ", ".join(missing)
        yield fail(
            about,
            f"version {owner.version} takes {names}, which the spec does not read",
            f"write source.also_read: [{names}] as long as it is in Production",
        )
    try:
        are_text = source.are_text()
    except SourceError:  # told of the source
        return
    for name, wanted in inputs.items():
        is_text = are_text.get(name)
        if is_text is None or wanted not in {*_NUMBERS, "string"} or is_text == (wanted == "string"):
            continue
        takes, there = ("a number", "text") if is_text else ("text", "numbers")
        yield fail(
            about,
            f"version {owner.version} takes {name} as {takes}, and the source has {there} there",
            f"cast {name} in a query file (source.query) as long as it is in Production, or roll back",
        )
