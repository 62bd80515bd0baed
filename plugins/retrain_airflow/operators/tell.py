from airflow.sdk import Context

from retrain_airflow.operators.spec import SpecOperator


class TellOperator(SpecOperator):
    """Sends what waits in the model's outbox to the spec's channels; gives how many messages all of them have.

    A channel that refuses does not fail the task: DAG `retrain-outbox` sends again.
    """

    def execute(self, context: Context) -> int:  # noqa: ARG002 - Airflow's signature
        from retrain import outbox
        from retrain_airflow.channels import channels

        hook = self.hook
        return outbox.send(hook.spec.model, channels(hook.spec), state=hook.state)
