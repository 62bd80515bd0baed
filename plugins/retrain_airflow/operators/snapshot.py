from typing import Any

from airflow.sdk import Context

from retrain_airflow.compat import AirflowSkipException
from retrain_airflow.inputs import is_on
from retrain_airflow.operators.spec import SpecOperator


class SnapshotOperator(SpecOperator):
    """Stores every labelled row as it is now. Returns the Snapshot; skipped where too few rows are new after all."""

    template_fields = ("spec", "ignore_threshold")

    def __init__(self, *, ignore_threshold: Any = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ignore_threshold = ignore_threshold

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        from retrain.cycle.sense import recount
        from retrain.cycle.snapshot import take_snapshot

        hook = self.hook
        snapshot = take_snapshot(hook.spec, source=hook.source, snapshots=hook.snapshots, ledger=hook.ledger)
        sensed = recount(hook.spec, snapshot, source=hook.source, ledger=hook.ledger)
        self.log.info("%s rows, %s of them new: %s", f"{snapshot.rows:,}", f"{snapshot.new_rows:,}", snapshot.uri)
        self.log.info("%s", sensed)
        if not sensed.enough and not is_on(self.ignore_threshold, "ignore_threshold"):
            raise AirflowSkipException(str(sensed))
        return snapshot.to_json()
