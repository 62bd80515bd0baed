from typing import Any

from airflow.sdk import Context

from retrain.announcements import of_promotion
from retrain.nouns import Verdict
from retrain_airflow.operators.spec import SpecOperator


class PromoteOperator(SpecOperator):
    """Puts the version of a Verdict into Production, by way of the ledger; gives a Promotion."""

    template_fields = ("spec", "verdict")

    def __init__(self, *, verdict: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.verdict = verdict

    def execute(self, context: Context) -> dict[str, Any]:
        from retrain import steps

        promotion = steps.promote(self.hook.cycle(context), Verdict.from_json(self.verdict))
        self.log.info("%s", of_promotion(promotion).headline)
        return promotion.to_json()
