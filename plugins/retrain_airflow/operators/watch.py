import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, Context

from retrain.errors import RetrainError
from retrain.records import Incident
from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile
from retrain.topics import Topic
from retrain_airflow import task_faults
from retrain_airflow.compat import AirflowSkipException
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.operators.paused import is_paused
from retrain_airflow.side_by_side import side_by_side


class WatchOperator(BaseOperator):
    """Notices, for each spec, a silent source, a late cycle, and a Production that was changed by hand or whose files
    are gone. Returns what is wrong now, by model.

    A spec that cannot be looked at is that spec's fault: its team is told, and the others are looked at all the same.
    At the end the task fails, and names each of them.
    """

    template_fields: Sequence[str] = ("specs",)

    def __init__(
        self,
        *,
        specs: str | None,
        at_once: int = 4,
        longest: float = 60,
        altogether: float = 480,
        **kwargs: Any,
    ) -> None:
        """specs: the folder of the spec files; None if it is not named. at_once: how many are looked at together.

        longest: seconds for one spec. altogether: seconds after which no further spec is looked at.
        """
        super().__init__(**kwargs)
        self.specs = specs
        self.at_once = at_once
        self.longest = longest
        self.altogether = altogether

    def execute(self, context: Context) -> dict[str, list[dict[str, Any]]]:
        """Raises RetrainError where a spec could not be looked at."""
        # A broken spec, or none, is reported by the DAG `retrain-refused-specs`.
        files = spec_files.load_folder(None if self.specs is None else Path(self.specs)).files
        watched = [file for file in files if not is_paused(context, file.dag_id)]
        if not watched:
            raise AirflowSkipException("Every model's DAG is paused: there is nothing to watch")
        random.shuffle(watched)  # where time runs out, it is not always the same ones that are passed over
        found: dict[str, list[dict[str, Any]]] = {}
        missed = []
        for file, seen in side_by_side(
            lambda file: self._look(file, context["ti"]),
            watched,
            at_once=self.at_once,
            longest=self.longest,
            altogether=self.altogether,
        ):
            if isinstance(seen, Exception):
                self.log.error("%s: cannot be looked at: %s", file.spec.model, seen)
                missed.append(f"{file.spec.model} ({file.path.name}): {seen}")
                self._tell(file, seen, context["ti"])
            elif seen:
                found[file.spec.model] = seen
        if missed:
            raise RetrainError("\n".join(["these could not be looked at:", *sorted(missed)]))
        return found

    def _look(self, file: SpecFile, ti: Any) -> list[dict[str, Any]]:
        from retrain.cycle.watch import watch
        from retrain_airflow.hooks.postgres import ends_within

        with ends_within(self.longest):
            hook = self._hook(file)
            faults = watch(hook.spec, source=hook.source, ledger=hook.ledger, tracker=hook.tracker)
            for fault in faults:
                self.log.warning("%s: %s", fault.name, fault.incident.what)
            task_faults.end(hook, ti)
        return [fault.to_json() for fault in faults]

    def _tell(self, file: SpecFile, error: Exception, ti: Any) -> None:
        """Tell the spec's own team. Where that is not possible either, the task's own failure says it."""
        incident = Incident(
            model=file.spec.model,
            topic=Topic.NOT_WATCHED,
            what=f"DAG {ti.dag_id} cannot look at this model: {error}.",
            remedy="It looks again in ten minutes. Until then nobody notices a silent source, a late cycle or a "
            "change of Production by hand.",
            facts=task_faults.facts(ti),
        )
        try:
            task_faults.tell(self._hook(file), ti, error, incident)
        except Exception as untold:  # of any kind: the other specs are looked at all the same
            self.log.warning("%s: its team cannot be told: %s", file.spec.model, untold)

    def _hook(self, file: SpecFile) -> RetrainHook:
        return RetrainHook(str(file.path), at_most=self.longest / 2)
