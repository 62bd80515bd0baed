"""The files of models: uploaded, looked for, downloaded."""

import tempfile
from pathlib import Path
from typing import Any, cast

import mlflow.artifacts
import mlflow.entities as theirs
import pandas as pd
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME

from retrain.errors import TrackerError
from retrain.models import files as model_files
from retrain.tracker import model_writer
from retrain.tracker.entities import LoggedModel
from retrain.tracker.server import KEY, Server, model_id, tagged


class ModelFiles(Server):
    """Files of models."""

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
            model_writer.save(name, model, path, example, about=about, trust=trust)
            run = self._client.get_run(run_id)
            where = run.info.experiment_id
            begun = self._client.search_logged_models([where], tagged(key).to_text(), max_results=1)
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
            return self._is_filled(self._location(model_id(uri)))

    def download_model(self, uri: str, folder: Path) -> Path:
        """Where in `folder` the files of `models:/<model id>` or `models:/<name>/<version>` now are.

        Nothing says yet that they are the ones that were logged.
        """
        with self._answer(f"model {uri}"):
            location = self._location(model_id(uri))
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
            model = model_id(found)
        return str(self._client.get_logged_model(model).artifact_location)

    def load_model(self, uri: str, digest: str, trust: tuple[str, ...] = ()) -> Any:
        """The estimator that was logged. Raises UntrustedModelError where its files are others, before it reads any."""
        with tempfile.TemporaryDirectory() as folder:
            return model_files.load(uri, self.download_model(uri, Path(folder)), digest, trust)
