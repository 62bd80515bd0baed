"""What Retrain remembers is written once, by whoever comes first, and told in the transaction that writes it."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from retrain.errors import LedgerError, StaleVerdictError
from retrain.ledger.database import TASK_ROLE
from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.records import Announcement, Matchup, ModelFile, Outcome, Snapshot, Subset, Verdict
from retrain.spec.source import Split
from tests.mailbox import waiting

MODEL = "letters"

MIGRATED = ["0001_tables"]


def execute(database, statement, values=None):
    with closing(database.connect()) as session, session, session.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def until_one_waits(database):
    """Return when a session waits for another one's lock."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if execute(
            database,
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        ):
            return
        time.sleep(0.01)
    raise AssertionError("no session waits for a lock")


def at_once(*calls):
    """What each call gave or raised, all started at one moment."""
    start = threading.Barrier(len(calls))

    def run(call):
        start.wait(20)
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def snapshot(name="s1", model=MODEL, holdout_round=1):
    return Snapshot(
        id=name,
        model=model,
        uri=f"file:///snapshots/{name}.parquet",
        watermark=datetime(2026, 3, 8, 12, 0, 0, 1, tzinfo=UTC),
        rows=10,
        new_rows=10,
        subsets={Subset.TRAIN: 6, Subset.VALIDATION: 2, Subset.HOLDOUT: 2, Subset.WAITING: 0},
        holdout_round=holdout_round,
    )


def verdict(
    name="v1", *, of="s1", model=MODEL, version="1", production=None, holdout_round=1, test=1, score=0.9, dry_run=False
):
    return Verdict(
        matchup=Matchup(
            id=name,
            model=model,
            candidate="linear",
            snapshot=of,
            run_id="run",
            version=version,
            production=production,
            holdout_round=holdout_round,
            test=test,
            dry_run=dry_run,
        ),
        outcome=Outcome.PROMOTE if score else Outcome.INCONCLUSIVE,
        reason="It is better.",
        metric="f1_macro",
        score=score,
        production_score=None,
        difference=None,
        interval=(0.01, 0.03),
        p_value=0.001,
        alpha=0.005,
        tests=10,
        rows=2,
        clusters=2,
        right_to_wrong=0,
        wrong_to_right=1,
        smallest_gain=None,
        overlap=0,
    )


def save(ledger, some_verdict, **how):
    return ledger.save_verdict(some_verdict, texts.of_verdict(some_verdict), **how)


def told(what, model=MODEL):
    return Announcement(model=model, kind="incident", headline=what, facts={})


def deliver(ledger, model=MODEL):
    """Headlines of all that waits, delivered now."""
    return [announcement.headline for announcement in waiting(ledger, model)]


def apply(ledger, promotion, *, applied=True):
    with ledger.lock_production(promotion.model) as production:
        return production.close(promotion, applied=applied, announcement=texts.of_promotion)


def head(ledger, model=MODEL):
    with ledger.lock_production(model) as production:
        return production.head()


@pytest.fixture
def database(postgres):
    """Database `retrain`, without its tables: cheaper than a database of each test's own."""
    dsn = postgres.dsn("retrain")
    database = SimpleNamespace(dsn=dsn, connect=lambda: psycopg2.connect(dsn))
    execute(database, "SET lock_timeout = '5s'; DROP SCHEMA IF EXISTS retrain CASCADE")
    return database


@pytest.fixture
def begun(ledger):
    """State with a model that has snapshots s1 and s2."""
    ledger.begin_model(MODEL, Split(), announcement=texts.of_split_version)
    ledger.save_snapshot(snapshot("s1"))
    ledger.save_snapshot(snapshot("s2"))
    return ledger


# ── claims


def never():
    raise AssertionError("this was made already")


def test_what_a_key_stands_for_is_made_once(ledger):
    assert ledger.once("key", find=lambda: None, create=lambda: "run 1") == "run 1"
    assert ledger.once("key", find=never, create=never) == "run 1"
    assert ledger.made("key") == "run 1"


def test_nothing_is_made_for_a_key_that_nobody_claimed(ledger):
    assert ledger.made("key") is None


def test_each_key_stands_for_something_of_its_own(ledger):
    assert ledger.once("a", lambda: None, lambda: "run a") == "run a"
    assert ledger.once("b", lambda: None, lambda: "run b") == "run b"


