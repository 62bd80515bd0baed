from typing import Any

from airflow.sdk import Context

from retrain.records import Snapshot
from retrain_airflow.links import RunLink
from retrain_airflow.operators.spec import SpecOperator

RESULTS = "checks"
"""Key under which the result of each check is pushed, by its name."""


class CheckDataOperator(SpecOperator):
    """Runs the spec's checks on a Snapshot. Returns the names of the candidates to train."""

    operator_extra_links = (RunLink(),)
    template_fields = ("spec", "snapshot", "candidates", "note")

    def __init__(self, *, snapshot: Any, candidates: str = "", note: Any = None, **kwargs: Any) -> None:
        """candidates: names of those to train, as `a,b`; empty: all. note: for the cycle's run in MLflow."""
        super().__init__(**kwargs)
        self.snapshot = snapshot
        self.candidates = candidates
        self.note = note

    def execute(self, context: Context) -> list[str]:
        from retrain.cycle.check import check

        spec = self.hook.spec
        wanted = self.candidates.split(",") if self.candidates else [each.name for each in spec.candidates]
        # Named here, and not left to `train` to skip: of a mapped task that has skipped and failed parts, no trigger
        # rule of Airflow's goes on with the others.
        names = [spec.candidate(name).name for name in wanted]
        findings = check(self.hook.cycle(context, self.note), Snapshot.from_json(self.snapshot))
        context["ti"].xcom_push(RESULTS, {finding.name: finding.result for finding in findings})
        return names
