"""Everything that Retrain asks of MLflow. No other module imports it.

Only `MlflowClient` is used: the fluent API keeps an active run in a global, and ends it as FINISHED after an exception.
Each call is sent once: after an answer that was lost, MLflow's own retries would create a second run or version
(DESIGN rule 7). Callers make things once through `State.once`, and find what a killed predecessor made by its key.
"""

import hashlib
import json
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Literal, cast

import mlflow.artifacts
import mlflow.sklearn
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    RunOutputs,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException, RestException
from mlflow.models import Model, infer_signature
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from retrain.errors import NoAnswerError, TrackerError, UntrustedModelError
from retrain.nouns import Snapshot

with warnings.catch_warnings():
    # Both look at every module that is loaded, and at type hints of their own, and warn about what they find there.
    warnings.simplefilter("ignore")
    import mlflow.pyfunc
    import skops.io

KEY = "retrain.key"
"""Tag of whatever was made once for a key."""

DEADLINE = 60
"""Seconds until a call without an answer fails; a write that was sent lands within this time or not at all."""

RunStatus = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
Stage = Literal["None", "Staging", "Production", "Archived"]

_LONGEST_PARAM = 6_000
_REQUIREMENTS = ("numpy", "pandas", "scikit-learn", "skops")
_MODEL_FILE = "model.skops"
_HARMLESS = ("numpy.dtype",)
"""Types that skops asks about and that run nothing when they are loaded."""


@dataclass(frozen=True)
class Run:
    id: str
    status: str
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class LoggedModel:
    """A model file in MLflow's artifact store."""

    uri: str
    """`models:/m-…`."""
    digest: str
    """SHA-256 over its files, as they were when we uploaded them."""


