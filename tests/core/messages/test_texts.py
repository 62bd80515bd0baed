"""What the team reads says what happened, and nothing else."""

from datetime import UTC, datetime

import pytest

from retrain.messages import texts
from retrain.records import Check, Incident, Matchup, Move, Outcome, Promotion, Snapshot, Verdict
from retrain.topics import Level, Topic

NOON = datetime(2026, 3, 8, 12, tzinfo=UTC)


def verdict(outcome, reason, *, dry_run=False):
    return Verdict(
        matchup=Matchup(
            id="v1",
            model="letters",
            candidate="linear",
            snapshot="s1",
            run_id="r1",
            version=None if dry_run else "2",
            production="1",
            holdout_round=1,
            test=1,
            dry_run=dry_run,
        ),
        outcome=outcome,
        reason=reason,
        metric="f1_macro",
        score=0.9,
        production_score=0.8,
        difference=0.1,
        interval=(0.05, 0.15),
        p_value=0.001,
        alpha=0.005,
        tests=10,
        rows=100,
        clusters=90,
        right_to_wrong=1,
        wrong_to_right=11,
        smallest_gain=0.05,
        overlap=0,
    )


def promotion(from_version, to_version, **ended):
    return Promotion(
        model="letters",
        seq=3,
        from_version=from_version,
        to_version=to_version,
        verdict="v1",
        by="retrain_letters, run 7",
        why="better by 0.1",
        at=NOON,
        **ended,
    )


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_verdict_is_told_with_its_outcome_and_reason(outcome):
    assert (
        texts.of_verdict(verdict(outcome, "It has its reason.")).headline
        == f"letters: {outcome} linear. It has its reason."
    )


def test_a_dry_run_says_that_nothing_was_changed():
    announcement = texts.of_verdict(verdict(Outcome.PROMOTE, "It is better.", dry_run=True))

    assert announcement.headline == "letters: dry run, nothing was changed: PROMOTE linear. It is better."


@pytest.mark.parametrize(
    ("from_version", "to_version", "headline"),
    [
        (
            "1",
            "2",
            "letters: version 2 is in Production, in place of version 1, by retrain_letters, run 7: better by 0.1",
        ),
        (
            None,
            "1",
            "letters: version 1 is in Production, in place of nothing, by retrain_letters, run 7: better by 0.1",
        ),
        (
            "1",
            None,
            "letters: nothing is in Production, in place of version 1, by retrain_letters, run 7: better by 0.1",
        ),
    ],
)
def test_a_promotion_is_told_with_both_versions_and_who_did_it(from_version, to_version, headline):
    assert texts.of_promotion(promotion(from_version, to_version, applied_at=NOON)).headline == headline


@pytest.mark.parametrize(
    ("kind", "ended", "topic", "level"),
    [
        (Move.FORWARD, "applied_at", Topic.PROMOTED, Level.INFO),
        (Move.ROLLBACK, "applied_at", Topic.ROLLED_BACK, Level.WARNING),
        (Move.BY_HAND, "applied_at", Topic.CHANGED_BY_HAND, Level.WARNING),
        (Move.FORWARD, "superseded_at", Topic.NOT_APPLIED, Level.WARNING),
    ],
)
def test_a_change_of_production_has_its_topic_and_the_level_of_that(kind, ended, topic, level):
    announcement = texts.of_promotion(promotion("1", "2", kind=kind, **{ended: NOON}))
    assert (announcement.topic, announcement.level) == (topic, level)


def test_an_announcement_from_before_there_were_topics_keeps_its_level():
    stored = {"model": "letters", "level": "warning", "what": "it is so.", "remedy": "", "facts": {}}
    incident = Incident.from_json(stored)
    assert (incident.topic, texts.of_incident(incident).level) == (None, Level.WARNING)


def test_a_superseded_promotion_claims_no_change_of_production():
    announcement = texts.of_promotion(promotion("1", "2", superseded_at=NOON))

    assert (
        announcement.headline == "letters: version 2 was not put into Production: somebody changed it by hand meanwhile"
    )


def test_a_promotion_that_is_under_way_is_not_announced():
    with pytest.raises(ValueError, match="promotion 3 is not applied yet"):
        texts.of_promotion(promotion("1", "2"))


def test_an_incident_is_told_with_its_remedy():
    incident = Incident(model="letters", what="Task train failed.", remedy="Read its log.")

    announcement = texts.of_incident(incident)
    assert (announcement.headline, announcement.act, announcement.level) == (
        "letters: Task train failed.",
        "Read its log.",
        Level.ERROR,
    )


def test_blocked_data_is_told_with_what_where_how_many_and_remedy_and_without_keys():
    snapshot = Snapshot(
        id="s1",
        model="자소서",
        uri="file:///s1",
        watermark=None,
        rows=9,
        new_rows=9,
        subsets={},
        holdout_round=1,
        after=None,
    )
    gone = Check(name="fallen_rows", passed=False, blocks=True, says="8 of 9 rows are gone", count=8, keys=("3", "4"))
    typed = Check(name="column_types", passed=False, blocks=True, says="years is string, and was double", count=1)

    incident = texts.blocked(snapshot, [typed, gone], "retrain_letters, run 7", {"mlflow_run": "r1"})
    announcement = texts.of_incident(incident)

    assert announcement.headline == (
        "자소서: the data is blocked in retrain_letters, run 7. column_types: years is string, and was double. "
        "fallen_rows: 8 of 9 rows are gone."
    )
    assert announcement.act == (
        "Nothing was trained, no row counts as used, and Production "
        "stays as it is. Correct the source; or, where the data is right, set checks.column_types.on_fail and "
        "checks.fallen_rows.on_fail to warn for one cycle."
    )
    assert announcement.facts["facts"] == {
        "snapshot": "s1",
        "mlflow_run": "r1",
        "checks": [typed.to_json(), gone.to_json() | {"keys": []}],
    }


@pytest.mark.parametrize(
    ("announce", "record", "kind"),
    [
        (texts.of_verdict, verdict(Outcome.HOLD, "It is equal."), "verdict"),
        (texts.of_promotion, promotion("1", "2", applied_at=NOON), "promotion"),
        (
            texts.of_incident,
            Incident(model="letters", what="w", remedy="r", facts={"task": "train"}),
            "incident",
        ),
    ],
)
def test_an_announcement_holds_the_record_that_it_was_made_from(announce, record, kind):
    announcement = announce(record)

    assert (announcement.model, announcement.kind) == ("letters", kind)
    assert type(record).from_json(announcement.facts) == record
