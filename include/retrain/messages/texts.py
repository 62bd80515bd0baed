"""The words of every announcement. An announcement is made here and nowhere else, from what happened."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from retrain.errors import ChannelError
from retrain.records import Announcement, Check, Freeze, Incident, Move, Outcome, Promotion, Snapshot, Verdict
from retrain.spec.files import ADOPT_DAG
from retrain.topics import Topic

if TYPE_CHECKING:  # it imports numpy, which would slow down the reading of each DAG file
    from retrain.snapshots.split import SplitVersion


def of_verdict(
    verdict: Verdict, pages: Sequence[str | None] = (), freeze: Freeze | None = None, *, observed: bool = False
) -> Announcement:
    """Announce a verdict.

    pages: addresses of its report, of the judged run in MLflow, of its cycle in Airflow. freeze: what holds Production.
    observed: whether the model's mode lets no verdict change anything.
    """
    matchup = verdict.matchup
    dry = "dry run, nothing was changed: " if matchup.dry_run else ""
    if observed and not dry:
        dry = "only observed, nothing was changed; it would have been: "
    unclear = verdict.outcome is Outcome.INCONCLUSIVE
    return Announcement(
        model=matchup.model,
        kind="verdict",
        topic=Topic.INCONCLUSIVE if unclear else Topic.VERDICT,
        headline=f"{matchup.model}: {dry}{verdict.result} {matchup.candidate}. {verdict.reason}"
        + ("" if freeze is None else f"; {freeze}"),
        numbers=tuple(numbers(verdict)),
        act="Production stays as it is. To replace it all the same, trigger the model's DAG and say why "
        'under "Force the promotion".'
        if unclear and not dry
        else "",
        links=tuple(
            (name, page)
            for name, page in zip(("Report", "Run in MLflow", "Cycle in Airflow"), pages, strict=False)
            if page
        ),
        facts=verdict.to_json(),
    )


def numbers(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """Yield the numbers that a verdict rests on: the name of each, and its value."""
    matchup = verdict.matchup
    against = f"version {matchup.production}" if matchup.production else "Production"
    if verdict.score is not None:
        yield f"{verdict.metric} of {matchup.candidate}", f"{verdict.score:.4f}"
    if verdict.production_score is not None:
        yield f"{verdict.metric} of {against}", f"{verdict.production_score:.4f}"
    if verdict.difference is not None:
        ends = verdict.interval
        yield "difference", f"{verdict.difference:+.4f}" + (f" (95% {ends[0]:+.4f} to {ends[1]:+.4f})" if ends else "")
    if verdict.p_value is not None:
        yield "p", f"{verdict.p_value:.4g}, to be below {verdict.alpha:.4g}"
    yield "holdout", f"{verdict.rows:,} rows; test {matchup.test} of {verdict.tests} of round {matchup.holdout_round}"
    if verdict.rows_needed is not None:
        yield "rows that would decide", f"{verdict.rows_needed:,}, 4 times in 5 at this difference"
    for name, why in verdict.untrained.items():
        yield f"{name} was not trained", why
    if verdict.false_a_year is not None:
        yield "false promotions", f"at most {verdict.false_a_year:.2g} a year at the present rate of rows"


def of_request(
    verdict: Verdict, form: str, until: datetime, users: Sequence[str] = (), report: str | None = None
) -> Announcement:
    """Announce that a person is asked whether the judged version goes into Production.

    form: address of the form to answer in. users: who may answer; empty where roles alone decide. report: address of
    the cycle's report.
    """
    matchup = verdict.matchup
    who = " or ".join(users) if users else "Anyone who may approve"
    incident = Incident(
        model=matchup.model,
        topic=Topic.APPROVAL_WANTED,
        what=f"version {matchup.version} ({matchup.candidate}) waits for an approval. "
        f"{verdict.result}: {verdict.reason}",
        remedy=f"{who}: answer in Airflow. Without an answer by {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC, Production "
        "stays as it is.",
        facts={"verdict": matchup.id, "version": matchup.version},
    )
    announcement = of_incident(incident)
    links = (("Answer in Airflow", form), *([("Report", report)] if report else []))
    return announcement.model_copy(update={"numbers": tuple(numbers(verdict)), "links": links})


def of_answer(verdict: Verdict, *, approved: bool, by: str | None, stale: bool = False) -> Announcement:
    """Announce the answer to a request.

    by: who answered; None where nobody did in time. stale: it was approved, but Production has changed meanwhile.
    """
    version = f"version {verdict.matchup.version}"
    if by is None:
        what = f"nobody answered in time whether {version} goes into Production: it does not."
    elif not approved:
        what = f"{version} does not go into Production, says {by}."
    else:
        what = f"{version} was approved by {by}."
    if stale:
        what += " But Production has changed while it waited: it does not go there, and a new cycle judges again."
    return of_incident(
        Incident(
            model=verdict.matchup.model,
            topic=Topic.UNANSWERED if by is None or stale else Topic.ANSWERED,
            what=what,
            remedy="",
            facts={"verdict": verdict.matchup.id, "version": verdict.matchup.version, "approved": approved, "by": by},
        )
    )


_TOPICS = {
    Move.FORWARD: Topic.PROMOTED,
    Move.ROLLBACK: Topic.ROLLED_BACK,
    Move.BY_HAND: Topic.CHANGED_BY_HAND,
}


def of_promotion(promotion: Promotion) -> Announcement:
    """Announce a promotion. Raises ValueError where it is still under way: nothing has happened yet."""
    if promotion.applied_at is None and promotion.superseded_at is None:
        raise ValueError(f"{promotion.model}: promotion {promotion.seq} is not applied yet")
    came, went = _version(promotion.to_version), _version(promotion.from_version)
    topic = _TOPICS[promotion.kind] if promotion.superseded_at is None else Topic.NOT_APPLIED
    return Announcement(
        model=promotion.model,
        kind="promotion",
        topic=topic,
        headline=f"{promotion.model}: {what_changed(promotion)}",
        numbers=(("before", went), ("now", came)) if promotion.superseded_at is None else (),
        act=f"To undo it, trigger DAG retrain-rollback for {promotion.model}."
        if topic is Topic.PROMOTED and promotion.from_version
        else "",
        facts=promotion.to_json(),
    )


def what_changed(promotion: Promotion, why: str | None = None) -> str:
    """Return, as a clause, what a promotion that has ended changed in Production.

    why: replaces the promotion's own reason; empty for no reason.
    """
    if promotion.superseded_at is not None:
        return f"version {promotion.to_version} was not put into Production: somebody changed it by hand meanwhile"
    came, went = _version(promotion.to_version), _version(promotion.from_version)
    reason = promotion.why if why is None else why
    return f"{came} is in Production, in place of {went}, by {promotion.by}" + (f": {reason}" if reason else "")


def _version(version: str | None) -> str:
    return f"version {version}" if version else "nothing"


def of_incident(incident: Incident) -> Announcement:
    """Announce an incident, with a link to the task's log where its facts name one."""
    log = incident.facts.get("log_url")
    return Announcement(
        model=incident.model,
        kind="incident",
        topic=incident.topic,
        level=incident.level,
        headline=f"{incident.model}: {incident.what}",
        act=incident.remedy,
        links=(("Log in Airflow", log),) if isinstance(log, str) else (),
        facts=incident.to_json(),
    )