class ExperimentTracker:
    """A service over one MLflow server.

    Every method raises NoAnswerError where the server did not answer within its deadline, and TrackerError where it
    refused.
    """

    def __init__(
        self,
        uri: str,
        *,
        username: str | None = None,
        password: str | None = None,
        production_alias: str = "production",
    ) -> None:
        """uri: of the tracking server. production_alias: the alias that the version in Production owns."""
        # MLflow takes these from the environment and from nowhere else.
        for name, value in (("MLFLOW_TRACKING_USERNAME", username), ("MLFLOW_TRACKING_PASSWORD", password)):
            if value:
                os.environ[name] = value
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(DEADLINE))
        self._uri = uri
        self._alias = production_alias
        self._client = MlflowClient(tracking_uri=uri)

    # ── experiments

    def create_experiment(self, name: str) -> str:
        """Id of the experiment of that name, made now unless it is there."""
        with _answer(f"experiment {name!r}"):
            found = self._client.get_experiment_by_name(name)
            if found is None:
                with suppress(_AlreadyExists), _already_exists():
                    return str(self._client.create_experiment(name))
                found = self._client.get_experiment_by_name(name)
        if found is None or found.lifecycle_stage != "active":
            raise TrackerError(
                f"experiment {name!r}: its name is held by a deleted experiment; restore that one in MLflow"
            )
        return str(found.experiment_id)

    # ── runs

    def start_run(
        self, experiment_id: str, run_name: str, key: str, *, parent: str | None = None, note: str = "", **tags: str
    ) -> str:
        """Id of a new run that carries `key`. note: what MLflow's page shows as the run's description."""
        given = {KEY: key, **{f"retrain.{name}": value for name, value in tags.items()}}
        if parent is not None:
            given[MLFLOW_PARENT_RUN_ID] = parent
        if note:
            given[MLFLOW_RUN_NOTE] = note
        with _answer(f"run {run_name!r}"):
            return str(self._client.create_run(experiment_id, run_name=run_name, tags=given).info.run_id)

    def find_run(self, experiment_id: str, key: str) -> str | None:
        """Id of the run that was started for `key`."""
        with _answer("search for a run"):
            found = self._client.search_runs(
                [experiment_id],
                _tagged(key),
                ViewType.ACTIVE_ONLY,
                max_results=1,
                order_by=["attributes.start_time ASC"],
            )
        return str(found[0].info.run_id) if found else None

    def get_run(self, run_id: str) -> Run:
        with _answer(f"run {run_id}"):
            run = self._client.get_run(run_id)
        return Run(run.info.run_id, run.info.status, run.data.metrics)

    def end_run(self, run_id: str, status: RunStatus = "FINISHED") -> None:
        """Set a run's status; RUNNING takes a failed one up again."""
        with _answer(f"run {run_id}"):
            if status == "RUNNING":
                self._client.update_run(run_id, status)
            else:
                self._client.set_terminated(run_id, status)

    # ── logging

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Log parameters; what is no text becomes JSON. Raises TrackerError for one that MLflow would cut off."""
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in params.items()}
        for key, text in texts.items():
            if len(text) > _LONGEST_PARAM:
                raise TrackerError(f"parameter {key!r} has {len(text):,} characters; MLflow keeps {_LONGEST_PARAM:,}")
        with _answer(f"parameters of run {run_id}"):
            self._client.log_batch(run_id, params=[Param(key, text) for key, text in texts.items()])

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
        now = int(time.time() * 1000)
        with _answer(f"metrics of run {run_id}"):
            self._client.log_batch(run_id, metrics=[Metric(name, value, now, step) for name, value in metrics.items()])

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of ours: each name is put below `retrain.`."""
        with _answer(f"tags of run {run_id}"):
            self._client.log_batch(run_id, tags=[RunTag(f"retrain.{name}", text) for name, text in tags.items()])

    def log_dataset(self, run_id: str, snapshot: Snapshot) -> None:
        """Log the snapshot as the data set that the run saw, with our digest: MLflow's reads only the first rows."""
        dataset = Dataset(
            name=snapshot.model,
            digest=snapshot.id,
            source_type="local" if snapshot.uri.startswith("file:") else snapshot.uri.split(":")[0],
            source=json.dumps({"uri": snapshot.uri}),
            profile=json.dumps({"num_rows": snapshot.rows}),
        )
        with _answer(f"data set of run {run_id}"):
            self._client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])

    def log_model(
        self,
        run_id: str,
        name: str,
        key: str,
        model: Any,
        example: pd.DataFrame,
        *,
        trust: tuple[str, ...] = (),
        step: int = 0,
    ) -> LoggedModel:
        """Upload a fitted scikit-learn estimator as the output of a run, in the skops format.

        key: uploads again under the same id where a killed predecessor had begun; not safe beside one that is alive,
        therefore called within `State.once`. example: some rows of features, for the signature. trust: types beyond
        skops's own list and ours. Raises UntrustedModelError where the estimator holds others.
        """
        foreign = _foreign(skops.io.get_untrusted_types(data=skops.io.dumps(model)), trust)
        if foreign:
            raise UntrustedModelError(
                f"{name}: the model holds {', '.join(foreign)}; add what you trust of these to the spec's `trust`"
            )
        with _answer(f"model {name!r} of run {run_id}"), tempfile.TemporaryDirectory() as folder:
            run = self._client.get_run(run_id)
            where = run.info.experiment_id
            begun = self._client.search_logged_models([where], _tagged(key), max_results=1)
            logged = begun[0] if begun else self._client.create_logged_model(where, name, run_id, tags={KEY: key})
            with warnings.catch_warnings():
                # On columns of integers: that a missing value would make them floats.
                warnings.simplefilter("ignore", UserWarning)
                signature = infer_signature(example, model.predict(example))
            path = Path(folder) / "model"
            mlflow.sklearn.save_model(
                model,
                str(path),
                mlflow_model=Model(
                    artifact_path=logged.artifact_location,
                    model_uuid=logged.model_id,
                    run_id=run_id,
                    model_id=logged.model_id,
                ),
                signature=signature,
                pip_requirements=[f"{package}=={installed(package)}" for package in _REQUIREMENTS],
                serialization_format="skops",
                skops_trusted_types=[*_HARMLESS, *trust],
            )
            self._client.log_model_artifacts(logged.model_id, str(path))
            self._client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
            if logged.model_id not in {output.model_id for output in cast(RunOutputs, run.outputs).model_outputs}:
                self._client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step)])
            return LoggedModel(f"models:/{logged.model_id}", _digest(path))

    def load_model(self, uri: str, digest: str, trust: tuple[str, ...] = ()) -> Any:
        """The estimator that was logged. Raises UntrustedModelError where its files are others, before it reads any."""
        with _answer(f"model {uri}"), tempfile.TemporaryDirectory() as folder:
            # By its location: MLflow resolves `models:/…` against a global URI, not against this server's.
            location = self._client.get_logged_model(_model_id(uri)).artifact_location
            path = Path(mlflow.artifacts.download_artifacts(location, dst_path=folder, tracking_uri=self._uri))
            if _digest(path) != digest:
                raise UntrustedModelError(f"{uri}: its files are not the ones that were logged; it is not loaded")
            file = path / _MODEL_FILE
            foreign = _foreign(skops.io.get_untrusted_types(file=file), trust)
            if foreign:
                raise UntrustedModelError(f"{uri}: holds {', '.join(foreign)}, which the spec does not trust")
            return skops.io.load(file, trusted=[*_HARMLESS, *trust])

    # ── registry

    def register_model(self, model_name: str, run_id: str, uri: str, key: str) -> str:
        """The new version of a registered model."""
        with _answer(f"model {model_name!r}"):
            with suppress(_AlreadyExists), _already_exists():
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

    def find_model_version(self, model_name: str, key: str) -> str | None:
        """The version that was registered for `key`."""
        with _answer(f"model {model_name!r}"):
            found = self._client.search_model_versions(
                f"name = '{_quotable(model_name)}' AND {_tagged(key)}", max_results=1
            )
        return str(found[0].version) if found else None

    def production(self, model_name: str) -> str | None:
        """The version that owns the alias of Production."""
        with _answer(f"model {model_name!r}"):
            try:
                return str(self._client.get_model_version_by_alias(model_name, self._alias).version)
            except RestException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise

    def set_production(self, model_name: str, version: str) -> None:
        """Give a version the alias of Production: the commit point of a promotion (DESIGN rule 1)."""
        with _answer(f"alias {self._alias!r} of {model_name!r}"):
            self._client.set_registered_model_alias(model_name, self._alias, version)

    def transition_model_stage(
        self, model_name: str, version: str, stage: Stage, archive_existing_versions: bool = True
    ) -> None:
        """Set a version's stage. Raises TrackerError where Production would have two owners."""
        if stage == "Production" and not archive_existing_versions:
            raise TrackerError("Production without archive_existing_versions would leave two versions there; set it")
        with _answer(f"stage of {model_name!r} version {version}"), warnings.catch_warnings():
            # Stages are announced to go; while they are there, they agree with the aliases.
            warnings.simplefilter("ignore", FutureWarning)
            self._client.transition_model_version_stage(model_name, version, stage, archive_existing_versions)

    def stage(self, model_name: str, version: str) -> Stage:
        with _answer(f"model {model_name!r} version {version}"):
            return cast(Stage, self._client.get_model_version(model_name, version).current_stage)


