"""The tracker itself: experiments, runs, logging, analysis and the registry of one MLflow server."""

import hashlib
import json
import tempfile
import time
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from itertools import islice
from math import copysign, inf
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import mlflow.artifacts
import mlflow.entities as theirs
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.entities.model_registry import ModelVersion as TheirVersion
from mlflow.entities.model_registry import RegisteredModel as TheirModel
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.entities import PagedList
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from retrain import model_files
from retrain.errors import NoAnswerError, NotFoundError, TrackerError
from retrain.nouns import Snapshot
from retrain.tracker import analysis, answers, checks, filters, saving
from retrain.tracker.answers import DEADLINE, AlreadyExistsError
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
from retrain.tracker.filters import FINISHED, Condition, Order

KEY = "retrain.key"
"""Tag of whatever was made once for a key."""

_Each = TypeVar("_Each")

_PAGE, _AT_MOST = 1_000, 50_000
"""Things in one answer: as many runs as one waits for, and as many as MLflow gives."""
_TEXTS_AT_ONCE, _METRICS_AT_ONCE = 100, 1_000
_GREATEST = 1.79e308
"""MLflow keeps an infinite metric as a number just above."""
_VIEWS = {"ACTIVE": ViewType.ACTIVE_ONLY, "DELETED": ViewType.DELETED_ONLY, "ALL": ViewType.ALL}
_STARTED = Order("attribute", "start_time")