def test_what_a_predecessor_made_is_found_before_anything_is_created(ledger):
    assert ledger.once("key", find=lambda: "made before", create=never) == "made before"


def test_a_creation_that_failed_can_be_tried_again(ledger):
    with pytest.raises(ValueError, match="no luck"):
        ledger.once("key", lambda: None, lambda: (_ for _ in ()).throw(ValueError("no luck")))

    assert ledger.once("key", lambda: None, lambda: "run 2") == "run 2"


def test_a_step_waits_for_its_own_ghost_and_gets_what_that_made(ledger, database):
    creating, may_end = threading.Event(), threading.Event()

    def create():
        creating.set()
        assert may_end.wait(20)
        return "of the ghost"

    with ThreadPoolExecutor(2) as pool:
        ghost = pool.submit(ledger.once, "key", lambda: None, create)
        assert creating.wait(20)
        second = pool.submit(ledger.once, "key", never, never)
        until_one_waits(database)
        assert not second.done()
        may_end.set()

        assert (ghost.result(20), second.result(20)) == ("of the ghost", "of the ghost")


def test_of_many_at_once_one_creates(ledger):
    made = []

    def create():
        made.append("run")
        return f"run {len(made)}"

    results = at_once(*[lambda: ledger.once("key", lambda: None, create)] * 8)

    assert results == ["run 1"] * 8
    assert made == ["run"]


def test_a_step_waits_for_its_own_ghost_also_where_the_key_was_claimed_long_ago(ledger, database):
    """A person emptied the claim, so that the step makes again what was lost."""
    ledger.once("key", lambda: None, lambda: "lost")
    execute(database, "UPDATE retrain.claims SET made = NULL WHERE key = 'key'")
    creating = threading.Event()

    def create():
        creating.set()
        until_one_waits(database)
        return "made again"

    with ThreadPoolExecutor(2) as pool:
        ghost = pool.submit(ledger.once, "key", lambda: None, create)
        assert creating.wait(20)

        assert ledger.once("key", never, never) == ghost.result(20) == "made again"


def test_steps_with_different_keys_do_not_wait_for_each_other(ledger):
    def create():
        return ledger.once("inner", lambda: None, lambda: "inner")

    assert ledger.once("outer", lambda: None, create) == "inner"


DIES_AFTER_CREATING = """
import pathlib, sys, time, psycopg2
from retrain.ledger.ledger import Ledger

dsn, made = sys.argv[1:]

def create():
    pathlib.Path(made).write_text("made before the kill")
    print("created", flush=True)
    time.sleep(60)

Ledger(lambda: psycopg2.connect(dsn)).once("key", lambda: None, create)
"""