def of_fault(incident: Incident, *, times: int, since: datetime) -> Announcement:
    """Announce that something is wrong, which was seen this many times since then."""
    announcement = of_incident(incident)
    if times == 1:
        return announcement
    return announcement.model_copy(update={"headline": f"{announcement.headline} {_times(times, since)}"})


def of_recovery(incident: Incident, *, times: int, since: datetime) -> Announcement:
    """Announce the end of a fault that was announced."""
    over = Incident(
        model=incident.model,
        topic=Topic.RECOVERED,
        what=f"recovered. It was: {incident.what} {_times(times, since)}",
        remedy="",
        facts=incident.facts,
    )
    return of_incident(over)


def _times(times: int, since: datetime) -> str:
    often = f"{times} times since" if times > 1 else "since"
    return f"({often} {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC)"


def of_freeze(model: str, freeze: Freeze, holds: bool) -> Announcement:
    """Announce a freeze to one of its models. holds: whether it begins; else it ends."""
    ended = f"{freeze.subject} is no longer frozen, says {freeze.by}: {freeze.why}."
    return of_incident(
        Incident(
            model=model,
            topic=Topic.FROZEN if holds else Topic.NO_LONGER_FROZEN,
            what=f"{freeze}." if holds else ended,
            remedy="Cycles still run and judge; only a rollback can change Production meanwhile." if holds else "",
            facts=freeze.to_json(),
        )
    )


def of_lost(announcement: Announcement, channel: str, error: ChannelError) -> Announcement:
    """Announce that a channel has not taken an announcement for a day, or never will: to the other channels, and to
    that one as well where a part of it takes what it is sent.
    """
    what = "refused an announcement" if error.final else "has taken no announcement for a day"
    lost = of_incident(
        Incident(
            model=announcement.model,
            topic=Topic.GIVEN_UP,
            what=f"{channel} {what} ({error}). Given up there: {announcement.headline}",
            remedy="Look at that channel in the spec, and at its connection. Later announcements are tried there as "
            "before; one such message a day says that more were given up.",
        )
    )
    if error.in_part:
        return lost
    return lost.model_copy(update={"facts": lost.facts | {"lost_by": channel}})


