from airflow.sdk import Context

from retrain_airflow.operators.spec import SpecOperator


class TellOperator(SpecOperator):
    """Delivers what waits in the model's outbox to the spec's channels; gives how many messages it was."""

    def execute(self, context: Context) -> int:  # noqa: ARG002 - Airflow's signature
        from retrain import steps

        hook = self.hook
        return steps.tell(hook.spec.model, hook.deliver, state=hook.state)
