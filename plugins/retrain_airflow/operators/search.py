from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context

from retrain.records import Snapshot
from retrain_airflow.links import RunLink
from retrain_airflow.operators.spec import SpecOperator

NOTHING = {"candidate": "", "turn": 0}
"""In place of a trial where there is none to make: Airflow would skip what follows a task without parts."""


class SearchOperator(SpecOperator):
    """Opens the studies of the candidates that have a search. Returns the turns of their trials, to be mapped over."""

    operator_extra_links = (RunLink(),)
    template_fields = ("spec", "snapshot", "candidates", "note")

    def __init__(self, *, snapshot: Any, candidates: Any, note: Any = None, **kwargs: Any) -> None:
        """candidates: names of those to train. note: for the runs in MLflow."""
        super().__init__(**kwargs)
        self.snapshot = snapshot
        self.candidates: Sequence[str] = candidates
        self.note = note

    def execute(self, context: Context) -> list[dict[str, Any]]:
        from retrain.cycle.search import search

        turns = search(self.hook.cycle(context, self.note), Snapshot.from_json(self.snapshot), [*self.candidates])
        for name, its in turns.items():
            self.log.info("%s: trials in %s tasks.", name, f"{len(its):,}")
        return [{"candidate": name, "turn": turn} for name, its in turns.items() for turn in its] or [NOTHING]
