import json
from typing import Any

from airflow.sdk import Context

from retrain.records import Snapshot
from retrain_airflow.operators.spec import SpecOperator


class ChooseOperator(SpecOperator):
    """Keeps the best trials of each search. Returns the names of the candidates to train."""

    template_fields = ("spec", "snapshot", "candidates")

    def __init__(self, *, snapshot: Any, candidates: Any, **kwargs: Any) -> None:
        """snapshot: as JSON. candidates: names of those to train, before the search, as JSON."""
        super().__init__(**kwargs)
        self.snapshot = snapshot
        self.candidates = candidates

    def execute(self, context: Context) -> list[str]:
        from retrain.cycle.choose import choose

        names = choose(
            self.hook.cycle(context), Snapshot.from_json(json.loads(self.snapshot)), json.loads(self.candidates)
        )
        self.log.info("To train: %s.", ", ".join(names))
        return names