class _AlreadyExists(Exception):  # noqa: N818 - told apart from every other refusal, and never leaves this file
    pass


@contextmanager
def _already_exists() -> Iterator[None]:
    try:
        yield
    except RestException as error:
        if error.error_code == "RESOURCE_ALREADY_EXISTS":
            raise _AlreadyExists from error
        raise


@contextmanager
def _answer(what: str) -> Iterator[None]:
    """MLflow's errors as ours: its classes do not tell a refusal from no answer."""
    try:
        yield
    except (MlflowException, OSError) as error:
        said = f"{what}: {' '.join(str(error).split())[:1000]}"
        refused = isinstance(error, RestException) and error.get_http_status_code() < 500  # type: ignore[no-untyped-call]
        if refused or (isinstance(error, MlflowException) and error.error_code != "INTERNAL_ERROR"):
            raise TrackerError(said) from error
        raise NoAnswerError(said) from error


def _tagged(key: str) -> str:
    """Filter for what carries a key; keys are digests, so that none can add a clause."""
    if not key.isalnum():
        raise TrackerError(f"{key!r} is no key: keys are hexadecimal digests")
    return f"tags.`{KEY}` = '{key}'"


def _model_id(uri: str) -> str:
    return uri.removeprefix("models:/")


def _quotable(name: str) -> str:
    if "'" in name or "\\" in name:
        raise TrackerError(f"{name!r}: MLflow cannot search for a name with a quote or a backslash")
    return name


def _foreign(found: list[str], trust: tuple[str, ...]) -> list[str]:
    return sorted(set(found) - set(trust) - set(_HARMLESS))


def _digest(folder: Path) -> str:
    """SHA-256 over the paths and contents of all files, in the order of their paths."""
    whole = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name, content = file.relative_to(folder).as_posix().encode(), file.read_bytes()
        whole.update(b"%d:%s%d:" % (len(name), name, len(content)) + content)
    return whole.hexdigest()