def test_what_was_made_just_before_a_kill_is_found(ledger, database, tmp_path):
    made = tmp_path / "made"
    with subprocess.Popen(
        [sys.executable, "-c", DIES_AFTER_CREATING, database.dsn, str(made)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout.readline() == b"created\n"
        process.send_signal(signal.SIGKILL)

    assert ledger.made("key") is None
    assert ledger.once("key", find=made.read_text, create=never) == "made before the kill"


# ── snapshots


def test_a_model_begins_with_its_first_split_version_and_nothing_is_told(ledger):
    first = ledger.begin_model(MODEL, Split(validation=0.1, holdout=0.3), announcement=texts.of_split_version)

    assert (first.number, first.after_round, first.split) == (1, 0, Split(validation=0.1, holdout=0.3))
    assert len(first.salt) == 16
    assert ledger.begin_model(MODEL, Split(validation=0.1, holdout=0.3), announcement=texts.of_split_version) == first
    assert deliver(ledger) == []


def test_every_model_has_a_salt_of_its_own(ledger):
    assert (
        ledger.begin_model("a", Split(), announcement=texts.of_split_version).salt
        != ledger.begin_model("b", Split(), announcement=texts.of_split_version).salt
    )


@pytest.mark.parametrize(
    ("split", "group"),
    [
        (Split(validation=0.1), None),
        (Split(holdout=0.1), None),
        (Split(by="time"), None),
        (Split(by="time", gap="1d"), None),
        (Split(by="group"), "applicant"),
    ],
    ids=str,
)
def test_another_split_begins_the_next_split_version_once_and_is_told(begun, split, group):
    first = begun.begin_model(MODEL, Split(), announcement=texts.of_split_version)

    second = begun.begin_model(MODEL, split, group, announcement=texts.of_split_version)

    assert (second.number, second.split, second.group) == (2, split, group)
    assert second.salt != first.salt
    assert begun.begin_model(MODEL, split, group, announcement=texts.of_split_version) == second
    (told,) = waiting(begun, MODEL)
    assert "no longer by hash (0.2 validation, 0.2 holdout)." in told.headline
    assert "such rows are left out, and counted, until enough new ones have arrived" in told.act


def test_another_group_column_or_gap_begins_the_next_split_version(ledger):
    splits = [(Split(by="group"), "applicant"), (Split(by="group"), "firm"), (Split(by="time", gap="7d"), None)]

    begun = [
        ledger.begin_model(MODEL, *split, announcement=texts.of_split_version).number
        for split in [*splits, (Split(by="time", gap="12h"), None)]
    ]

    assert begun == [1, 2, 3, 4]
    ways = deliver(ledger)
    assert ways == [
        "letters: the spec splits rows by group of firm (0.2 validation, 0.2 holdout), "
        "no longer by group of applicant (0.2 validation, 0.2 holdout).",
        "letters: the spec splits rows by time (0.2 validation, 0.2 holdout, gap 7d), "
        "no longer by group of firm (0.2 validation, 0.2 holdout).",
        "letters: the spec splits rows by time (0.2 validation, 0.2 holdout, gap 12h), "
        "no longer by time (0.2 validation, 0.2 holdout, gap 7d).",
    ]


def test_a_split_that_was_changed_back_is_a_new_split_version(begun):
    """What has trained meanwhile may be on the holdout of the first one."""
    salts = {
        begun.begin_model(MODEL, split, announcement=texts.of_split_version).salt
        for split in (Split(), Split(by="time"), Split())
    }

    assert len(salts) == 3
    assert begun.begin_model(MODEL, Split(), announcement=texts.of_split_version).number == 3


def test_two_who_begin_a_model_at_once_agree(ledger):
    assert (
        len(
            {
                split_version.salt
                for split_version in at_once(
                    *[lambda: ledger.begin_model(MODEL, Split(), announcement=texts.of_split_version)] * 4
                )
            }
        )
        == 1
    )


def test_two_who_begin_the_next_split_version_at_once_agree(begun):
    split_versions = at_once(
        *[lambda: begun.begin_model(MODEL, Split(by="time"), announcement=texts.of_split_version)] * 4
    )

    assert {split_version.number for split_version in split_versions} == {2}
    assert len({split_version.salt for split_version in split_versions}) == 1
    assert len(deliver(begun)) == 1


def test_rounds_of_a_split_version_follow_on_from_those_of_the_one_before(begun):
    begun.save_snapshot(snapshot("s3", holdout_round=4))
    save(begun, verdict(of="s1"))

    assert begun.begin_model(MODEL, Split(by="time"), announcement=texts.of_split_version).after_round == 4
    # Nothing was taken in the second.
    assert begun.begin_model(MODEL, Split(holdout=0.3), announcement=texts.of_split_version).after_round == 4


def test_a_snapshot_of_a_split_version_that_has_ended_is_refused(begun):
    """Its round might have the number of one in the next split version."""
    begun.begin_model(MODEL, Split(by="time"), announcement=texts.of_split_version)

    with pytest.raises(LedgerError, match=r"split was changed while snapshot s3 was taken; take again$"):
        begun.save_snapshot(snapshot("s3"))


def test_a_split_version_does_not_begin_while_a_snapshot_of_the_one_before_is_saved(begun, database):
    with ThreadPoolExecutor(1) as pool, closing(database.connect()) as saving, saving, saving.cursor() as cursor:
        # What `save_snapshot` does first.
        cursor.execute("SELECT 1 FROM retrain.split_versions WHERE (model, number) = (%s, 1) FOR UPDATE", (MODEL,))
        beginning = pool.submit(begun.begin_model, MODEL, Split(by="time"), announcement=texts.of_split_version)
        until_one_waits(database)
        cursor.execute("UPDATE retrain.snapshots SET body = body || '{\"holdout_round\": 9}' WHERE id = 's2'")
        saving.commit()

        assert beginning.result(20).after_round == 9


def test_the_last_snapshot_that_was_consumed_is_found_of_any_split_version_or_of_one(begun):
    save(begun, verdict("v1", of="s1"))
    begun.begin_model(MODEL, Split(by="time"), announcement=texts.of_split_version)

    assert begun.last_consumed(MODEL) == snapshot("s1")
    assert begun.last_consumed(MODEL, split_version=2) is None

    later = snapshot("s3", holdout_round=2).model_copy(update={"split_version": 2})
    begun.save_snapshot(later)
    save(begun, verdict("v2", of="s3", holdout_round=2))
    # A cycle that was under way when the split was changed ends last.
    save(begun, verdict("v3", of="s2", test=2))

    assert begun.last_consumed(MODEL) == snapshot("s2")
    assert begun.last_consumed(MODEL, split_version=2) == later


def test_a_snapshot_is_found_as_it_was_saved(begun):
    begun.save_snapshot(snapshot("s1"))

    assert begun.snapshot(MODEL, "s1") == snapshot("s1")


def test_a_snapshot_that_is_not_there_is_named(begun):
    with pytest.raises(LedgerError, match=r"^letters: snapshot s9 is not in the ledger$"):
        begun.snapshot(MODEL, "s9")


def test_a_snapshot_of_a_model_that_never_began_is_refused(ledger):
    with pytest.raises(LedgerError, match=r"violates foreign key"):
        ledger.save_snapshot(snapshot())


# ── model files


def model_file(uri="models:/m-1", **fields):
    told = {
        "digest": "d",
        "model": MODEL,
        "name": "linear",
        "snapshot": "s1",
        "run_id": "r",
        "subsets": (Subset.TRAIN,),
    }
    return ModelFile(uri=uri, **told | fields)


def test_a_model_file_is_found_as_it_was_saved_first(begun):
    file = model_file(subsets=(Subset.TRAIN, Subset.VALIDATION))
    begun.save_model_file(file)
    begun.save_model_file(model_file(digest="of another file"))

    assert begun.model_file(file.uri) == file


def test_a_model_file_that_we_did_not_log_is_named(begun):
    with pytest.raises(LedgerError, match=r"^models:/m-9: is not in the ledger$"):
        begun.model_file("models:/m-9")


def test_a_version_leads_to_its_file(begun):
    begun.save_model_file(model_file())
    begun.save_version("models:/m-1", "7")
    begun.save_version("models:/m-1", "7")

    assert begun.model_file_of_version(MODEL, "7") == model_file()
    assert begun.model_file_of_version(MODEL, "8") is None
    assert begun.model_file_of_version("other", "7") is None


def test_a_version_of_a_file_that_we_did_not_log_is_refused(begun):
    with pytest.raises(LedgerError, match=r"^models:/m-9: is not in the ledger, so it cannot be version 7$"):
        begun.save_version("models:/m-9", "7")


def test_two_files_cannot_be_one_version(begun):
    for uri in ("models:/m-1", "models:/m-2"):
        begun.save_model_file(model_file(uri))
    begun.save_version("models:/m-1", "7")

    with pytest.raises(LedgerError, match="unique"):
        begun.save_version("models:/m-2", "7")


# ── verdicts


def test_a_verdict_is_found_as_it_was_saved(begun):
    assert save(begun, verdict()) == verdict()
    assert begun.verdict("v1") == verdict()
    assert begun.verdict("v2") is None


def test_a_verdict_is_saved_once_and_the_first_one_stays(begun):
    save(begun, verdict(score=0.9))

    assert save(begun, verdict(score=0.1)) == verdict(score=0.9)
    assert begun.verdict("v1") == verdict(score=0.9)
    assert begun.tests_spent(MODEL, 1) == 1
    assert len(deliver(begun)) == 1


def test_a_step_and_its_ghost_save_one_verdict(begun):
    scores = [0.1, 0.2, 0.3, 0.4]

    saved = at_once(*[lambda score=score: save(begun, verdict(score=score)) for score in scores])

    assert saved == [begun.verdict("v1")] * 4
    assert begun.tests_spent(MODEL, 1) == 1


def test_a_verdict_consumes_its_snapshot(begun):
    assert begun.last_consumed(MODEL) is None

    save(begun, verdict("v1", of="s1"))
    assert begun.last_consumed(MODEL) == snapshot("s1")

    save(begun, verdict("v2", of="s2", test=2))
    assert begun.last_consumed(MODEL) == snapshot("s2")


def test_a_dry_run_consumes_nothing_spends_nothing_and_is_told(begun):
    save(begun, verdict(dry_run=True, version=None))

    assert begun.last_consumed(MODEL) is None
    assert begun.tests_spent(MODEL, 1) == 0
    assert deliver(begun) == ["letters: dry run, nothing was changed: PROMOTE linear. It is better."]


def test_a_verdict_without_a_score_consumes_its_snapshot_but_spends_no_test(begun):
    save(begun, verdict(score=None))

    assert begun.last_consumed(MODEL) == snapshot("s1")
    assert begun.tests_spent(MODEL, 1) == 0


def test_tests_are_counted_for_each_round(begun):
    save(begun, verdict("v1", test=1))
    save(begun, verdict("v2", test=2))
    save(begun, verdict("v3", of="s2", holdout_round=2, test=1))

    assert [begun.tests_spent(MODEL, holdout_round) for holdout_round in (1, 2, 3)] == [2, 1, 0]


def test_a_verdict_is_refused_when_another_used_its_test(begun):
    save(begun, verdict("v1", of="s1", test=1))

    with pytest.raises(StaleVerdictError, match="another verdict used test 1 of holdout round 1; run again"):
        save(begun, verdict("v2", of="s2", test=1))
    assert begun.verdict("v2") is None
    assert begun.tests_spent(MODEL, 1) == 1
    assert begun.last_consumed(MODEL) == snapshot("s1")
    assert len(deliver(begun)) == 1


@pytest.mark.parametrize(
    ("after", "refused"), [("s1", False), ("s2", True), (None, True)], ids=["the last", "not the last", "none"]
)
def test_rows_that_were_counted_beside_another_snapshot_than_the_last_consumed_are_refused(begun, after, refused):
    for name in ("s1", "s2", "s3"):
        begun.save_snapshot(snapshot(name))
    save(begun, verdict("v1", of="s1"), of=snapshot("s1"))
    later = snapshot("s3").model_copy(update={"after": after})

    if refused:
        with pytest.raises(StaleVerdictError, match="another cycle used rows since snapshot s3 was taken; run again"):
            save(begun, verdict("v3", of="s3", test=2), of=later)
        assert begun.verdict("v3") is None
        save(begun, verdict("v3", of="s3", dry_run=True), of=later)
    else:
        save(begun, verdict("v3", of="s3", test=2), of=later)
        assert begun.last_consumed(MODEL).id == "s3"


def test_how_long_ago_rows_were_consumed_is_by_the_last_verdict_that_was_no_dry_run(begun, database):
    assert begun.consumed_ago(MODEL) is None
    begun.save_snapshot(snapshot())
    save(begun, verdict("v0", dry_run=True))
    assert begun.consumed_ago(MODEL) is None
    save(begun, verdict("v1"))
    with database.connect() as session:
        session.cursor().execute("UPDATE retrain.verdicts SET at = at - interval '8 days 1 hour'")
    save(begun, verdict("v2", dry_run=True))

    assert timedelta(days=8, hours=1) <= begun.consumed_ago(MODEL) < timedelta(days=8, hours=2)


def test_of_two_verdicts_at_once_one_gets_the_test(begun):
    results = at_once(lambda: save(begun, verdict("v1", of="s1")), lambda: save(begun, verdict("v2", of="s2")))

    assert sorted(type(result).__name__ for result in results) == ["StaleVerdictError", "Verdict"]
    assert begun.tests_spent(MODEL, 1) == 1


def test_a_verdict_on_a_model_without_a_snapshot_is_refused(ledger):
    with pytest.raises(LedgerError, match=r"^letters: has no snapshot yet, so there is nothing to decide$"):
        save(ledger, verdict())


# ── promotions


@pytest.fixture
def judged(begun):
    """State with verdicts v1 and v2, both made where there was no Production."""
    save(begun, verdict("v1", version="1"))
    save(begun, verdict("v2", version="2", of="s2", test=2))
    deliver(begun)
    return begun


def test_the_first_promotion_replaces_nothing(judged):
    promotion = judged.open_promotion(verdict("v1"), by="dag/run", why="better")

    assert (promotion.seq, promotion.from_version, promotion.to_version) == (1, None, "1")
    assert (promotion.verdict, promotion.by, promotion.why) == ("v1", "dag/run", "better")
    assert promotion.applied_at is None
    assert head(judged) is None


def test_a_promotion_counts_when_it_is_applied(judged):
    applied = apply(judged, judged.open_promotion(verdict("v1"), "dag", "better"))

    assert applied.applied_at is not None
    assert head(judged) == "1"
    assert deliver(judged) == ["letters: version 1 is in Production, in place of nothing, by dag: better"]


def test_the_promotion_of_a_verdict_is_found_again(judged):
    opened = judged.open_promotion(verdict("v1"), "dag", "better")
    assert judged.open_promotion(verdict("v1"), "its ghost", "again") == opened

    applied = apply(judged, opened)
    assert judged.open_promotion(verdict("v1"), "its ghost", "again") == applied
    assert judged.promotion_of(verdict("v1")) == applied


def test_a_verdict_that_promoted_nothing_has_no_promotion(judged):
    with pytest.raises(LedgerError, match=r"^letters: verdict v1 has promoted nothing$"):
        judged.promotion_of(verdict("v1"))


def test_a_promotion_is_refused_while_another_is_under_way(judged):
    judged.open_promotion(verdict("v1"), "dag", "better")

    with pytest.raises(StaleVerdictError, match="another promotion is under way; run again when it is applied"):
        judged.open_promotion(verdict("v2", version="2"), "dag", "better")


def test_a_promotion_is_refused_when_production_changed_after_its_verdict(judged):
    apply(judged, judged.open_promotion(verdict("v1"), "dag", "better"))

    with pytest.raises(
        StaleVerdictError, match="Production is version 1, but the verdict was made against empty; the next cycle"
    ):
        judged.open_promotion(verdict("v2", version="2"), "dag", "better")


def test_promotions_follow_each_other(judged):
    apply(judged, judged.open_promotion(verdict("v1"), "dag", "better"))
    save(judged, verdict("v3", version="3", production="1", test=3))

    second = apply(judged, judged.open_promotion(verdict("v3", version="3", production="1"), "dag", "better"))

    assert (second.seq, second.from_version, second.to_version) == (2, "1", "3")
    assert head(judged) == "3"


def test_of_two_promotions_at_once_one_is_opened(judged):
    results = at_once(
        lambda: judged.open_promotion(verdict("v1"), "dag", "better"),
        lambda: judged.open_promotion(verdict("v2", version="2"), "dag", "better"),
    )

    assert sorted(type(result).__name__ for result in results) == ["Promotion", "StaleVerdictError"]


def test_a_superseded_promotion_changes_no_head_and_is_told(judged):
    closed = apply(judged, judged.open_promotion(verdict("v1"), "dag", "better"), applied=False)

    assert closed.superseded_at is not None
    assert head(judged) is None
    assert deliver(judged) == ["letters: version 1 was not put into Production: somebody changed it by hand meanwhile"]
    with judged.lock_production(MODEL) as production:
        assert production.pending() is None


def test_a_change_by_hand_is_a_row_without_a_verdict(judged):
    for version in ("7", None):
        with judged.lock_production(MODEL) as production:
            row = production.append(production.head(), version, verdict=None, by="a person", why="a demonstration")
            production.close(row, applied=True, announcement=texts.of_promotion)

    assert head(judged) is None
    assert (row.seq, row.from_version, row.to_version, row.verdict) == (2, "7", None, None)


def test_the_database_itself_refuses_a_second_promotion_under_way(judged):
    judged.open_promotion(verdict("v1"), "dag", "better")

    with pytest.raises(LedgerError, match="unique"), judged.lock_production(MODEL) as production:
        production.append(None, "2", verdict=None, by="a person", why="haste")


def test_a_ledger_block_that_fails_leaves_nothing_behind(judged):
    def fail():
        with judged.lock_production(MODEL) as production:
            row = production.append(None, "1", verdict=None, by="a person", why="a test")
            production.close(row, applied=True, announcement=texts.of_promotion)
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    with judged.lock_production(MODEL) as production:
        assert (production.head(), production.pending()) == (None, None)
    assert deliver(judged) == []


def test_whoever_comes_second_to_the_ledger_waits_and_sees_what_the_first_wrote(judged, database):
    with ThreadPoolExecutor(1) as pool:
        with judged.lock_production(MODEL) as production:
            row = production.append(None, "1", verdict=None, by="the first", why="a test")
            second = pool.submit(head, judged)
            until_one_waits(database)
            production.close(row, applied=True, announcement=texts.of_promotion)

        assert second.result(20) == "1"


def test_the_ledgers_of_two_models_are_apart(judged, database):
    judged.begin_model("other", Split(), announcement=texts.of_split_version)
    other = Ledger(lambda: psycopg2.connect(database.dsn, options="-c lock_timeout=2s"))

    with judged.lock_production(MODEL) as production:
        production.append(None, "1", verdict=None, by="a person", why="a test")

        assert head(other, "other") is None
    with other.lock_production("other") as production:
        assert production.pending() is None


def test_a_snapshot_need_not_wait_for_a_promotion(judged, database):
    impatient = Ledger(lambda: psycopg2.connect(database.dsn, options="-c lock_timeout=2s"))

    with judged.lock_production(MODEL):
        impatient.save_snapshot(snapshot("s3"))

    assert judged.snapshot(MODEL, "s3") == snapshot("s3")


# ── migrations and roles


def test_migrations_run_once(database):
    ledger = Ledger(database.connect)

    assert ledger.migrate() == MIGRATED
    assert ledger.migrate() == []
    ledger.check()


def test_a_schema_of_before_the_first_release_is_refused_and_says_what_to_do(database):
    execute(database, "CREATE SCHEMA retrain; CREATE TABLE retrain.migrations (name text PRIMARY KEY)")
    execute(database, "INSERT INTO retrain.migrations VALUES ('0001_ledger'), ('0002_adopted')")
    ledger = Ledger(database.connect)

    for act in (ledger.migrate, ledger.check):
        with pytest.raises(LedgerError, match=r"from before the first release.*`DROP SCHEMA retrain CASCADE`"):
            act()


def test_two_who_migrate_at_once_run_each_migration_once(database):
    results = at_once(*[Ledger(database.connect).migrate] * 3)

    assert sorted(results) == [[], [], MIGRATED]


def test_a_database_without_tables_says_how_to_make_them(database):
    with pytest.raises(LedgerError, match=r"^schema retrain lacks 0001_tables; run `retrain migrate`$"):
        Ledger(database.connect).check()


def test_tasks_of_an_old_version_run_on_with_tables_that_gained_something(ledger, database):
    execute(database, "INSERT INTO retrain.migrations VALUES ('9998_later')")

    ledger.check()


def test_tables_that_broke_with_older_code_are_refused(ledger, database):
    execute(database, "INSERT INTO retrain.migrations VALUES ('9998_later'), ('9999_last.breaking')")

    with pytest.raises(LedgerError, match=r"^schema retrain is newer than this code \(9999_last.breaking\); update"):
        ledger.check()


@pytest.fixture
def as_task(begun, database):
    """State as the role of the tasks sees it."""
    return Ledger(lambda: psycopg2.connect(make_dsn(database.dsn, user=TASK_ROLE)))


def test_the_role_of_the_tasks_can_do_all_that_a_cycle_does(as_task):
    as_task.check()
    as_task.begin_model("other", Split(), announcement=texts.of_split_version)
    as_task.save_snapshot(snapshot("s3"))
    as_task.save_model_file(model_file())
    as_task.save_version("models:/m-1", "1")
    save(as_task, verdict())
    promotion = as_task.open_promotion(verdict(), as_task.once("key", lambda: None, lambda: "dag"), "better")
    apply(as_task, promotion)

    assert head(as_task) == "1"
    assert len(deliver(as_task)) == 2


def test_the_role_of_the_tasks_may_not_migrate(as_task):
    with pytest.raises(LedgerError, match="permission denied"):
        as_task.migrate()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE retrain.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "DELETE FROM retrain.promotions",
        "TRUNCATE retrain.outbox",
        "DROP TABLE retrain.claims",
        "ALTER TABLE retrain.verdicts ADD a int",
    ],
)
def test_the_role_of_the_tasks_may_not_create_or_delete(as_task, database, statement):
    task = SimpleNamespace(connect=lambda: psycopg2.connect(make_dsn(database.dsn, user=TASK_ROLE)))

    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(task, statement)


def test_a_database_that_cannot_be_reached_is_told_in_one_line():
    nowhere = Ledger(lambda: psycopg2.connect(host="127.0.0.1", port=1, dbname="x", user="x"))

    with pytest.raises(LedgerError, match=r"^the ledger: connection to server .* failed: .*$"):
        nowhere.check()


def test_no_connection_is_left_open(begun, database):
    deliver(begun)
    with pytest.raises(LedgerError):
        begun.snapshot(MODEL, "s9")

    assert execute(database, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") == [(1,)]
