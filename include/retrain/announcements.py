"""What the team is told, in words. An announcement is made here and nowhere else, from what happened."""

from collections.abc import Sequence

from retrain.nouns import Announcement, Check, Incident, Promotion, Snapshot, Verdict
from retrain.split import Lineage


def of_verdict(verdict: Verdict) -> Announcement:
    trial = verdict.trial
    dry = "dry run, nothing was changed: " if trial.dry_run else ""
    return Announcement(
        model=trial.model,
        kind="verdict",
        headline=f"{trial.model}: {dry}{verdict.outcome} {trial.candidate}. {verdict.reason}",
        facts=verdict.to_json(),
    )


def of_promotion(promotion: Promotion) -> Announcement:
    """Raises ValueError for a promotion that is still under way: nothing has happened yet that could be told."""
    if promotion.applied_at is None and promotion.superseded_at is None:
        raise ValueError(f"{promotion.model}: promotion {promotion.seq} is not applied yet")
    came = f"version {promotion.to_version}" if promotion.to_version else "nothing"
    went = f"version {promotion.from_version}" if promotion.from_version else "nothing"
    if promotion.superseded_at is not None:
        what = f"version {promotion.to_version} was not put into Production: somebody changed it by hand meanwhile"
    else:
        what = f"{came} is in Production, in place of {went}, by {promotion.by}: {promotion.why}"
    return Announcement(
        model=promotion.model,
        kind="promotion",
        headline=f"{promotion.model}: {what}",
        facts=promotion.to_json(),
    )


def of_incident(incident: Incident) -> Announcement:
    return Announcement(
        model=incident.model,
        kind="incident",
        headline=f"{incident.model}: {incident.what} {incident.remedy}",
        facts=incident.to_json(),
    )


def of_blocked(snapshot: Snapshot, blocked: Sequence[Check], where: str, facts: dict[str, str]) -> Announcement:
    """Checks of the spec have ended a cycle. where: which cycle it was; facts: where to look."""
    fields = " and ".join(f"checks.{check.name}.on_fail" for check in blocked)
    return of_incident(
        Incident(
            model=snapshot.model,
            what=f"the data is blocked in {where}. {' '.join(map(_found, blocked))}",
            remedy="Nothing was trained, no row counts as used, and Production stays as it is. Put the source right; "
            f"or where this is as it should be, let {fields} be warn for one cycle.",
            facts={"snapshot": snapshot.id, "checks": [check.to_json() for check in blocked], **facts},
        )
    )


def _found(check: Check) -> str:
    keys = f" (e.g. key {', '.join(check.keys)})" if check.keys else ""
    return f"{check.name}: {check.says}{keys}."


def of_lineage(model: str, before: Lineage, lineage: Lineage) -> Announcement:
    """A model's rows are split in another way from now on."""
    return of_incident(
        Incident(
            model=model,
            what=f"the spec splits rows {_way(lineage)}, no longer {_way(before)}.",
            remedy="Older versions may have trained on rows that now judge: such rows are left out, and counted, until "
            "enough new ones have arrived. Meanwhile verdicts may be INCONCLUSIVE.",
            facts={"lineage": lineage.number, "split": lineage.split.model_dump(mode="json"), "group": lineage.group},
        )
    )


def _way(lineage: Lineage) -> str:
    split = lineage.split.model_dump(mode="json")
    by = f"{split['by']} of {lineage.group}" if lineage.group else split["by"]
    gap = f", gap {split['gap']}" if lineage.split.gap else ""
    return f"by {by} ({split['validation']:g} validation, {split['holdout']:g} holdout{gap})"
