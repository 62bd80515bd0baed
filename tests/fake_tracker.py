"""MLflow in memory, by hand: what the contract of the tracker says, without a server or a database."""

import math
import operator
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import pandas as pd
from mlflow.models import Model

from retrain.errors import NotFoundError, TrackerError
from retrain.models import files as model_files
from retrain.records import Snapshot
from retrain.tracker import model_writer, run_table, validation
from retrain.tracker.entities import (
    Artifact,
    Experiment,
    LoggedModel,
    MetricPoint,
    MetricStats,
    ModelVersion,
    Page,
    RegisteredModel,
    Run,
    RunStatus,
    Stage,
    View,
)
from retrain.tracker.filters import Condition, Order

_KEY = "retrain.key"
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass
class _Model:
    versions: dict[str, ModelVersion] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)


class FakeTracker:
    """Has the methods of ExperimentTracker, and what they promise. folder: where it puts model files."""

    def __init__(self, folder: Path, production_alias: str = "production", staging_alias: str = "staging") -> None:
        self._folder = folder
        self._production, self._staging = production_alias, staging_alias
        self._experiments: dict[str, Experiment] = {}
        self._runs: dict[str, Run] = {}
        self._history: dict[tuple[str, str], list[MetricPoint]] = defaultdict(list)
        self._artifacts: dict[str, dict[str, bytes]] = defaultdict(dict)
        self._logged: dict[tuple[str, str], str] = {}
        self._models_of: dict[str, set[str]] = defaultdict(set)
        self._models: dict[str, _Model] = {}
        self.create_experiment("Default")

    def check(self) -> None:
        pass

    # ── experiments

    def create_experiment(
        self, name: str, tags: Mapping[str, str] | None = None, artifact_location: str | None = None
    ) -> str:
        validation.name("experiment", name)
        if not name:
            raise TrackerError("an experiment has a name")
        for each in self._experiments.values():
            if each.name == name:
                if each.deleted:
                    raise TrackerError(f"experiment {name!r}: its name is held by a deleted experiment; restore that")
                return each.id
        made = str(len(self._experiments))
        where = artifact_location or str(self._folder / made)
        self._experiments[made] = Experiment(made, name, False, where, dict(tags or {}))
        return made

    def find_experiment(self, name: str) -> str | None:
        return next((each.id for each in self.list_experiments() if each.name == name), None)

    def get_experiment(self, experiment_id: str) -> Experiment:
        return _known(self._experiments, experiment_id, "experiment")

    def list_experiments(self, view: View = "ACTIVE") -> list[Experiment]:
        return [each for each in self._experiments.values() if view == "ALL" or each.deleted == (view == "DELETED")]

    def page_of_experiments(self, view: View = "ACTIVE", size: int = 100, token: str | None = None) -> Page[Experiment]:
        return _page(self.list_experiments(view), size, token)

    def set_experiment_tags(self, experiment_id: str, tags: Mapping[str, str]) -> None:
        found = self.get_experiment(experiment_id)
        if found.deleted:
            raise TrackerError(f"experiment {experiment_id} is deleted")
        self._experiments[experiment_id] = replace(found, tags={**found.tags, **validation.tags(tags)})

    def delete_experiment(self, experiment_id: str) -> None:
        if self.get_experiment(experiment_id).deleted:
            raise TrackerError(f"there is no experiment {experiment_id}")
        self._experiments[experiment_id] = replace(self._experiments[experiment_id], deleted=True)
        for run in self._runs.values():
            if run.experiment_id == experiment_id:
                self._runs[run.id] = replace(run, deleted=True)

    # ── runs

    def start_run(
        self,
        experiment_id: str,
        run_name: str,
        tags: Mapping[str, str] | None = None,
        *,
        key: str | None = None,
        parent: str | None = None,
        note: str = "",
    ) -> str:
        validation.name("run", run_name)
        given = {"mlflow.runName": run_name, **validation.tags(tags or {})}
        if key is not None:
            given[_KEY] = _key(key)
        if parent is not None:
            given["mlflow.parentRunId"] = parent
        if note:
            given |= validation.tags({"mlflow.note.content": note})
        if self.get_experiment(experiment_id).deleted:
            raise TrackerError(f"experiment {experiment_id} is deleted")
        made = uuid4().hex
        self._runs[made] = Run(made, experiment_id, run_name, "RUNNING", _now(), None, False, {}, {}, given)
        return made

    def find_run(self, experiment_id: str, key: str) -> str | None:
        found = self.search_runs([experiment_id], [Condition("tag", _KEY, "=", _key(key))])
        return found[0].id if found else None

    def get_run(self, run_id: str) -> Run:
        return _known(self._runs, run_id, "run")

    def page_of_run(self, run_id: str, experiment_id: str | None = None) -> str | None:
        self.get_run(run_id)
        return None

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter: Sequence[Condition] = (),
        order_by: Sequence[Order] = (),
        max_results: int | None = None,
    ) -> list[Run]:
        if order_by and (max_results is None or max_results > 1000):
            raise TrackerError("more than 1,000 runs come in the order in which they were started: sort here")
        found = [run for run in self._runs.values() if run.experiment_id in experiment_ids and not run.deleted]
        found = [run for run in found if all(_fits(run, condition) for condition in filter)]
        found.sort(key=lambda run: run.id)
        found.sort(key=lambda run: run.started_at, reverse=True)
        for order in reversed(order_by or [Order("attribute", "start_time")]):
            missing = [run for run in found if _value(run, order) is None]
            nan = [run for run in found if _value(run, order) != _value(run, order)]
            rest = [run for run in found if run not in missing and run not in nan]
            rest.sort(key=lambda run: _value(run, order), reverse=not order.ascending)
            found = rest + nan + missing
        return found[:max_results]

    def page_of_runs(
        self,
        experiment_ids: Sequence[str],
        filter: Sequence[Condition] = (),
        order_by: Sequence[Order] = (),
        size: int = 100,
        token: str | None = None,
    ) -> Page[Run]:
        found = self.search_runs(experiment_ids, filter)
        return _page(self.search_runs(experiment_ids, filter, order_by, len(found)), size, token)

    def end_run(self, run_id: str, status: RunStatus = "FINISHED") -> None:
        if status not in get_args(RunStatus):
            raise TrackerError(f"{status!r} is no status of a run")
        ended = None if status in ("RUNNING", "SCHEDULED") else _now()
        self._runs[run_id] = replace(self._open(run_id), status=status, ended_at=ended)

    def delete_run(self, run_id: str) -> None:
        self._runs[run_id] = replace(self.get_run(run_id), deleted=True)

    # ── logging

    def log_params(self, run_id: str, params: Mapping[str, Any], *, tags: Mapping[str, str] | None = None) -> None:
        texts, run = validation.params(params), self._open(run_id)
        for name, text in texts.items():
            if run.params.get(name, text) != text:
                raise TrackerError(f"parameter {name!r} is {run.params[name]!r} and cannot become {text!r}")
        self._runs[run_id] = replace(
            run, params={**run.params, **texts}, tags={**run.tags, **validation.tags(tags or {})}
        )

    def log_metrics(
        self,
        run_id: str,
        metrics: Mapping[str, float | Sequence[float]],
        step: int = 0,
        *,
        at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        points, run, when = validation.metrics(metrics), self._open(run_id), _to_milliseconds(at or datetime.now(UTC))
        for name, place, value in points:
            point = MetricPoint(step + place, value, when)
            if point not in self._history[run_id, name]:
                self._history[run_id, name].append(point)
        last = {
            name: max(self._history[run_id, name][::-1], key=lambda point: point.step).value for name, _, _ in points
        }
        self._runs[run_id] = replace(
            run, metrics={**run.metrics, **last}, tags={**run.tags, **validation.tags(tags or {})}
        )

    def metric_history(self, run_id: str, name: str) -> list[MetricPoint]:
        return sorted(self._history.get((run_id, name), []))

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        given, run = validation.tags(tags), self._open(run_id)
        self._runs[run_id] = replace(run, tags={**run.tags, **given})

    def list_artifacts(self, run_id: str, folder: str | None = None) -> list[Artifact]:
        self.get_run(run_id)
        inside = f"{folder}/" if folder else ""
        found = {}
        for path, content in self._artifacts[run_id].items():
            if path.startswith(inside):
                name, _, below = path.removeprefix(inside).partition("/")
                found[inside + name] = Artifact(inside + name, bool(below), None if below else len(content))
        return [found[path] for path in sorted(found)]

    def log_artifact(self, run_id: str, path: Path, folder: str | None = None) -> None:
        self.get_run(run_id)
        if not path.exists():
            raise TrackerError(f"{path} is not there")
        self._artifacts[run_id][f"{folder}/{path.name}" if folder else path.name] = path.read_bytes()

    def download_artifact(self, run_id: str, path: str, folder: Path) -> Path:
        self.get_run(run_id)
        if path not in self._artifacts[run_id]:
            raise NotFoundError(f"run {run_id} has no file {path}")
        here = folder / path
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_bytes(self._artifacts[run_id][path])
        return here

    def log_dataset(self, run_id: str, snapshot: Snapshot) -> None:
        self._open(run_id)

    def log_model(
        self,
        run_id: str,
        name: str,
        model: Any,
        example: pd.DataFrame,
        *,
        key: str,
        trust: tuple[str, ...] = (),
        step: int = 0,
    ) -> LoggedModel:
        where = self._open(run_id).experiment_id
        made = self._logged.setdefault((where, key), f"m-{uuid4().hex}")
        self._models_of[run_id].add(made)
        attempt = self._folder / made / str(time.monotonic_ns())
        model_writer.save(name, model, attempt, example, about=Model(model_id=made, run_id=run_id), trust=trust)
        return LoggedModel(f"models:/{made}", model_files.digest(attempt))

    def has_files(self, uri: str) -> bool:
        return bool(self._uploads(uri))

    def download_model(self, uri: str, folder: Path) -> Path:
        if not self.has_files(uri):
            raise TrackerError(f"model {uri}: its files are gone")
        return Path(shutil.copytree(self._uploads(uri)[-1], folder / "model"))

    def _uploads(self, uri: str) -> list[Path]:
        model = uri.removeprefix("models:/")
        if "/" in model:
            model = self.get_model_version(*model.split("/")).source.removeprefix("models:/")
        if not (self._folder / model).exists():
            raise TrackerError(f"there is no model {uri}")
        return sorted((self._folder / model).glob("*"))

    def load_model(self, uri: str, digest: str, trust: tuple[str, ...] = ()) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            return model_files.load(uri, self.download_model(uri, Path(folder)), digest, trust)

    # ── analysis

    def compare_runs(self, run_ids: Sequence[str], metric_keys: Sequence[str] | None = None) -> pd.DataFrame:
        unknown = [run_id for run_id in run_ids if run_id not in self._runs]
        if unknown:
            raise TrackerError(f"there is no run {', '.join(unknown)}")
        return run_table.table([self._runs[run_id] for run_id in run_ids], metric_keys)

    def get_best_run(self, experiment_id: str, metric_key: str, ascending: bool = False) -> Run | None:
        return next(iter(self.get_best_runs([experiment_id], metric_key, 1, ascending)), None)

    def get_best_runs(
        self, experiment_ids: Sequence[str], metric_key: str, k: int, ascending: bool = False
    ) -> list[Run]:
        order = [Order("metric", metric_key, ascending), Order("attribute", "start_time")]
        finished = Condition("attribute", "status", "=", "FINISHED")
        found = self.search_runs(experiment_ids, [finished], order, 1_000)
        return [run for run in found if math.isfinite(run.metrics.get(metric_key, math.nan))][:k]

    def experiment_stats(
        self, experiment_id: str, smaller_is_better: Collection[str] = ()
    ) -> Mapping[str, MetricStats]:
        finished = Condition("attribute", "status", "=", "FINISHED")
        return run_table.stats(self.search_runs([experiment_id], [finished]), smaller_is_better)

    # ── registry

    def register_model(self, run_id: str, model_name: str, uri: str | None = None, *, key: str | None = None) -> str:
        validation.name("model", model_name)
        uri = uri or self.model_of_run(run_id)
        key = _key(key or f"{run_id}{uri}".replace("models:/m-", ""))
        if not model_name or "/" in model_name or ":" in model_name:
            raise TrackerError(f"{model_name!r} cannot be the name of a model")
        model = self._models.setdefault(model_name, _Model())
        if uri.removeprefix("models:/") not in self._logged.values():
            raise TrackerError(f"there is no model {uri}")
        for each in model.versions.values():
            if each.tags[_KEY] == key:
                return each.version
        version = str(len(model.versions) + 1)
        tags = {_KEY: key}
        model.versions[version] = ModelVersion(model_name, version, "None", (), run_id, uri, tags, _now())
        return version

    def model_of_run(self, run_id: str) -> str:
        logged = self._models_of[self.get_run(run_id).id]
        if len(logged) != 1:
            raise TrackerError(f"run {run_id} has logged {len(logged)} models; name the one to register")
        return f"models:/{next(iter(logged))}"

    def page_of_models(self, size: int = 100, token: str | None = None) -> Page[RegisteredModel]:
        return _page([self.get_model(name) for name in sorted(self._models)], size, token)

    def get_model(self, model_name: str) -> RegisteredModel:
        aliases = _known(self._models, model_name, "model").aliases
        return RegisteredModel(model_name, aliases.get(self._production), aliases.get(self._staging), {})

    def set_version_tags(self, model_name: str, version: str, tags: Mapping[str, str]) -> None:
        found = self.get_model_version(model_name, version)
        self._models[model_name].versions[version] = replace(found, tags={**found.tags, **validation.tags(tags)})

    def get_model_version(
        self, model_name: str, version: str | None = None, stage: Stage | None = None
    ) -> ModelVersion:
        if (version is None) == (stage is None):
            raise TrackerError("say either which version or which stage")
        found = [each for each in self.list_model_versions(model_name) if version in (None, each.version)]
        found = [each for each in found if stage in (None, each.stage)]
        if not found:
            raise TrackerError(f"model {model_name!r} has no version {version or stage}")
        return found[-1]

    def list_model_versions(self, model_name: str) -> list[ModelVersion]:
        model = _known(self._models, model_name, "model")
        owned = [
            (version, tuple(sorted(alias for alias, owner in model.aliases.items() if owner == version.version)))
            for version in model.versions.values()
        ]
        return [replace(version, aliases=aliases) for version, aliases in owned]

    def production(self, model_name: str) -> str | None:
        return self._models.get(model_name, _Model()).aliases.get(self._production)

    def set_production(self, model_name: str, version: str) -> None:
        self.get_model_version(model_name, version)
        self._models[model_name].aliases[self._production] = version

    def transition_model_stage(
        self, model_name: str, version: str, stage: Stage, archive_existing_versions: bool = True
    ) -> None:
        validation.stage(stage, archive_existing_versions)
        self.get_model_version(model_name, version)
        model = self._models[model_name]
        if archive_existing_versions and stage in ("Staging", "Production"):
            for each in model.versions.values():
                if each.stage == stage:
                    model.versions[each.version] = replace(each, stage="Archived")
        model.versions[version] = replace(model.versions[version], stage=stage)
        if stage == "Staging":
            model.aliases[self._staging] = version
        elif model.aliases.get(self._staging) == version:
            del model.aliases[self._staging]

    def stage(self, model_name: str, version: str) -> Stage:
        return self.get_model_version(model_name, version).stage

    # ── below

    def _open(self, run_id: str) -> Run:
        run = self.get_run(run_id)
        if run.deleted:
            raise TrackerError(f"run {run_id} is deleted")
        return run


def _known(all_: Mapping[str, Any], id_: str, what: str) -> Any:
    if id_ not in all_:
        raise TrackerError(f"there is no {what} {id_}")
    return all_[id_]


def _key(key: str) -> str:
    if not key.isalnum():
        raise TrackerError(f"{key!r} is no key")
    return key


def _page(items: Sequence[Any], size: int, token: str | None) -> Page[Any]:
    begin = int(token or 0)
    end = begin + size
    return Page(tuple(items[begin:end]), str(end) if end < len(items) else None)


def _now() -> datetime:
    return _to_milliseconds(datetime.now(UTC))


def _to_milliseconds(time: datetime) -> datetime:
    return datetime.fromtimestamp(int(time.timestamp() * 1000) / 1000, UTC)


def _value(run: Run, field: Condition | Order) -> Any:
    if field.kind == "attribute":
        ended = round(run.ended_at.timestamp() * 1000) if run.ended_at else None
        return {
            "run_id": run.id,
            "run_name": run.name,
            "status": run.status,
            "start_time": round(run.started_at.timestamp() * 1000),
            "end_time": ended,
        }[field.name]
    return {"metric": run.metrics, "param": run.params, "tag": run.tags}[field.kind].get(field.name)


def _fits(run: Run, condition: Condition) -> bool:
    value = _value(run, condition)
    return value is not None and _COMPARE[condition.comparison](value, condition.value)
