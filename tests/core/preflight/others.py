"""A registry as others keep it: versions that somebody has logged with MLflow alone, broken on purpose where asked."""

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import mlflow.entities as theirs
import mlflow.sklearn
import pandas as pd
import yaml
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

ROWS = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [1.0, 0.0, 1.0, 0.0]})
LABELS = pd.Series(["no", "no", "yes", "yes"])


@cache
def saved(format_: str = "skops") -> Path:
    """Return a folder with a model as MLflow writes it; made once."""
    folder = Path(tempfile.mkdtemp(prefix="retrain-")) / "model"
    model = LogisticRegression().fit(ROWS, LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.sklearn.save_model(
            model,
            str(folder),
            signature=infer_signature(ROWS, model.predict(ROWS)),
            serialization_format=format_,
            pip_requirements=str(_requirements()),
        )
    return folder


def _requirements() -> Path:
    import sklearn

    file = Path(tempfile.mkdtemp(prefix="retrain-")) / "requirements.txt"
    file.write_text(f"scikit-learn=={sklearn.__version__}\n")
    return file


@dataclass(frozen=True)
class Made:
    """A version, and its files on the disk of the server."""

    number: str
    run_id: str
    model_id: str | None
    folder: Path

    def edit(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change its MLmodel."""
        file = self.folder / "MLmodel"
        about = yaml.safe_load(file.read_text())
        change(about)
        file.write_text(yaml.safe_dump(about))


@dataclass(frozen=True)
class Others:
    """Whoever keeps one registered model of a server."""

    client: MlflowClient
    artifacts: Path
    """Where the server keeps all files."""
    experiment: str
    model: str

    @staticmethod
    def at(address: str, artifacts: Path, model: str | None = None) -> "Others":
        client, model = MlflowClient(address, address), model or f"letters-{uuid4().hex[:8]}"
        client.create_registered_model(model)
        return Others(client, artifacts, client.create_experiment(f"of {model}"), model)

    def run(
        self, *, status: str = "FINISHED", metrics: Mapping[str, float] = {}, params: Mapping[str, Any] = {}
    ) -> str:
        run_id = self.client.create_run(self.experiment).info.run_id
        self.client.log_batch(
            run_id,
            [theirs.Metric(name, value, 0, 0) for name, value in metrics.items()],
            [theirs.Param(name, str(value)) for name, value in params.items()],
        )
        if status != "RUNNING":
            self.client.set_terminated(run_id, status)
        return str(run_id)

    def log_data(self, run_id: str, digest: str, rows: int, context: str) -> None:
        data = theirs.Dataset("letters", digest, "local", "{}", profile=json.dumps({"num_rows": rows}))
        tag = theirs.InputTag("mlflow.data.context", context)
        self.client.log_inputs(run_id, [theirs.DatasetInput(data, [tag])])

    def version(
        self,
        run_id: str | None = None,
        *,
        stage: str | None = None,
        alias: str | None = None,
        format_: str = "skops",
        change: Callable[[dict[str, Any]], object] = lambda _: None,
        **of_run: Any,
    ) -> Made:
        """Register a version as MLflow 3 does. change: its MLmodel, before it is logged."""
        run_id = run_id or self.run(**of_run)
        logged = self.client.create_logged_model(self.experiment, "model", run_id)
        with tempfile.TemporaryDirectory(prefix="retrain-") as name:
            folder = shutil.copytree(saved(format_), Path(name) / "model")
            made = Made("", run_id, logged.model_id, folder)
            made.edit(lambda about: about.update(run_id=run_id, model_id=logged.model_id, model_uuid=logged.model_id))
            made.edit(change)
            self.client.log_model_artifacts(logged.model_id, str(folder))
        self.client.finalize_logged_model(logged.model_id, theirs.LoggedModelStatus.READY)
        found = self.client.create_model_version(
            self.model, logged.artifact_location, run_id, await_creation_for=0, model_id=logged.model_id
        )
        return self._placed(
            Made(str(found.version), run_id, logged.model_id, self._on_disk(found.source)), stage, alias
        )

    def old_version(
        self, run_id: str | None = None, *, stage: str | None = None, alias: str | None = None, path: str = "model"
    ) -> Made:
        """Register a version as MLflow 2 does: its files are among the run's, and no logged model is there."""
        run_id, uuid = run_id or self.run(), uuid4().hex
        with tempfile.TemporaryDirectory(prefix="retrain-") as name:
            folder = shutil.copytree(saved(), Path(name) / "model")
            Made("", run_id, None, folder).edit(lambda about: about.update(run_id=run_id, model_uuid=uuid))
            self.client.log_artifacts(run_id, str(folder), path)
        history = json.dumps([{"artifact_path": path, "model_uuid": uuid, "run_id": run_id}])
        self.client.set_tag(run_id, "mlflow.log-model.history", history)
        source = f"{self.client.get_run(run_id).info.artifact_uri}/{path}"
        found = self.client.create_model_version(self.model, source, run_id, await_creation_for=0)
        return self._placed(Made(str(found.version), run_id, None, self._on_disk(source)), stage, alias)

    def stage(self, version: str, stage: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            self.client.transition_model_version_stage(self.model, version, stage)

    def alias(self, name: str, version: str) -> None:
        self.client.set_registered_model_alias(self.model, name, version)

    def _placed(self, made: Made, stage: str | None, alias: str | None) -> Made:
        if stage is not None:
            self.stage(made.number, stage)
        if alias is not None:
            self.alias(alias, made.number)
        return made

    def _on_disk(self, source: str) -> Path:
        return self.artifacts / urlsplit(source).path.lstrip("/")
