from typing import Any

from airflow.sdk import Context

from retrain.messages.texts import of_promotion
from retrain.records import Verdict
from retrain_airflow import assets
from retrain_airflow.links import ReportLink, RunLink
from retrain_airflow.operators.spec import SpecOperator


class PromoteOperator(SpecOperator):
    """Puts the version of a Verdict into Production, by way of the ledger. Returns the Promotion.

    With `assets.production` among its outlets, it wakes the DAGs that are scheduled on that asset.
    """

    operator_extra_links = (ReportLink(), RunLink())
    template_fields = ("spec", "verdict", "force", "by", "approved_by")

    def __init__(
        self, *, verdict: Any, force: Any = None, by: str = "", approved_by: Any = None, **kwargs: Any
    ) -> None:
        """force: why to promote whatever the verdict says. by: the user who started the run. approved_by: the user who
        approved it.
        """
        super().__init__(**kwargs)
        self.verdict = verdict
        self.force = force
        self.by = by
        self.approved_by = approved_by

    def execute(self, context: Context) -> dict[str, Any]:
        from retrain.cycle.promote import promote

        cycle, verdict = self.hook.cycle(context), Verdict.from_json(self.verdict)
        promotion = promote(cycle, verdict, force=self.force or None, by=self.by, approved_by=self.approved_by)
        self.log.info("%s", of_promotion(promotion).headline)
        assets.describe_change(promotion, context, self.outlets)
        return promotion.to_json()
