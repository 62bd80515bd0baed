from airflow.sdk import BaseNotifier, Context

from retrain_airflow import sending, task_faults
from retrain_airflow.hooks.retrain import RetrainHook


class RecoveryNotifier(BaseNotifier):
    """Tells a model's team that a task which had failed for good has recovered: as `on_success_callback`.

    Does nothing where the task had not failed.
    """

    template_fields = ("spec",)

    def __init__(self, *, spec: str) -> None:
        super().__init__()
        self.spec = spec

    def notify(self, context: Context) -> None:
        from retrain.messages import texts

        hook = RetrainHook(self.spec)
        model, prefix = hook.spec.model, task_faults.prefix(context["ti"])
        if hook.ledger.end_faults(model, prefix, announcement=texts.of_recovery):
            sending.send(self.spec, hook.spec, hook.ledger)
