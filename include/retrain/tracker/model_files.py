"""The files of models: upload, look for, download and load them."""

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
from retrain.tracker.server import DIGEST, KEY, Server, model_id, tagged


class ModelFiles(Server):
    """Files of models in MLflow's artifact store, by the URI of a logged model or of a version."""

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

        key: see `log_model_files`. example: some rows of features, for the signature. trust: types beyond the lists of
        skops and Retrain, or `pickle` for all. Raises UntrustedModelError if the estimator holds other types.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            with self._translated_errors(f"model {name!r} of run {run_id}"):
                model_writer.save(name, model, path, example, trust=trust)
            return self.log_model_files(run_id, name, path, key=key, step=step)

    def log_model_files(self, run_id: str, name: str, path: Path, *, key: str, step: int = 0) -> LoggedModel:
        """Upload the files of a model, as `model_writer.save` has written them, as the output of a run.

        key: if a killed predecessor had begun for the same key, the files are uploaded again under the same id. That is
        not safe beside a predecessor that is alive, so call it within `Ledger.once`.
        """
        with self._translated_errors(f"model {name!r} of run {run_id}"):
            about = Model.load(str(path))
            run = self._client.get_run(run_id)
            where = run.info.experiment_id
            begun = self._client.search_logged_models([where], tagged(key).to_text(), max_results=1)
            logged = begun[0] if begun else self._client.create_logged_model(where, name, run_id, tags={KEY: key})
            about.artifact_path, about.run_id = logged.artifact_location, run_id
            about.model_uuid = about.model_id = logged.model_id
            about.save(str(path / MLMODEL_FILE_NAME))
            digest = model_files.digest(path)
            self._files(logged.artifact_location).log_artifacts(str(path))
            self._client.set_logged_model_tags(logged.model_id, {DIGEST: digest})
            self._client.finalize_logged_model(logged.model_id, theirs.LoggedModelStatus.READY)
            outputs = cast(theirs.RunOutputs, run.outputs)
            if logged.model_id not in {output.model_id for output in outputs.model_outputs}:
                self._client.log_outputs(run_id, [theirs.LoggedModelOutput(logged.model_id, step)])
            return LoggedModel(f"models:/{logged.model_id}", digest)

    def has_files(self, uri: str) -> bool:
        """Return whether the model has any file; a version or a run can exist without one."""
        with self._translated_errors(f"model {uri}"):
            return self._is_filled(self._location(model_id(uri)))

    def download_model(self, uri: str, folder: Path) -> Path:
        """Download the files of `models:/<model id>` or `models:/<name>/<version>`; returns their path below `folder`.

        It does not check that they are the files that were logged.
        """
        with self._translated_errors(f"model {uri}"):
            location = self._location(model_id(uri))
            # Checked first: the download of files that are gone fails like one from a server that is down.
            if not self._is_filled(location):
                raise TrackerError(f"model {uri}: its files are gone", where=self._server)
            return Path(mlflow.artifacts.download_artifacts(location, dst_path=str(folder), tracking_uri=self._uri))

    def _is_filled(self, location: str) -> bool:
        return bool(mlflow.artifacts.list_artifacts(artifact_uri=location, tracking_uri=self._uri))

    def _location(self, model: str) -> str:
        # MLflow itself would resolve `models:/…` against a global URI, not against this server's.
        name, _, version = model.rpartition("/")
        if name:
            found = self._client.get_model_version_download_uri(name, version)
            if not found.startswith("models:/"):
                return found
            model = model_id(found)
        return str(self._client.get_logged_model(model).artifact_location)

    def load_model(self, uri: str, digest: str, trust: tuple[str, ...] = ()) -> Any:
        """Return the estimator that was logged.

        Raises UntrustedModelError before it loads any file, if their digest is not `digest`.
        """
        with tempfile.TemporaryDirectory() as folder:
            return model_files.load(uri, self.download_model(uri, Path(folder)), digest, trust)
