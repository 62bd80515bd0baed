from typing import Any

from airflow.sdk import Context

from retrain.records import Snapshot
from retrain_airflow.links import RunLink
from retrain_airflow.operators.spec import SpecOperator


class TrainCandidateOperator(SpecOperator):
    """Fits one candidate of the spec on a Snapshot. Returns a Candidate. To be mapped over `candidate`."""

    operator_extra_links = (RunLink(),)
    template_fields = ("spec", "candidate", "snapshot", "note")

    def __init__(self, *, candidate: str, snapshot: Any, note: Any = None, **kwargs: Any) -> None:
        """note: for the runs in MLflow."""
        super().__init__(**kwargs)
        self.candidate = candidate
        self.snapshot = snapshot
        self.note = note

    def execute(self, context: Context) -> dict[str, Any]:
        from retrain.cycle.train import train

        cycle = self.hook.cycle(context, self.note)
        candidate = train(cycle, Snapshot.from_json(self.snapshot), self.candidate)
        self.log.info("%s: %s %.4f on validation rows", candidate.name, candidate.metric, candidate.validation_score)
        return candidate.to_json()
