"""Links beside a task in Airflow's grid. The worker makes them when the task has ended or waits for a person."""

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

log = logging.getLogger(__name__)

_NO_LINK = ""
"""Airflow's value where there is no link."""


class _CycleLink(BaseOperatorLink):
    """A link made from the ledger: a task that waited for a person ends in another process than it began in."""

    def get_link(self, operator: "BaseOperator", *, ti_key: "TaskInstanceKey") -> str:
        try:
            return self._address(operator, ti_key.dag_id, ti_key.run_id) or _NO_LINK
        except Exception as error:  # of any kind: a link must not fail its task
            log.info("There is no link %r: %s", self.name, error)
            return _NO_LINK

    def _address(self, operator: Any, dag_id: str, run_id: str) -> str | None:
        raise NotImplementedError


class ReportLink(_CycleLink):
    """The cycle's report. For operators that have a hook and a verdict or a snapshot."""

    name = "Report"

    def _address(self, operator: Any, dag_id: str, run_id: str) -> str | None:
        from retrain.cycle import report

        return report.address(operator.hook.cycle_of(dag_id, run_id), _snapshot(operator))


class RunLink(_CycleLink):
    """The run of the cycle, or of the candidate that the task trains."""

    name = "Run in MLflow"

    def _address(self, operator: Any, dag_id: str, run_id: str) -> str | None:
        from retrain.cycle import runs

        cycle, snapshot_id = operator.hook.cycle_of(dag_id, run_id), _snapshot(operator)
        candidate = getattr(operator, "candidate", None)
        found = (
            runs.made_of_cycle(cycle, snapshot_id)
            if candidate is None
            else runs.made_of_candidate(cycle, snapshot_id, candidate)
        )
        return None if found is None else cycle.tracker.page_of_run(found)


def _snapshot(operator: Any) -> str:
    """Return the id of the snapshot that the task is about."""
    if hasattr(operator, "verdict"):
        return str(operator.verdict["matchup"]["snapshot"])
    return str(operator.snapshot["id"])
