from typing import Any

from airflow.sdk import Context

from retrain.records import Snapshot
from retrain_airflow.links import RunLink
from retrain_airflow.operators.spec import SpecOperator


class TrialOperator(SpecOperator):
    """Makes the trials of one turn of a search. Returns what became of each. To be mapped over candidate and turn."""

    operator_extra_links = (RunLink(),)
    template_fields = ("spec", "candidate", "turn", "snapshot", "note")

    def __init__(self, *, candidate: str, turn: Any, snapshot: Any, note: Any = None, **kwargs: Any) -> None:
        """candidate: empty where there is nothing to try. note: for the runs in MLflow."""
        super().__init__(**kwargs)
        self.candidate = candidate
        self.turn = turn
        self.snapshot = snapshot
        self.note = note

    def execute(self, context: Context) -> list[str]:
        from retrain.cycle.trial import trial

        if not self.candidate:
            self.log.info("No candidate with a search was asked for.")
            return []
        return trial(
            self.hook.cycle(context, self.note), Snapshot.from_json(self.snapshot), self.candidate, int(self.turn)
        )
