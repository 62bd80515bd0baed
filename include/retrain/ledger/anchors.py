"""The gate's anchor, from the changes of Production and the verdicts behind them."""

from typing import Any

from retrain.gate.anchor import Step, anchor_of
from retrain.ledger.database import Database
from retrain.records import Move, Outcome, Verdict, VersionId


class Anchors(Database):
    """Reads tables `promotions` and `verdicts`."""

    def anchor(self, model: str, *, metric: str, positive: str | None, split_version: int) -> VersionId | None:
        """Return the gate's anchor of the version in Production: see `gate.anchor`, which also says what these are."""
        return anchor_of(self._steps(model), metric=metric, positive=positive, split_version=split_version)

    def last_anchor(self, model: str) -> VersionId | None:
        """Return the same by the metric, the class and the split version of the last verdict."""
        body = self._value(
            "SELECT body FROM retrain.verdicts WHERE model = %s AND NOT dry_run ORDER BY seq DESC LIMIT 1", (model,)
        )
        if body is None:  # only persons have changed Production, and the last change counts
            return next((step.version for step in reversed(self._steps(model))), None)
        last = Verdict.from_json(body)
        return self.anchor(model, metric=last.metric, positive=last.positive, split_version=last.matchup.split_version)

    def _steps(self, model: str) -> list[Step]:
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT p.to_version, p.to_identity, p.kind, v.body, t.body AS trial FROM retrain.promotions p "
                "LEFT JOIN retrain.verdicts v ON v.id = p.verdict "
                "LEFT JOIN retrain.trials t ON t.id = p.verdict AND t.ended->>'outcome' = 'promoted' "
                "WHERE p.model = %s AND p.applied_at IS NOT NULL AND p.to_version IS NOT NULL ORDER BY p.seq",
                (model,),
            )
            return [
                Step(
                    VersionId(row["to_version"], row["to_identity"]),
                    None if row["body"] is None else _verdict(row["body"], row["trial"]),
                    forward=row["kind"] != Move.ROLLBACK,
                )
                for row in cursor.fetchall()
            ]


def _verdict(body: dict[str, Any], trial: dict[str, Any] | None) -> Verdict:
    """Return the verdict that let a version in. What a trial has promoted, its verdict had left undecided.

    By superiority over a Production that is the anchor itself, it is the next anchor; else the one of before stays.
    """
    verdict = Verdict.from_json(body)
    if trial is None:
        return verdict
    anchors = trial["threshold"] >= 0 and verdict.matchup.anchor is None
    return verdict.model_copy(update={"outcome": Outcome.PROMOTE, "anchors": anchors})
