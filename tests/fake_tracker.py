"""The tracker in memory: it keeps the contract of the tracker without MLflow's server or database."""

import math
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import pandas as pd
from mlflow.models import Model

from retrain.errors import NotFoundError, TrackerError
from retrain.models import files as model_files
from retrain.records import Snapshot
from retrain.tracker import model_writer, run_table, validation
from retrain.tracker.entities import (
    Artifact,
    LoggedModel,
    MetricPoint,
    MetricStats,
    ModelVersion,
    Page,
    RegisteredModel,
    Run,
    RunStatus,
    Stage,
)
from retrain.tracker.filters import Condition, Order
from retrain.tracker.server import KEY, checked_key
from tests.fake_runs import FakeRuns, known, now, page, to_milliseconds


@dataclass
class _Model:
    versions: dict[str, ModelVersion] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)


class FakeTracker(FakeRuns):
    """Has the methods of ExperimentTracker, and keeps what they promise. folder: where it puts model files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._production, self._staging = "production", "staging"
        self._history: dict[tuple[str, str], list[MetricPoint]] = defaultdict(list)
        self._artifacts: dict[str, dict[str, bytes]] = defaultdict(dict)
        self._logged: dict[tuple[str, str], str] = {}
        self._models_of: dict[str, set[str]] = defaultdict(set)
        self._models: dict[str, _Model] = {}

    def clock(self) -> datetime | None:
        return datetime.now(UTC)

    def check(self) -> None:
        pass

    def with_aliases(self, production: str, staging: str) -> Self:
        other = copy(self)
        other._production, other._staging = production, staging
        return other

    def alias(self, stage: str) -> str:
        return {"Production": self._production, "Staging": self._staging}[stage]

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
        points, run, when = validation.metrics(metrics), self._open(run_id), to_milliseconds(at or datetime.now(UTC))
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

    def log_points(self, run_id: str, points: Sequence[tuple[str, MetricPoint]]) -> None:
        for name, point in points:
            self.log_metrics(run_id, {name: point.value}, point.step, at=point.at)

    def metric_history(self, run_id: str, name: str) -> list[MetricPoint]:
        return sorted(self._history.get((run_id, name), []))

    def last_points(self, run_id: str) -> tuple[RunStatus, dict[str, MetricPoint]]:
        run = self.get_run(run_id)
        last = {
            name: max(points, key=lambda point: (point.step, point.at))
            for (of, name), points in self._history.items()
            if of == run_id and points
        }
        return run.status, last

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
        with tempfile.TemporaryDirectory() as folder:
            model_writer.save(name, model, Path(folder) / "model", example, trust=trust)
            return self.log_model_files(run_id, name, Path(folder) / "model", key=key, step=step)

    def log_model_files(self, run_id: str, name: str, path: Path, *, key: str, step: int = 0) -> LoggedModel:
        where = self._open(run_id).experiment_id
        made = self._logged.setdefault((where, key), f"m-{uuid4().hex}")
        self._models_of[run_id].add(made)
        about = Model.load(str(path))
        about.model_id, about.run_id = made, run_id
        about.save(str(path / "MLmodel"))
        attempt = self._folder / made / str(time.monotonic_ns())
        shutil.copytree(path, attempt)
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

    def register_model(self, run_id: str, model_name: str, uri: str | None = None, *, key: str | None = None) -> str:
        validation.name("model", model_name)
        uri = uri or self.model_of_run(run_id)
        key = checked_key(key or f"{run_id}{uri}".replace("models:/m-", ""))
        if not model_name or "/" in model_name or ":" in model_name:
            raise TrackerError(f"{model_name!r} cannot be the name of a model")
        model = self._models.setdefault(model_name, _Model())
        if uri.removeprefix("models:/") not in self._logged.values():
            raise TrackerError(f"there is no model {uri}")
        for each in model.versions.values():
            if each.tags[KEY] == key:
                return each.version
        version = str(len(model.versions) + 1)
        tags = {KEY: key}
        model.versions[version] = ModelVersion(model_name, version, "None", (), run_id, uri, tags, now())
        return version

    def model_of_run(self, run_id: str) -> str:
        logged = self._models_of[self.get_run(run_id).id]
        if len(logged) != 1:
            raise TrackerError(f"run {run_id} has logged {len(logged)} models; name the one to register")
        return f"models:/{next(iter(logged))}"

    def page_of_models(self, size: int = 100, token: str | None = None) -> Page[RegisteredModel]:
        return page([self.get_model(name) for name in sorted(self._models)], size, token)

    def get_model(self, model_name: str) -> RegisteredModel:
        aliases = known(self._models, model_name, "model").aliases
        return RegisteredModel(model_name, aliases.get(self._production), aliases.get(self._staging), dict(aliases), {})

    def set_version_tags(self, model_name: str, version: str, tags: Mapping[str, str]) -> None:
        found = self.get_model_version(model_name, version)
        self._models[model_name].versions[version] = replace(found, tags={**found.tags, **validation.tags(tags)})

    def get_model_version(
        self, model_name: str, version: str | None = None, stage: Stage | None = None
    ) -> ModelVersion:
        if (version is None) == (stage is None):
            raise TrackerError("name either a version or a stage")
        found = [each for each in self.list_model_versions(model_name) if version in (None, each.version)]
        found = [each for each in found if stage in (None, each.stage)]
        if not found:
            raise TrackerError(f"model {model_name!r} has no version {version or stage}")
        return found[-1]

    def versions_of(self, model: RegisteredModel) -> list[ModelVersion]:
        return self.list_model_versions(model.name)

    def list_model_versions(self, model_name: str) -> list[ModelVersion]:
        model = known(self._models, model_name, "model")
        owned = [
            (version, tuple(sorted(alias for alias, owner in model.aliases.items() if owner == version.version)))
            for version in model.versions.values()
        ]
        return [replace(version, aliases=aliases) for version, aliases in owned]

    def production(self, model_name: str) -> str | None:
        return self._models.get(model_name, _Model()).aliases.get(self._production)

    def staging(self, model_name: str) -> str | None:
        return self._models.get(model_name, _Model()).aliases.get(self._staging)

    def in_production(self, model_name: str) -> ModelVersion | None:
        owner = self.production(model_name)
        return None if owner is None else self.get_model_version(model_name, owner)

    def set_production(self, model_name: str, version: str) -> None:
        self.get_model_version(model_name, version)
        self._models[model_name].aliases[self._production] = version

    def transition_model_stage(
        self, model_name: str, version: str, stage: Stage, archive_existing_versions: bool = True
    ) -> bool:
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
        return True

    def stage(self, model_name: str, version: str) -> Stage:
        return self.get_model_version(model_name, version).stage
