from airflow.sdk import BaseNotifier, Context

from retrain_airflow import task_faults
from retrain_airflow.hooks.retrain import RetrainHook


class RecoveryNotifier(BaseNotifier):
    """Announces that a task which had failed for good has recovered: as `on_success_callback`.

    Does nothing where the task had not failed. DAG `retrain-outbox` delivers the announcement.
    """

    template_fields = ("spec",)

    def __init__(self, *, spec: str) -> None:
        super().__init__()
        self.spec = spec

    def notify(self, context: Context) -> None:
        from retrain.messages import texts

        hook = RetrainHook(self.spec)
        hook.ledger.end_faults(hook.spec.model, task_faults.prefix(context["ti"]), announcement=texts.of_recovery)
