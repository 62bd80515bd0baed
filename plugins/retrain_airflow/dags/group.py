"""The cycle of a spec as a task group, inside a DAG of the user's own."""

from pathlib import Path
from typing import Any

from airflow.sdk import TaskGroup

from retrain.spec import files as spec_files
from retrain_airflow.dags import task_defaults
from retrain_airflow.dags.cycle_tasks import Inputs, add_tasks


class RetrainCycle(TaskGroup):
    """All tasks of a spec's cycle, from `sense` to `notify`.

    The schedule and the trigger form are those of the DAG around it. A run in which too few rows are new skips the
    group from `sense` on, and with it whatever follows, unless that has a trigger rule of its own. Set the DAG's
    `max_active_runs` to 1: of two cycles at once, one fails when it finds its rows used.
    """

    def __init__(
        self,
        spec: str | Path,
        *,
        group_id: str | None = None,
        ignore_threshold: Any = False,
        dry_run: Any = False,
        candidates: str = "",
        note: str = "",
        force: str = "",
        default_args: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """spec: path of the spec file. group_id: `retrain_<spec>` by default.

        The others are values, or templates such as `{{ params.dry_run }}`. ignore_threshold: go on however few rows are
        new. dry_run: judge, and change nothing. candidates: names of those to train, between commas; empty: all. note:
        for the runs in MLflow. force: why to promote whatever the verdict says; empty: do not. Raises SpecError with
        every fault of the spec.
        """
        file = spec_files.load(str(spec))
        own: Any = {**task_defaults.of_model(str(file.path)), **(default_args or {})}
        super().__init__(
            group_id or file.dag_id,
            default_args=own,
            tooltip=kwargs.pop("tooltip", file.spec.description),
            **kwargs,
        )
        with self:
            add_tasks(
                file,
                Inputs(ignore_threshold, dry_run, candidates, note, force),
                id_of=self.child_id,
            )
