from typing import Any

from airflow.sdk import Context

from retrain_airflow.operators.spec import SpecOperator


class WatchOperator(SpecOperator):
    """Notices a silent source, a late cycle, Production changed by hand or its files gone; gives what is wrong now."""

    def execute(self, context: Context) -> list[dict[str, Any]]:  # noqa: ARG002 - Airflow's signature
        from retrain.cycle.watch import watch

        hook = self.hook
        found = watch(hook.spec, source=hook.source, ledger=hook.ledger, tracker=hook.tracker)
        for fault in found:
            self.log.warning("%s: %s", fault.name, fault.incident.what)
        return [fault.to_json() for fault in found]
