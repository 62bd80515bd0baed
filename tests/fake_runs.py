"""The experiments and runs of the tracker in memory."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

from retrain.errors import TrackerError
from retrain.tracker import validation
from retrain.tracker.entities import Experiment, Page, Run, RunStatus, View
from retrain.tracker.filters import Condition, Order
from retrain.tracker.server import KEY, checked_key

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class FakeRuns:
    """Experiments, runs and searches. folder: where artifacts of experiments are said to be."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._experiments: dict[str, Experiment] = {}
        self._runs: dict[str, Run] = {}
        self.create_experiment("Default")

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
        return known(self._experiments, experiment_id, "experiment")

    def list_experiments(self, view: View = "ACTIVE") -> list[Experiment]:
        return [each for each in self._experiments.values() if view == "ALL" or each.deleted == (view == "DELETED")]

    def page_of_experiments(self, view: View = "ACTIVE", size: int = 100, token: str | None = None) -> Page[Experiment]:
        return page(self.list_experiments(view), size, token)

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
        all_tags = {"mlflow.runName": run_name, **validation.tags(tags or {})}
        if key is not None:
            all_tags[KEY] = checked_key(key)
        if parent is not None:
            all_tags["mlflow.parentRunId"] = parent
        if note:
            all_tags |= validation.tags({"mlflow.note.content": note})
        if self.get_experiment(experiment_id).deleted:
            raise TrackerError(f"experiment {experiment_id} is deleted")
        made = uuid4().hex
        self._runs[made] = Run(made, experiment_id, run_name, "RUNNING", now(), None, False, {}, {}, all_tags)
        return made

    def find_run(self, experiment_id: str, key: str) -> str | None:
        found = self.search_runs([experiment_id], [Condition("tag", KEY, "=", checked_key(key))])
        return found[0].id if found else None

    def get_run(self, run_id: str) -> Run:
        return known(self._runs, run_id, "run")

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
            raise TrackerError("more than 1,000 runs come in the order in which they were started: sort them here")
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
        return page(self.search_runs(experiment_ids, filter, order_by, len(found)), size, token)

    def end_run(self, run_id: str, status: RunStatus = "FINISHED") -> None:
        if status not in get_args(RunStatus):
            raise TrackerError(f"{status!r} is not a status of a run")
        ended = None if status in ("RUNNING", "SCHEDULED") else now()
        self._runs[run_id] = replace(self._open(run_id), status=status, ended_at=ended)

    def delete_run(self, run_id: str) -> None:
        self._runs[run_id] = replace(self.get_run(run_id), deleted=True)

    def _open(self, run_id: str) -> Run:
        run = self.get_run(run_id)
        if run.deleted:
            raise TrackerError(f"run {run_id} is deleted")
        return run


def known(all_: Mapping[str, Any], id_: str, what: str) -> Any:
    if id_ not in all_:
        raise TrackerError(f"there is no {what} {id_}")
    return all_[id_]


def page(items: Sequence[Any], size: int, token: str | None) -> Page[Any]:
    begin = int(token or 0)
    end = begin + size
    return Page(tuple(items[begin:end]), str(end) if end < len(items) else None)


def now() -> datetime:
    return to_milliseconds(datetime.now(UTC))


def to_milliseconds(time: datetime) -> datetime:
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
