from typing import Any

from airflow.sdk import Context

from retrain.records import Snapshot
from retrain_airflow.links import RunLink
from retrain_airflow.operators.spec import SpecOperator

CANDIDATES = "candidates"
"""Key under which the names of the candidates to train are pushed."""


class CheckDataOperator(SpecOperator):
    """Runs the spec's checks on a Snapshot. Returns the result of each by its name, and pushes the names of the
    candidates to train.
    """

    operator_extra_links = (RunLink(),)
    template_fields = ("spec", "snapshot", "candidates", "note")

    def __init__(self, *, snapshot: Any, candidates: str = "", note: Any = None, **kwargs: Any) -> None:
        """candidates: names of those to train, as `a,b`; empty: all. note: for the cycle's run in MLflow."""
        super().__init__(**kwargs)
        self.snapshot = snapshot
        self.candidates = candidates
        self.note = note

    def execute(self, context: Context) -> dict[str, str]:
        from retrain.cycle.check import check

        spec = self.hook.spec
        wanted = self.candidates.split(",") if self.candidates else [each.name for each in spec.candidates]
        # Pushed, and not left to `train` to skip: of a mapped task that has failed and skipped parts, no trigger rule
        # tells Airflow to go on with the others.
        context["ti"].xcom_push(CANDIDATES, [spec.candidate(name).name for name in wanted])
        findings = check(self.hook.cycle(context, self.note), Snapshot.from_json(self.snapshot))
        return {finding.name: finding.result for finding in findings}
