from typing import Any

from airflow.sdk import Context

from retrain_airflow.compat import AirflowSkipException
from retrain_airflow.operators.paused import is_paused
from retrain_airflow.operators.spec import SpecOperator


class WatchOperator(SpecOperator):
    """Notices a silent source, a late cycle, and a Production that was changed by hand or whose files are gone.

    Returns what is wrong now.
    """

    def __init__(self, *, cycle_dag_id: str = "", **kwargs: Any) -> None:
        """cycle_dag_id: the DAG of the model's cycles; while it is paused, nothing is looked at."""
        super().__init__(**kwargs)
        self.cycle_dag_id = cycle_dag_id

    def execute(self, context: Context) -> list[dict[str, Any]]:
        from retrain.cycle.watch import watch

        if self.cycle_dag_id and is_paused(context, self.cycle_dag_id):
            raise AirflowSkipException(f"{self.cycle_dag_id} is paused: there is nothing to watch")
        hook = self.hook
        faults = watch(hook.spec, source=hook.source, ledger=hook.ledger, tracker=hook.tracker)
        for fault in faults:
            self.log.warning("%s: %s", fault.name, fault.incident.what)
        return [fault.to_json() for fault in faults]
