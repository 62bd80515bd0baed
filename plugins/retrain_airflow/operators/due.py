from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, Context

from retrain.errors import RetrainError
from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile
from retrain_airflow.hooks.retrain import RetrainHook, for_each_ledger
from retrain_airflow.operators.paused import is_paused

_PARTS = 7
_LONGEST = timedelta(days=1)


class DueOperator(BaseOperator):
    """Returns the specs whose later rows are to be looked at now, to be mapped over: each a seventh of a cohort after
    the last time, and at least once a day.
    """

    template_fields: Sequence[str] = ("specs",)

    def __init__(self, *, specs: str | None, **kwargs: Any) -> None:
        """specs: the folder of the spec files; None if it is not named."""
        super().__init__(**kwargs)
        self.specs = specs

    def execute(self, context: Context) -> list[str]:
        files = [
            file
            for file in spec_files.load_folder(None if self.specs is None else Path(self.specs)).files
            if file.spec.cohort is not None and not is_paused(context, file.dag_id)
        ]
        due = list[str]()

        def look(connection_id: str) -> None:
            due.extend(self._due([file for file in files if file.spec.connections.ledger == connection_id]))

        try:
            for_each_ledger((file.spec.connections.ledger for file in files), look)
        except RetrainError as error:  # task `watch` tells the teams of its models
            self.log.warning("Its models are not looked at now: %s", error)
        return sorted(due)

    @staticmethod
    def _due(files: Sequence[SpecFile]) -> Iterator[str]:
        ledger = RetrainHook(str(files[0].path)).ledger
        now, last = ledger.now(), ledger.looked_at([file.spec.model for file in files])
        for file in files:
            cohort, before = file.spec.cohort, last.get(file.spec.model)
            if cohort is None or ledger.production(file.spec.model) is None:
                continue
            if before is None or now - before >= min(cohort / _PARTS, _LONGEST):
                yield str(file.path)