class ExperimentTracker:
    """A service over one MLflow server.

    Every method raises NoAnswerError where the server did not answer within its deadline, and TrackerError where it
    refused.
    """

    def __init__(
        self,
        uri: str,
        *,
        registry_uri: str | None = None,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        ca_bundle: str | None = None,
        name: str | None = None,
        deadline: float = DEADLINE,
        production_alias: str = "production",
        staging_alias: str = "staging",
    ) -> None:
        """uri: of the tracking server. name: what errors call it, the id of its connection say.

        ca_bundle: file with the certificates that the server's is checked against. deadline: seconds.
        production_alias, staging_alias: those that the versions in these stages own.
        """
        answers.set_up(uri, deadline, ca_bundle)
        answers.log_in(uri, username, password, token)
        self._uri = uri
        self._server = uri if name is None else f"{name}, {uri}"
        self._aliases: dict[str, str] = {"Production": production_alias, "Staging": staging_alias}
        self._client = MlflowClient(tracking_uri=uri, registry_uri=registry_uri)

    def __repr__(self) -> str:
        return f"ExperimentTracker({self._server})"

    def check(self) -> None:
        """Raises where the server does not do its work: MLflow's own health page says OK with its database down."""
        with self._answer("experiment 0"), suppress(NotFoundError):
            self._client.get_experiment("0")

    # ── experiments

    def create_experiment(
        self, name: str, tags: Mapping[str, str] | None = None, artifact_location: str | None = None
    ) -> str:
        """Id of the experiment of that name, made now unless it is there; tags and location are those of the first."""
        checks.name("experiment", name)
        given = checks.tags(tags or {})
        with self._answer(f"experiment {name!r}"):
            found = self._client.get_experiment_by_name(name)
            if found is None:
                with suppress(AlreadyExistsError), self._answer(f"experiment {name!r}"):
                    return str(self._client.create_experiment(name, artifact_location, given))
                found = self._client.get_experiment_by_name(name)
        if found is None or found.lifecycle_stage != "active":
            raise TrackerError(
                f"experiment {name!r}: its name is held by a deleted experiment; "
                "restore that one in MLflow (mlflow experiments restore), or use another name"
            )
        return str(found.experiment_id)

    def find_experiment(self, name: str) -> str | None:
        """Id of the active experiment of that name; None where there is none."""
        with self._answer(f"experiment {name!r}"):
            found = self._client.get_experiment_by_name(name)
        return None if found is None or found.lifecycle_stage != "active" else str(found.experiment_id)

    def get_experiment(self, experiment_id: str) -> Experiment:
        with self._answer(f"experiment {experiment_id}"):
            return _experiment(self._client.get_experiment(experiment_id))

    def list_experiments(self, view: View = "ACTIVE") -> list[Experiment]:
        """The oldest first."""
        found: list[Experiment] = []
        token: str | None = None
        while True:
            page = self.page_of_experiments(view, _AT_MOST, token)
            found += page.items
            token = page.next
            if token is None:
                return list({each.id: each for each in found}.values())

    def page_of_experiments(self, view: View = "ACTIVE", size: int = 100, token: str | None = None) -> Page[Experiment]:
        """The oldest first. token: of the page before."""
        with self._answer("experiments"):
            page = self._client.search_experiments(
                _VIEWS[view], max_results=size, order_by=["creation_time ASC"], page_token=token
            )
        return Page(tuple(_experiment(each) for each in page), page.token or None)

    def set_experiment_tags(self, experiment_id: str, tags: Mapping[str, str]) -> None:
        with self._answer(f"tags of experiment {experiment_id}"):
            for name, text in checks.tags(tags).items():
                self._client.set_experiment_tag(experiment_id, name, text)

    def delete_experiment(self, experiment_id: str) -> None:
        """MLflow keeps it as deleted, and its name with it."""
        with self._answer(f"experiment {experiment_id}"):
            self._client.delete_experiment(experiment_id)

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
        """Id of a new run. key: what `find_run` finds it by. note: what MLflow's page shows as its description."""
        checks.name("run", run_name)
        given = checks.tags(tags or {})
        if key is not None:
            given[KEY] = _key(key)
        if parent is not None:
            given[MLFLOW_PARENT_RUN_ID] = parent
        if note:
            given |= checks.tags({MLFLOW_RUN_NOTE: note})
        with self._answer(f"run {run_name!r}"):
            return str(self._client.create_run(experiment_id, run_name=run_name, tags=given).info.run_id)

    def find_run(self, experiment_id: str, key: str) -> str | None:
        """Id of the run that was started for `key`; of several the first."""
        found = self.search_runs([experiment_id], [_tagged(key)], max_results=1)
        return found[0].id if found else None

    def get_run(self, run_id: str) -> Run:
        with self._answer(f"run {run_id}"):
            return _run(self._client.get_run(run_id))

    def page_of_run(self, run_id: str, experiment_id: str | None = None) -> str | None:
        """Where MLflow shows it to a person; None where the tracker is no server. experiment_id: where it is known."""
        experiment = experiment_id or self.get_run(run_id).experiment_id
        if not self._uri.startswith(("http://", "https://")):
            return None
        return f"{self._uri.rstrip('/')}/#/experiments/{experiment}/runs/{run_id}"

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter: Sequence[Condition] = (),
        order_by: Sequence[Order] = (),
        max_results: int | None = None,
    ) -> list[Run]:
        """The runs that all conditions fit; without an order the oldest first. max_results: None for all.

        Up to a thousand come in one query. More come page by page in the order in which they were started, so that
        runs that are added or deleted meanwhile make none come twice or be left out. A run whose metric is NaN is
        found by `!=` only; one without the metric, parameter or tag of a condition is not found.
        """
        if not experiment_ids or max_results == 0:
            return []
        if max_results is None or max_results > _PAGE:
            if order_by:
                raise TrackerError(f"more than {_PAGE:,} runs come in the order in which they were started: sort here")
            return list(islice(self._all_runs(experiment_ids, filter), max_results))
        return [_run(each) for each in self._page(experiment_ids, filter, max_results, order_by or [_STARTED])]

    def page_of_runs(
        self,
        experiment_ids: Sequence[str],
        filter: Sequence[Condition] = (),
        order_by: Sequence[Order] = (),
        size: int = 100,
        token: str | None = None,
    ) -> Page[Run]:
        """A part of what `search_runs` finds, in its order. token: of the page before.

        Pages count rows, as MLflow's do: one that is added or deleted meanwhile shifts those that follow.
        """
        if not experiment_ids:
            return Page((), None)
        page = self._page(experiment_ids, filter, size, order_by or [_STARTED], token)
        return Page(tuple(_run(each) for each in page), page.token or None)

    def _page(
        self,
        experiment_ids: Sequence[str],
        conditions: Sequence[Condition],
        size: int,
        order: Sequence[Order] = (_STARTED,),
        token: str | None = None,
    ) -> PagedList[theirs.Run]:
        return self._search(
            list(experiment_ids),
            filters.to_text(conditions),
            max_results=size,
            order_by=[each.to_text() for each in _distinct(order)],
            page_token=token,
        )

    def _search(self, *asked: Any, **how: Any) -> PagedList[theirs.Run]:
        with self._answer("search for runs"):
            try:
                return self._client.search_runs(*asked, **how)
            except MlflowException as error:
                # A server without MLflow's extra `auth` tries to import that at each search: of several at once, one
                # now and then finds it half imported, and is answered with 500.
                if "500 error responses" not in str(error):
                    raise
            return self._client.search_runs(*asked, **how)

    def _all_runs(self, experiment_ids: Sequence[str], conditions: Sequence[Condition]) -> Iterator[Run]:
        """Pages by the time of the start, not by MLflow's tokens: those count rows, and rows come and go."""
        since, seen, more = 0, set[str](), True
        while more:
            page = self._page(experiment_ids, [*conditions, Condition("attribute", "start_time", ">=", since)], _PAGE)
            more = len(page) == _PAGE
            if more and page[-1].info.start_time == since:
                # A whole page was started in one millisecond: all of these at once, then on.
                alike = Condition("attribute", "start_time", "=", since)
                page = self._page(experiment_ids, [*conditions, alike], _AT_MOST)
                if len(page) == _AT_MOST:
                    raise TrackerError(f"{_AT_MOST:,} or more runs were started at once: search for fewer")
                since += 1
            elif page:
                since = page[-1].info.start_time
            yield from (_run(each) for each in page if each.info.run_id not in seen)
            seen |= {each.info.run_id for each in page}

    def end_run(self, run_id: str, status: RunStatus = "FINISHED") -> None:
        """Set a run's status; RUNNING takes a failed one up again."""
        if status not in get_args(RunStatus):
            raise TrackerError(f"{status!r} is no status of a run: there are {', '.join(get_args(RunStatus))}")
        with self._answer(f"run {run_id}"):
            if status == "RUNNING":
                self._client.update_run(run_id, status)
            else:
                self._client.set_terminated(run_id, status)

    def delete_run(self, run_id: str) -> None:
        """MLflow keeps it as deleted."""
        with self._answer(f"run {run_id}"):
            self._client.delete_run(run_id)

    # ── logging

    def log_params(self, run_id: str, params: Mapping[str, Any], *, tags: Mapping[str, str] | None = None) -> None:
        """Log parameters; what is no text becomes JSON. All are checked before any is sent.

        tags: of the run, set in the same call. Raises TrackerError for a value that changed, with both, and for what
        MLflow would cut off.
        """
        texts, also = checks.params(params), _tags(tags)
        try:
            with self._answer(f"parameters of run {run_id}"):
                for part in _parts(list(texts.items()), _TEXTS_AT_ONCE):
                    self._client.log_batch(run_id, params=[theirs.Param(name, text) for name, text in part], tags=also)
        except NotFoundError:
            raise
        except TrackerError:
            known = self.get_run(run_id).params
            changed = [
                f"{name!r} is {known[name]!r} and cannot become {text!r}"
                for name, text in texts.items()
                if known.get(name, text) != text
            ]
            if changed:
                raise TrackerError(f"run {run_id}: parameter {'; '.join(changed)}", where=self._server) from None
            raise

    def log_metrics(
        self,
        run_id: str,
        metrics: Mapping[str, float | Sequence[float]],
        step: int = 0,
        *,
        at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log metrics, a thousand points in one call. A sequence is the values of `step`, `step + 1`, …

        at: the time of the points, by default now; logged twice with one time, a point is there once. tags: of the run,
        set in the same call. Takes NaN, and raises TrackerError for infinity and for names that MLflow refuses, before
        any is sent.
        """
        when, also = int((time.time() if at is None else at.timestamp()) * 1000), _tags(tags)
        points = [theirs.Metric(name, value, when, step + place) for name, place, value in checks.metrics(metrics)]
        with self._answer(f"metrics of run {run_id}"):
            for part in _parts(points, _METRICS_AT_ONCE):
                self._client.log_batch(run_id, metrics=part, tags=also)

    def metric_history(self, run_id: str, name: str) -> list[MetricPoint]:
        """Each point that was logged, by step."""
        with self._answer(f"metric {name!r} of run {run_id}"):
            points = self._client.get_metric_history(run_id, name)
        return sorted(MetricPoint(point.step, _number(point.value), _time(point.timestamp)) for point in points)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        with self._answer(f"tags of run {run_id}"):
            for part in _parts(_tags(tags), _TEXTS_AT_ONCE):
                self._client.log_batch(run_id, tags=part)

    def list_artifacts(self, run_id: str, folder: str | None = None) -> list[Artifact]:
        """What is in a folder of the run's artifacts, by name; nothing where there is no such folder."""
        with self._answer(f"artifacts of run {run_id}"):
            found = self._client.list_artifacts(run_id, folder)
        # MLflow leaves the size of an empty file out.
        return [Artifact(each.path, each.is_dir, None if each.is_dir else each.file_size or 0) for each in found]

    def download_artifact(self, run_id: str, path: str, folder: Path) -> Path:
        """Where in `folder` a file of the run's artifacts now is. Raises NotFoundError where there is none."""
        with self._answer(f"artifact {path} of run {run_id}"):
            # Asked by the run's id, MLflow looks the run up each time, and for the file among its models.
            files = get_artifact_repository(self._client.get_run(run_id).info.artifact_uri, self._uri)
            # A download of a file that is not there fails as one from a server that is down.
            there = files.list_artifacts(path.rpartition("/")[0] or None)
            if not any(each.path == path and not each.is_dir for each in there):
                raise NotFoundError(f"run {run_id}: has no file {path}", where=self._server)
            return Path(files.download_artifacts(path, str(folder)))  # type: ignore[no-untyped-call]

    def log_artifact(self, run_id: str, path: Path, folder: str | None = None) -> None:
        """Upload a file; folder: where in the run's artifacts."""
        with self._answer(f"artifact {path.name} of run {run_id}"):
            self._client.log_artifact(run_id, str(path), folder)

    def log_dataset(self, run_id: str, snapshot: Snapshot) -> None:
        """Log the snapshot as the data set that the run saw, with our digest: MLflow's reads only the first rows."""
        dataset = theirs.Dataset(
            name=snapshot.model,
            digest=snapshot.id,
            source_type="local" if snapshot.uri.startswith("file:") else snapshot.uri.split(":")[0],
            source=json.dumps({"uri": snapshot.uri}),
            profile=json.dumps({"num_rows": snapshot.rows}),
        )
        context = theirs.InputTag("mlflow.data.context", "training")
        with self._answer(f"data set of run {run_id}"):
            self._client.log_inputs(run_id, [theirs.DatasetInput(dataset, [context])])

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
        """Upload a fitted scikit-learn estimator as the output of a run, in the skops format.

        key: uploads again under the same id where a killed predecessor had begun; not safe beside one that is alive,
        therefore called within `State.once`. example: some rows of features, for the signature. trust: types beyond
        skops's own list and ours, or `pickle` for all. Raises UntrustedModelError where the estimator holds others.
        """
        with self._answer(f"model {name!r} of run {run_id}"), tempfile.TemporaryDirectory() as folder:
            path, about = Path(folder) / "model", Model()
            saving.save(name, model, path, example, about=about, trust=trust)
            run = self._client.get_run(run_id)
            where = run.info.experiment_id
            begun = self._client.search_logged_models([where], _tagged(key).to_text(), max_results=1)
            logged = begun[0] if begun else self._client.create_logged_model(where, name, run_id, tags={KEY: key})
            about.artifact_path, about.run_id = logged.artifact_location, run_id
            about.model_uuid = about.model_id = logged.model_id
            about.save(str(path / MLMODEL_FILE_NAME))
            digest = model_files.digest(path)
            self._client.log_model_artifacts(logged.model_id, str(path))
            self._client.finalize_logged_model(logged.model_id, theirs.LoggedModelStatus.READY)
            outputs = cast(theirs.RunOutputs, run.outputs)
            if logged.model_id not in {output.model_id for output in outputs.model_outputs}:
                self._client.log_outputs(run_id, [theirs.LoggedModelOutput(logged.model_id, step)])
            return LoggedModel(f"models:/{logged.model_id}", digest)

    def has_files(self, uri: str) -> bool:
        """Whether any file of this model is there; its version, or its run, may be there without."""
        with self._answer(f"model {uri}"):
            return self._is_filled(self._location(_model_id(uri)))

    def download_model(self, uri: str, folder: Path) -> Path:
        """Where in `folder` the files of `models:/<model id>` or `models:/<name>/<version>` now are.

        Nothing says yet that they are the ones that were logged.
        """
        with self._answer(f"model {uri}"):
            location = self._location(_model_id(uri))
            # A download of files that are gone fails as one from a server that is down.
            if not self._is_filled(location):
                raise TrackerError(f"model {uri}: its files are gone", where=self._server)
            return Path(mlflow.artifacts.download_artifacts(location, dst_path=str(folder), tracking_uri=self._uri))

    def _is_filled(self, location: str) -> bool:
        return bool(mlflow.artifacts.list_artifacts(artifact_uri=location, tracking_uri=self._uri))

    def _location(self, model: str) -> str:
        # MLflow would resolve `models:/…` against a global URI, not against this server's.
        name, _, version = model.rpartition("/")
        if name:
            found = self._client.get_model_version_download_uri(name, version)
            if not found.startswith("models:/"):
                return found
            model = _model_id(found)
        return str(self._client.get_logged_model(model).artifact_location)

    def load_model(self, uri: str, digest: str, trust: tuple[str, ...] = ()) -> Any:
        """The estimator that was logged. Raises UntrustedModelError where its files are others, before it reads any."""
        with tempfile.TemporaryDirectory() as folder:
            return model_files.load(uri, self.download_model(uri, Path(folder)), digest, trust)

    # ── analysis

    def compare_runs(self, run_ids: Sequence[str], metric_keys: Sequence[str] | None = None) -> pd.DataFrame:
        """The runs in the order asked, a row each: `run_id`, `metric_<key>`, `param_<key>`; what one has not is empty.

        metric_keys: None for all that any of them has. Raises TrackerError that names the ids that are unknown.
        """
        found: dict[str, Run] = {}
        for part in _parts(list(dict.fromkeys(run_ids)), _TEXTS_AT_ONCE):
            found |= {run.id: run for run in self._runs(part)}
        unknown = [run_id for run_id in run_ids if run_id not in found]
        if unknown:
            raise NotFoundError(f"there is no run {', '.join(dict.fromkeys(unknown))}", where=self._server)
        return analysis.table([found[run_id] for run_id in run_ids], metric_keys)

    def _runs(self, run_ids: Sequence[str]) -> list[Run]:
        """MLflow searches in experiments only: the first run says in which, and runs elsewhere are asked one by one."""
        names = ", ".join(filters.quoted(run_id) for run_id in run_ids)
        waiting, found = list(run_ids), list[Run]()
        while waiting:
            run_id = waiting.pop(0)
            try:
                where = self.get_run(run_id).experiment_id
            except NoAnswerError:
                raise
            except TrackerError:
                continue
            page = self._search([where], f"attributes.run_id IN ({names})", ViewType.ALL, max_results=len(run_ids))
            found += [_run(each) for each in page]
            waiting = [run_id for run_id in waiting if run_id not in {each.info.run_id for each in page}]
        return found

    def get_best_run(self, experiment_id: str, metric_key: str, ascending: bool = False) -> Run | None:
        """The first of `get_best_runs`; None where there is none."""
        return next(iter(self.get_best_runs([experiment_id], metric_key, 1, ascending)), None)

    def get_best_runs(
        self, experiment_ids: Sequence[str], metric_key: str, k: int, ascending: bool = False
    ) -> list[Run]:
        """The k finished runs with the greatest value, or the smallest where `ascending`; of equal ones the earliest.

        Runs that did not finish, that have not this metric, or have NaN or infinity for it, do not count.
        """
        finite = [
            FINISHED,
            Condition("metric", metric_key, "<", _GREATEST),
            Condition("metric", metric_key, ">", -_GREATEST),
        ]
        return self.search_runs(experiment_ids, finite, [Order("metric", metric_key, ascending), _STARTED], k)

    def experiment_stats(
        self, experiment_id: str, smaller_is_better: Collection[str] = ()
    ) -> Mapping[str, MetricStats]:
        """Each metric of the experiment's finished runs, by name."""
        return analysis.stats(self.search_runs([experiment_id], [FINISHED]), smaller_is_better)

    # ── registry

    def register_model(self, run_id: str, model_name: str, uri: str | None = None, *, key: str | None = None) -> str:
        """The version of a registered model for this key, made now unless it is there.

        uri: a model that the run has logged; None for its only one. key: None for one of run and uri. Two who call it
        at the same time may make two: those who can, do it within `State.once`.
        """
        checks.name("model", model_name)
        with self._answer(f"model {model_name!r}"):
            uri = uri or self.model_of_run(run_id)
            key = key or hashlib.sha256(f"{run_id} {uri}".encode()).hexdigest()
            found = self._client.search_model_versions(
                f"name = {filters.quoted(model_name)} AND {_tagged(key).to_text()}", max_results=1
            )
            if found:
                return str(found[0].version)
            with suppress(AlreadyExistsError), self._answer(f"model {model_name!r}"):
                self._client.create_registered_model(model_name)
            logged = self._client.get_logged_model(_model_id(uri))
            made = self._client.create_model_version(
                model_name,
                logged.artifact_location,
                run_id,
                tags={KEY: key},
                await_creation_for=0,
                model_id=logged.model_id,
            )
        return str(made.version)

    def model_of_run(self, run_id: str) -> str:
        """URI of the only model that the run has logged. Raises TrackerError where there is none, or are several."""
        with self._answer(f"run {run_id}"):
            outputs = cast(theirs.RunOutputs, self._client.get_run(run_id).outputs).model_outputs
        models = sorted({output.model_id for output in outputs})
        if len(models) != 1:
            raise TrackerError(f"run {run_id} has logged {len(models)} models; name the one to register")
        return f"models:/{models[0]}"

    def get_model_version(
        self, model_name: str, version: str | None = None, stage: Stage | None = None
    ) -> ModelVersion:
        """One version, by its number or by its stage; of several in a stage the newest.

        Raises TrackerError where there is none.
        """
        if (version is None) == (stage is None):
            raise TrackerError(f"model {model_name!r}: say either which version or which stage")
        if version is not None:
            with self._answer(f"model {model_name!r} version {version}"):
                return _version(self._client.get_model_version(model_name, version))
        found = [each for each in self.list_model_versions(model_name) if each.stage == stage]
        if not found:
            raise NotFoundError(f"model {model_name!r} has no version in stage {stage}", where=self._server)
        return found[-1]

    def page_of_models(self, size: int = 100, token: str | None = None) -> Page[RegisteredModel]:
        """The registered models, by name. token: of the page before."""
        with self._answer("models"):
            page = self._client.search_registered_models(max_results=size, order_by=["name ASC"], page_token=token)
        return Page(tuple(self._model(each) for each in page), page.token or None)

    def get_model(self, model_name: str) -> RegisteredModel:
        with self._answer(f"model {model_name!r}"):
            return self._model(self._client.get_registered_model(model_name))

    def _model(self, found: TheirModel) -> RegisteredModel:
        owners = {alias: str(version) for alias, version in found.aliases.items()}
        production, staging = (owners.get(self._aliases[stage]) for stage in ("Production", "Staging"))
        return RegisteredModel(found.name, production, staging, dict(found.tags))

    def set_version_tags(self, model_name: str, version: str, tags: Mapping[str, str]) -> None:
        with self._answer(f"tags of {model_name!r} version {version}"):
            for name, text in checks.tags(tags).items():
                self._client.set_model_version_tag(model_name, version, name, text)

    def list_model_versions(self, model_name: str) -> list[ModelVersion]:
        """The first one first."""
        found: dict[str, ModelVersion] = {}
        token = None
        with self._answer(f"model {model_name!r}"):
            aliases = self._aliases_of(model_name)
            while True:
                page = self._client.search_model_versions(
                    f"name = {filters.quoted(model_name)}", max_results=_AT_MOST, page_token=token
                )
                found |= {str(each.version): _version(each, aliases) for each in page}
                token = page.token
                if not token:
                    return sorted(found.values(), key=lambda each: int(each.version))

    def _aliases_of(self, model_name: str) -> dict[str, tuple[str, ...]]:
        """Of each version: a search for versions leaves them out."""
        owned: dict[str, tuple[str, ...]] = {}
        for alias, version in sorted(self._client.get_registered_model(model_name).aliases.items()):
            owned[str(version)] = (*owned.get(str(version), ()), alias)
        return owned

    def production(self, model_name: str) -> str | None:
        """The version that owns the alias of Production."""
        return self._owner(model_name, self._aliases["Production"])

    def _owner(self, model_name: str, alias: str) -> str | None:
        try:
            with self._answer(f"model {model_name!r}"):
                return str(self._client.get_model_version_by_alias(model_name, alias).version)
        except NotFoundError:
            return None
        except TrackerError as error:
            if "alias" in str(error) and "not found" in str(error):  # of a model that is there: INVALID_PARAMETER_VALUE
                return None
            raise

    def set_production(self, model_name: str, version: str) -> None:
        """Give a version the alias of Production: the commit point of a promotion (DESIGN rule 1)."""
        alias = self._aliases["Production"]
        with self._answer(f"alias {alias!r} of {model_name!r}"):
            self._client.set_registered_model_alias(model_name, alias, version)

    def transition_model_stage(
        self, model_name: str, version: str, stage: Stage, archive_existing_versions: bool = True
    ) -> None:
        """Set a version's stage. Raises TrackerError where Production would have two owners.

        The alias of Staging goes with its stage; that of Production is moved by `set_production` alone.
        """
        checks.stage(stage, archive_existing_versions)
        # MLflow archives the existing ones of Staging and Production, and refuses to be asked for others.
        archive = archive_existing_versions and stage in ("Staging", "Production")
        staging = self._aliases["Staging"]
        with self._answer(f"stage of {model_name!r} version {version}"), warnings.catch_warnings():
            # Stages are announced to go; while they are there, they agree with the aliases.
            warnings.simplefilter("ignore", FutureWarning)
            self._client.transition_model_version_stage(model_name, version, stage, archive)
            if stage == "Staging":
                self._client.set_registered_model_alias(model_name, staging, version)
            elif self._owner(model_name, staging) == version:
                self._client.delete_registered_model_alias(model_name, staging)

    def stage(self, model_name: str, version: str) -> Stage:
        return self.get_model_version(model_name, version).stage

    # ── below

    def _answer(self, what: str) -> AbstractContextManager[None]:
        return answers.answer(self._server, what)


def _experiment(found: theirs.Experiment) -> Experiment:
    return Experiment(
        id=str(found.experiment_id),
        name=found.name,
        deleted=found.lifecycle_stage == "deleted",
        artifact_location=found.artifact_location,
        tags=dict(found.tags),
    )


def _run(found: theirs.Run) -> Run:
    info, data = found.info, found.data
    return Run(
        id=info.run_id,
        experiment_id=str(info.experiment_id),
        name=info.run_name,
        status=cast(RunStatus, info.status),
        started_at=_time(info.start_time),
        # One that was taken up again keeps its old end.
        ended_at=_time(info.end_time) if info.end_time and info.status not in ("RUNNING", "SCHEDULED") else None,
        deleted=info.lifecycle_stage == "deleted",
        params=dict(data.params),
        metrics={name: _number(value) for name, value in data.metrics.items()},
        tags=dict(data.tags),
    )


def _version(found: TheirVersion, aliases: Mapping[str, tuple[str, ...]] | None = None) -> ModelVersion:
    version = str(found.version)
    return ModelVersion(
        model=found.name,
        version=version,
        stage=cast(Stage, found.current_stage or "None"),
        aliases=tuple(sorted(found.aliases)) if aliases is None else aliases.get(version, ()),
        run_id=found.run_id or None,
        source=found.source or "",
        tags=dict(found.tags),
        registered_at=_time(found.creation_timestamp),
    )


def _tags(given: Mapping[str, str] | None) -> list[theirs.RunTag]:
    return [theirs.RunTag(name, text) for name, text in checks.tags(given or {}).items()]


def _number(kept: float) -> float:
    """As it was logged: others than we may have logged infinity."""
    return copysign(inf, kept) if abs(kept) > _GREATEST else kept


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _distinct(order: Sequence[Order]) -> list[Order]:
    """A second one by the same field decides nothing, and MLflow's server breaks on it."""
    found: dict[tuple[str, str], Order] = {}
    for each in order:
        found.setdefault((each.kind, each.name), each)
    return list(found.values())


def _tagged(key: str) -> Condition:
    return Condition("tag", KEY, "=", _key(key))


def _key(key: str) -> str:
    """Keys are digests, so that none can add a clause, and none is cut off."""
    if not key.isalnum():
        raise TrackerError(f"{key!r} is no key: keys are hexadecimal digests")
    return key


def _model_id(uri: str) -> str:
    return uri.removeprefix("models:/")


def _parts(values: Sequence[_Each], size: int) -> Iterator[Sequence[_Each]]:
    for begin in range(0, len(values), size):
        yield values[begin : begin + size]
