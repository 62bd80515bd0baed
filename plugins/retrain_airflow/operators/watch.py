from typing import Any

from airflow.sdk import Context

from retrain_airflow.operators.spec import SpecOperator


class WatchOperator(SpecOperator):
    """Notices a silent source, a late cycle, and a Production that was changed by hand or whose files are gone.

    Returns what is wrong now.
    """

    def execute(self, context: Context) -> list[dict[str, Any]]:  # noqa: ARG002 - Airflow's signature
        from retrain.cycle.watch import watch

        hook = self.hook
        faults = watch(hook.spec, source=hook.source, ledger=hook.ledger, tracker=hook.tracker)
        for fault in faults:
            self.log.warning("%s: %s", fault.name, fault.incident.what)
        return [fault.to_json() for fault in faults]
