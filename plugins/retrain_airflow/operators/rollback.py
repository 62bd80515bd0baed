from typing import Any

from airflow.sdk import Context

from retrain.messages.texts import of_promotion
from retrain_airflow import assets
from retrain_airflow.operators.spec import SpecOperator


class RollbackOperator(SpecOperator):
    """Puts the previous version, or a chosen one, back into Production, by way of the ledger. Returns the Promotion.

    With `assets.production` or `assets.any_production` among its outlets, it wakes the DAGs that are scheduled on the
    model's asset.
    """

    template_fields = ("spec", "to", "why", "by")

    def __init__(self, *, why: Any, to: Any = None, by: str = "", **kwargs: Any) -> None:
        """why: for the ledger and the team. to: the version; None for the previous one. by: the user who started the
        run.
        """
        super().__init__(**kwargs)
        self.to = to
        self.why = why
        self.by = by

    def execute(self, context: Context) -> dict[str, Any]:
        from retrain.cycle.rollback import rollback

        promotion = rollback(self.hook.cycle(context), to=self.to or None, why=self.why, by=self.by)
        self.log.info("%s", of_promotion(promotion).headline)
        assets.describe_change(promotion, context, self.outlets)
        return promotion.to_json()