def blocked(snapshot: Snapshot, by: Sequence[Check], where: str, facts: dict[str, str]) -> Incident:
    """Return the incident of a cycle that checks of the spec have ended. where: the cycle. facts: where to look."""
    fields = " and ".join(f"checks.{check.name}.on_fail" for check in by)
    return Incident(
        model=snapshot.model,
        topic=Topic.DATA_BLOCKED,
        what=f"the data is blocked in {where}. {' '.join(f'{check.name}: {check.says}.' for check in by)}",
        remedy="Nothing was trained, no row counts as used, and Production stays as it is. Correct the source; "
        f"or, where the data is right, set {fields} to warn for one cycle.",
        # Without keys of rows: they are in the task's log and in the report, where `forget` reaches them.
        facts={"snapshot": snapshot.id, "checks": [check.to_json() | {"keys": []} for check in by], **facts},
    )


def found(check: Check) -> str:
    """Return what a check found, with some of the keys."""
    return f"{check.says} (e.g. key {', '.join(check.keys)})" if check.keys else check.says


class Standing(Protocol):
    """A registered version, and what says that it is in use."""

    @property
    def version(self) -> str: ...
    @property
    def standing(self) -> str: ...
    @property
    def aliases(self) -> Sequence[str]: ...


def foreign_production(model: str, production: str, staging: str, versions: Sequence[Standing]) -> Incident:
    """Return the incident of versions that look like Production, and that Retrain did not put there.

    production, staging: the aliases of the spec, of which no version owns the first.
    """
    names = " and ".join(each.standing for each in versions)
    aliases = sorted({alias for each in versions for alias in each.aliases} - {staging})
    write = f", or write `aliases: {{production: {aliases[0]}}}` into the spec" if aliases else ""
    gone = " and ".join(["move it to stage Archived", *([f"delete alias {', '.join(aliases)}"] if aliases else [])])
    return Incident(
        model=model,
        topic=Topic.FOREIGN_PRODUCTION,
        what=f"{names} of the registered model may be Production, and no version owns alias {production}. Retrain "
        "does not replace what it did not put there.",
        remedy=f"If it is Production, adopt it ({_how_to_adopt(model, versions[0])}): it gets alias {production}, is "
        f"judged, and can go back there{write}. If it is not, say so (--none), or {gone}. Until then no cycle trains "
        "or promotes, and no row counts as used.",
        facts={"versions": [each.standing for each in versions], "alias": production},
    )


def unadopted_production(model: str, production: str, version: Standing) -> Incident:
    """Return the incident of a Production that owns the spec's alias, and that Retrain does not know."""
    return Incident(
        model=model,
        topic=Topic.UNADOPTED_PRODUCTION,
        what=f"{version.standing} of the registered model is Production, and Retrain did not log it: nothing proves "
        "what it is, so no challenger can be judged against it.",
        remedy=f"Adopt it ({_how_to_adopt(model, version)}). If it is not Production, delete alias {production} in "
        "MLflow. Until then no cycle trains or promotes, and no row counts as used.",
        facts={"versions": [version.standing], "alias": production},
    )


def _how_to_adopt(model: str, version: Standing) -> str:
    return f"`retrain adopt {model} {version.version}`, or DAG {ADOPT_DAG}"


def of_split_version(model: str, before: "SplitVersion", split_version: "SplitVersion") -> Announcement:
    """Announce that a model's rows are split in another way from now on."""
    return of_incident(
        Incident(
            model=model,
            topic=Topic.NEW_SPLIT,
            what=_why_new(before, split_version),
            remedy="Older versions may have trained on rows that now judge: such rows are left out, and counted, until "
            "enough new rows have arrived. Until then, verdicts may be INCONCLUSIVE.",
            facts={
                "split_version": split_version.number,
                "split": split_version.split.model_dump(mode="json"),
                "group": split_version.group,
            },
        )
    )


def _why_new(before: "SplitVersion", split_version: "SplitVersion") -> str:
    lost = sorted({*before.columns} - {*split_version.columns})
    if (before.split, before.group) == (split_version.split, split_version.group):
        return f"rows are split anew, because the source no longer has {', '.join(lost)}."
    return f"the spec splits rows {_way(split_version)}, no longer {_way(before)}."


def _way(split_version: "SplitVersion") -> str:
    split = split_version.split.model_dump(mode="json")
    by = f"{split['by']} of {split_version.group}" if split_version.group else split["by"]
    gap = f", gap {split['gap']}" if split_version.split.gap else ""
    return f"by {by} ({split['validation']:g} validation, {split['holdout']:g} holdout{gap})"
