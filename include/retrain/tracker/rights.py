"""Whether a login may do in MLflow what a cycle does: tried in an experiment and a model of its own, and cleaned up.

MLflow erases no experiment: a deleted one keeps its name. So one is used again, whose name has the user's in it.
"""

import re
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import mlflow.entities as theirs
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.types.schema import ColSpec, DataType, Schema

from retrain.errors import NoAnswerError, NotFoundError, RetrainError
from retrain.text import one_line
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.server import KEY, tagged
from retrain.tracker.transport import AlreadyExistsError, is_missing

_Made = TypeVar("_Made")
_TAG, _ALIAS, _KEY = "retrain.test", "retrain-test", "retraintest"
_ASK = "let an administrator of MLflow permit it to this login"
_STORE = "let this login, or this machine where it reaches the store itself, read and write MLflow's artifacts"
_NOT_IN_A_NAME = re.compile(r"[^\w.-]")
_STAYS = "it stays there: delete it by hand, and let an administrator of MLflow permit deleting to this login"


@dataclass(frozen=True)
class Missing:
    """Something that a cycle does, and that this login cannot do."""

    what: str
    why: str
    remedy: str

    def __str__(self) -> str:
        return f"cannot {self.what}: {self.why}; {self.remedy}"


def missing_rights(
    tracker: ExperimentTracker, *, user: str | None = None, models: Sequence[str] = (), below: str = ""
) -> list[Missing]:
    """Do what a cycle does, delete what was made, and return what could not be done.

    user: whose login it is, for names. models: of the specs on this server: whether they may be changed is tried, where
    they are there, by a tag that is removed again. below: what names of models begin with where they have three parts,
    as in `catalog.schema.`. Raises NoAnswerError or TrackerError if the server does not answer at all.
    """
    tracker.check()
    trial = _Trial(tracker, f"retrain-test-{_NOT_IN_A_NAME.sub('_', user or 'anybody')}", below)
    try:
        trial.run()
        for model in models:
            trial.change(model)
    finally:
        trial.clean_up()
    return trial.missing


