"""What is logged to a run: parameters, metrics, tags, files, the data set."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import mlflow.entities as theirs

from retrain.errors import NoAnswerError, NotFoundError, TrackerError
from retrain.records import Snapshot
from retrain.tracker import validation
from retrain.tracker.entities import Artifact, MetricPoint, RunStatus
from retrain.tracker.runs import Runs
from retrain.tracker.server import METRICS_AT_ONCE, TEXTS_AT_ONCE, number, parts, time_of


class Logging(Runs):
    """Logging to a run, and reading back what was logged."""

    def log_params(self, run_id: str, params: Mapping[str, Any], *, tags: Mapping[str, str] | None = None) -> None:
        """Log parameters; values that are not text become JSON. All are checked before any is sent.

        tags: tags of the run, set in the same call. Raises TrackerError for a parameter that has another value already,
        naming both, and for what MLflow would cut off.
        """
        texts, run_tags = validation.params(params), _tags(tags)
        try:
            with self._translated_errors(f"parameters of run {run_id}"):
                for part in parts(list(texts.items()), TEXTS_AT_ONCE):
                    self._client.log_batch(
                        run_id, params=[theirs.Param(name, text) for name, text in part], tags=run_tags
                    )
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
        """Log metrics, a thousand points in one call. A sequence holds the values of `step`, `step + 1`, …

        at: the time of the points, by default now; a point that is logged twice with the same time is stored once.
        tags: tags of the run, set in the same call. Takes NaN. Raises TrackerError for infinity and for names that
        MLflow refuses, before any is sent.
        """
        when, run_tags = int((time.time() if at is None else at.timestamp()) * 1000), _tags(tags)
        points = [theirs.Metric(name, value, when, step + place) for name, place, value in validation.metrics(metrics)]
        self._log_points(run_id, points, run_tags)

    def log_points(self, run_id: str, points: Sequence[tuple[str, MetricPoint]]) -> None:
        """Log points of metrics, each with its name, its step and its time; a thousand in one call.

        Raises TrackerError for infinity and for names that MLflow refuses, before any is sent.
        """
        for name, point in points:
            validation.metrics({name: point.value})
        self._log_points(
            run_id,
            [theirs.Metric(name, point.value, int(point.at.timestamp() * 1000), point.step) for name, point in points],
            [],
        )

    def _log_points(self, run_id: str, points: list[theirs.Metric], tags: list[theirs.RunTag]) -> None:
        with self._translated_errors(f"metrics of run {run_id}"):
            for part in parts(points, METRICS_AT_ONCE):
                self._client.log_batch(run_id, metrics=part, tags=tags)

    def metric_history(self, run_id: str, name: str) -> list[MetricPoint]:
        """Return each point that was logged, by step."""
        with self._translated_errors(f"metric {name!r} of run {run_id}"):
            points = self._client.get_metric_history(run_id, name)
        return sorted(_point(point) for point in points)

    def last_points(self, run_id: str) -> tuple[RunStatus, dict[str, MetricPoint]]:
        """Return a run's status, and the last point of each metric: of those with the greatest step the latest.

        One request, however many metrics there are. MLflow has none for the histories of all metrics of a run.
        """
        with self._translated_errors(f"metrics of run {run_id}"):
            run = self._client.get_run(run_id)
        return cast(RunStatus, run.info.status), {each.key: _point(each) for each in run.data._metric_objs}

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run; tags with other names stay."""
        with self._translated_errors(f"tags of run {run_id}"):
            for part in parts(_tags(tags), TEXTS_AT_ONCE):
                self._client.log_batch(run_id, tags=part)

    def list_artifacts(self, run_id: str, folder: str | None = None) -> list[Artifact]:
        """Return what is in a folder of the run's artifacts, by name; an empty list if there is no such folder."""
        with self._errors_of_files(f"artifacts of run {run_id}"):
            found = self._client.list_artifacts(run_id, folder)
        # MLflow leaves out the size of an empty file.
        return [Artifact(each.path, each.is_dir, None if each.is_dir else each.file_size or 0) for each in found]

    def download_artifact(self, run_id: str, path: str, folder: Path) -> Path:
        """Download a file of the run's artifacts; returns its path below `folder`. Raises NotFoundError if missing."""
        with self._errors_of_files(f"artifact {path} of run {run_id}"):
            # Not by the run's id: MLflow would fetch the run at each call, and look for the file among its models.
            files = self._files(self._client.get_run(run_id).info.artifact_uri)
            # Listed first: the download of a missing file fails like one from a server that is down.
            there = files.list_artifacts(path.rpartition("/")[0] or None)
            if not any(each.path == path and not each.is_dir for each in there):
                raise NotFoundError(f"run {run_id}: has no file {path}", where=self._server)
            return Path(files.download_artifacts(path, str(folder)))

    def log_artifact(self, run_id: str, path: Path, folder: str | None = None) -> None:
        """Upload a file. folder: its folder among the run's artifacts; None for their root."""
        with self._translated_errors(f"artifact {path.name} of run {run_id}"):
            self._files(self._client.get_run(run_id).info.artifact_uri).log_artifact(str(path), folder)

    @contextmanager
    def _errors_of_files(self, what: str) -> Iterator[None]:
        """Say what it is if MLflow's server fails at a folder, which trying again does not help."""
        try:
            with self._translated_errors(what):
                yield
        except NoAnswerError as error:
            if not all(part in str(error) for part in ("mlflow-artifacts", "500 error responses")):
                raise
            raise TrackerError(
                f"{what}: MLflow's server cannot read the folder, as with a link in it that leads nowhere; see its log",
                where=self._server,
            ) from error

    def log_dataset(self, run_id: str, snapshot: Snapshot) -> None:
        """Log the snapshot as the run's data set, with Retrain's digest: MLflow's own reads only the first rows."""
        dataset = theirs.Dataset(
            name=snapshot.model,
            digest=snapshot.id,
            source_type="local" if snapshot.uri.startswith("file:") else snapshot.uri.split(":")[0],
            source=json.dumps({"uri": snapshot.uri}),
            profile=json.dumps({"num_rows": snapshot.rows}),
        )
        context = theirs.InputTag("mlflow.data.context", "training")
        with self._translated_errors(f"data set of run {run_id}"):
            self._client.log_inputs(run_id, [theirs.DatasetInput(dataset, [context])])


def _point(metric: theirs.Metric) -> MetricPoint:
    return MetricPoint(metric.step, number(metric.value), time_of(metric.timestamp))


def _tags(tags: Mapping[str, str] | None) -> list[theirs.RunTag]:
    return [theirs.RunTag(name, text) for name, text in validation.tags(tags or {}).items()]
