from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context

from retrain.records import Snapshot
from retrain_airflow.operators.spec import SpecOperator

SHARED = "shared"
"""Key under which the names are pushed of those that share a step: a list for each step."""


class PrepareOperator(SpecOperator):
    """Fits once the first steps that several candidates have in common. Returns the names that it was given."""

    template_fields = ("spec", "snapshot", "candidates")

    def __init__(self, *, snapshot: Any, candidates: Any, **kwargs: Any) -> None:
        """candidates: names of those to train."""
        super().__init__(**kwargs)
        self.snapshot = snapshot
        self.candidates: Sequence[str] = candidates

    def execute(self, context: Context) -> list[str]:
        from retrain.cycle.prepare import prepare

        names = [*self.candidates]
        steps = prepare(self.hook.cycle(context), Snapshot.from_json(self.snapshot), names)
        for step in steps:
            self.log.info("The first step of %s was fitted once.", " and ".join(step.candidates))
        context["ti"].xcom_push(SHARED, [[*step.candidates] for step in steps])
        return names