class _Trial:
    def __init__(self, tracker: ExperimentTracker, name: str, below: str) -> None:
        self.missing: list[Missing] = []
        self._tracker = tracker
        self._client = tracker._client
        self._name = name
        self._below = below
        self._made: list[tuple[str, Callable[[], object]]] = []
        """What is to be deleted, and how; the newest last."""

    def run(self) -> None:
        experiment = self._try("create an experiment", self._experiment)
        run = experiment and self._try("start a run", lambda: self._run(experiment))
        if not experiment or not run:
            return
        self._try("log parameters, metrics and tags", lambda: self._log(run))
        self._try("log a data set", lambda: self._log_data(run))
        self._try("search for runs", lambda: self._client.search_runs([experiment], tagged(_KEY).to_text()))
        self._try("upload a file of a run and read it back", lambda: self._upload(run), _STORE)
        logged = self._try("log a model", lambda: self._log_model(experiment, run), _STORE)
        self._try("end a run", lambda: self._client.set_terminated(run))
        if logged:
            self._try_registry(run, logged)

    def _try_registry(self, run: str, logged: theirs.LoggedModel) -> None:
        self._try(
            "see that a registered model is not there yet",
            self._look_for_nothing,
            "let MLflow's default_permission be READ, or register each spec's model with this login before its first "
            "cycle",
        )
        model = self._try("register a model", self._model)
        version = model and self._try("register a version", lambda: self._version(model, run, logged))
        if not model or not version:
            return
        client = self._client
        self._try("tag a version", lambda: client.set_model_version_tag(model, version, _TAG, "x"))
        self._try("find versions", lambda: client.search_model_versions(f"run_id = '{run}'"))
        if self._try("set an alias", lambda: self._set_alias(model, version)):
            self._try("find a version by its alias", lambda: client.get_model_version_by_alias(model, _ALIAS))
            self._try("delete an alias", lambda: client.delete_registered_model_alias(model, _ALIAS))
        self._try("set a stage", lambda: self._stage(model, version))

    def change(self, model: str) -> None:
        """Try whether a model that is there, and its experiment, may be changed."""
        client = self._client
        remedy = "let its owner, or an administrator of MLflow, permit it to this login"

        def registered() -> None:
            with suppress(NotFoundError), self._tracker._translated_errors(model):
                client.get_registered_model(model)
                client.set_registered_model_tag(model, _TAG, "x")
                client.delete_registered_model_tag(model, _TAG)

        def experiment() -> None:
            found = client.get_experiment_by_name(model)
            if found is not None and found.lifecycle_stage == "active":
                client.set_experiment_tag(found.experiment_id, _TAG, "x")
                client.delete_experiment_tag(found.experiment_id, _TAG)

        self._try(f"change the registered model {model!r}", registered, remedy)
        self._try(f"change the experiment {model!r}", experiment, remedy)

    def clean_up(self) -> None:
        """Delete what was made, the newest first."""
        while self._made:
            what, delete = self._made.pop()
            self._try(f"delete {what}", delete, _STAYS)

    def _try(self, what: str, act: Callable[[], _Made], remedy: str = _ASK) -> _Made | None:
        try:
            with self._tracker._translated_errors(what):
                return act()
        except NoAnswerError as error:
            why, remedy = error.message.removeprefix(f"{what}: "), f"{remedy}; or look whether its server answers"
        except RetrainError as error:
            why = error.message.removeprefix(f"{what}: ")
        except Exception as error:  # of any kind: an artifact store's own errors come as they are
            why = f"{type(error).__name__}: {one_line(error)}"
        self.missing.append(Missing(what, why, remedy))
        return None

    # ── what is made

    def _experiment(self) -> str:
        """Return the id of the trial's experiment: of that which is there, or else of a new one."""
        try:
            found = self._client.get_experiment_by_name(self._name)
            if found is not None and found.lifecycle_stage != "active":
                self._client.restore_experiment(found.experiment_id)
            made = found.experiment_id if found else self._client.create_experiment(self._name)
        except MlflowException:  # it is somebody else's, of the same name
            self._name = f"{self._name}-{uuid4().hex[:8]}"
            made = self._client.create_experiment(self._name)
        self._made.append((f"experiment {self._name!r}", lambda: self._client.delete_experiment(made)))
        return str(made)

    def _run(self, experiment: str) -> str:
        """Return the id of the trial's run, which is used again as well."""
        found = self._client.search_runs([experiment], tagged(_KEY).to_text(), ViewType.ALL, max_results=1)
        if found:
            run = found[0].info.run_id
            if found[0].info.lifecycle_stage == "deleted":
                self._client.restore_run(run)
        else:
            run = self._client.create_run(experiment, run_name="test", tags={KEY: _KEY}).info.run_id
        self._made.append((f"run {run}", lambda: self._client.delete_run(run)))
        return str(run)

    def _log(self, run: str) -> None:
        self._client.log_batch(
            run, [theirs.Metric("metric", 1.0, 0, 0)], [theirs.Param("parameter", "1")], [theirs.RunTag(_TAG, "x")]
        )

    def _log_data(self, run: str) -> None:
        data = theirs.Dataset(name="test", digest="test", source_type="local", source="{}")
        self._client.log_inputs(run, [theirs.DatasetInput(data, [])])

    def _upload(self, run: str) -> None:
        with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
            file = Path(folder) / "test.txt"
            file.write_text("a test of Retrain's", encoding="utf-8")
            files = self._tracker._files(self._client.get_run(run).info.artifact_uri)
            files.log_artifact(str(file))
            back = Path(folder) / "back"
            back.mkdir()
            read = Path(files.download_artifacts("test.txt", str(back)))
            if read.read_bytes() != file.read_bytes():
                raise RetrainError("the file that came back is not the one that was uploaded")

    def _log_model(self, experiment: str, run: str) -> theirs.LoggedModel:
        """Return the trial's logged model, which is used again too: a description, and nothing that could be loaded."""
        found = self._client.search_logged_models([experiment], tagged(_KEY).to_text(), max_results=1)
        logged = found[0] if found else self._client.create_logged_model(experiment, "test", run, tags={KEY: _KEY})
        number = Schema([ColSpec(DataType.double, "a")])
        about = Model(signature=ModelSignature(number, number), model_id=logged.model_id, run_id=run)
        with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
            about.save(str(Path(folder) / MLMODEL_FILE_NAME))
            self._tracker._files(logged.artifact_location).log_artifacts(folder)
        self._client.finalize_logged_model(logged.model_id, theirs.LoggedModelStatus.READY)
        return logged

    def _look_for_nothing(self) -> None:
        with suppress(NotFoundError), self._tracker._translated_errors("nothing"):
            self._client.get_registered_model(f"{self._below}retrain-test-{uuid4().hex}")

    def _model(self) -> str:
        model = f"{self._below}{self._name}"
        # Else it was left by a test that was killed.
        with suppress(AlreadyExistsError), self._tracker._translated_errors("register a model"):
            self._client.create_registered_model(model)
        self._made.append((f"registered model {model!r}", lambda: self._client.delete_registered_model(model)))
        return model

    def _version(self, model: str, run: str, logged: theirs.LoggedModel) -> str:
        made = self._client.create_model_version(
            model, logged.artifact_location, run, await_creation_for=0, model_id=logged.model_id
        )
        return str(made.version)

    def _set_alias(self, model: str, version: str) -> bool:
        self._client.set_registered_model_alias(model, _ALIAS, version)
        return True

    def _stage(self, model: str, version: str) -> None:
        """Set a stage, where the registry has stages."""
        if not self._client.get_model_version(model, version).current_stage:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            try:
                self._client.transition_model_version_stage(model, version, "Staging")
            except MlflowException as error:
                if not is_missing(error):
                    raise
