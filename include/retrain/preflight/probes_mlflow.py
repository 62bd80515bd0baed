"""MLflow: reached, with the rights of a cycle, tried in an experiment of its own; and each model's Production."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from retrain.errors import NotFoundError
from retrain.ledger.ledger import Ledger
from retrain.models import files as model_files
from retrain.preflight.probe import Found, fail, good, warn
from retrain.preflight.probes_ledger import clock
from retrain.production import known
from retrain.records import ModelFile
from retrain.source.rights import columns_read
from retrain.spec.files import ADOPT_DAG
from retrain.spec.spec import Spec
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import ModelVersion
from retrain.tracker.rights import missing_rights


def look(about: str, tracker: ExperimentTracker, models: Sequence[str]) -> Iterator[Found]:
    """Yield whether a cycle's calls are permitted on this server. models: of the specs that use it."""
    missing = missing_rights(tracker, user="doctor", models=models)
    for each in missing:
        yield fail(about, f"its login cannot {each.what}: {each.why}", each.remedy)
    if not missing:
        yield good(about, "answers, and its login may do what a cycle does")
    there = tracker.clock()
    if there is not None:
        yield from clock(about, there)


def look_at_production(spec: Spec, ledger: Ledger, tracker: ExperimentTracker) -> Iterator[Found]:
    """Yield whose version is in Production, whether it is what the ledger says, and whether it could be loaded here."""
    about, alias = f"Production of {spec.model}", tracker.alias("Production")
    owner = tracker.in_production(spec.model)
    if owner is None:
        yield from _without(about, spec, ledger, tracker)
        return
    file = known.file_of(owner, ledger)
    if file is None:
        yield fail(
            about,
            f"{owner.standing} is Production, and Retrain did not log it: no cycle trains",
            f"adopt it: `retrain adopt {spec.model} {owner.version}`, or DAG {ADOPT_DAG}",
        )
    else:
        yield good(about, f"{owner.standing}, {'adopted' if file.adopted else f'candidate {file.name}'}")
    yield from _apart(about, alias, owner, tracker)
    yield from _files(about, spec, owner, tracker, file)


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
) -> Iterator[Found]:
    uri = f"models:/{owner.model}/{owner.version}"
    if not tracker.has_files(uri):
        yield fail(about, f"the files of version {owner.version} are gone", "bring them back, or roll back")
        return
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        path = tracker.download_model(uri, Path(folder))
        if file is not None and model_files.digest(path) != file.digest:
            yield fail(
                about,
                f"the files of version {owner.version} are not the ones that were logged: it is not loaded",
                "bring back the files that were logged, or roll back",
            )
        differences = model_files.version_differences(path)
        if differences and (file is None or file.python is None):
            yield warn(
                about,
                f"version {owner.version}: {differences}",
                "install these versions here, or let the next cycle train under the new ones",
            )
        missing = set(model_files.inputs(path) or ()) - {*columns_read(spec.source)}
    if missing:
        names = ", ".join(sorted(missing))
        yield fail(
            about,
            f"version {owner.version} takes {names}, which the spec does not read",
            f"write source.also_read: [{names}] as long as it is in Production",
        )
