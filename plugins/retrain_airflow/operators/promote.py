from typing import Any

from airflow.sdk import Context

from retrain.announcements import of_promotion
from retrain.nouns import Verdict
from retrain_airflow import assets
from retrain_airflow.operators.spec import SpecOperator


class PromoteOperator(SpecOperator):
    """Puts the version of a Verdict into Production, by way of the ledger; gives a Promotion.

    With `assets.production` among its outlets, it wakes the DAGs that are scheduled on it.
    """

    template_fields = ("spec", "verdict", "force", "by")

    def __init__(self, *, verdict: Any, force: Any = None, by: str = "", **kwargs: Any) -> None:
        """force: why to promote whatever the verdict says. by: who says so."""
        super().__init__(**kwargs)
        self.verdict = verdict
        self.force = force
        self.by = by

    def execute(self, context: Context) -> dict[str, Any]:
        from retrain import steps

        verdict = Verdict.from_json(self.verdict)
        promotion = steps.promote(self.hook.cycle(context), verdict, force=self.force, by=self.by)
        self.log.info("%s", of_promotion(promotion).headline)
        assets.tell_production(promotion, context)
        return promotion.to_json()
