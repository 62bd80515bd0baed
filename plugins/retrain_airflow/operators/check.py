from typing import Any

from airflow.sdk import Context

from retrain.records import Snapshot
from retrain_airflow.links import RunLink
from retrain_airflow.operators.spec import SpecOperator


class CheckDataOperator(SpecOperator):
    """Runs the spec's checks on a Snapshot. Returns the result of each by its name."""

    operator_extra_links = (RunLink(),)
    template_fields = ("spec", "snapshot", "note")

    def __init__(self, *, snapshot: Any, note: Any = None, **kwargs: Any) -> None:
        """note: for the cycle's run in MLflow."""
        super().__init__(**kwargs)
        self.snapshot = snapshot
        self.note = note

    def execute(self, context: Context) -> dict[str, str]:
        from retrain.cycle.check import check

        findings = check(self.hook.cycle(context, self.note), Snapshot.from_json(self.snapshot))
        return {finding.name: finding.result for finding in findings}
