"""Rows for the tests of the ledger, and how they are written, read and waited for."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

from retrain.messages import texts
from retrain.records import Fault, Incident, Matchup, ModelFile, Outcome, Snapshot, Subset, Verdict
from retrain.spec.source import Split
from tests.mailbox import waiting

MODEL = "letters"


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
    """Start all calls at one moment, and return what each returned or raised."""
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


def model_file(uri="models:/m-1", **fields):
    usual = {
        "digest": "d",
        "model": MODEL,
        "name": "linear",
        "snapshot": "s1",
        "run_id": "r",
        "subsets": (Subset.TRAIN,),
    }
    return ModelFile(uri=uri, **usual | fields)


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


def deliver(ledger, model=MODEL):
    """Deliver all announcements that wait, and return their headlines."""
    return [announcement.headline for announcement in waiting(ledger, model)]


def apply(ledger, promotion, *, applied=True):
    with ledger.lock_production(promotion.model) as production:
        return production.close(promotion, applied=applied, announcement=texts.of_promotion)


def head(ledger, model=MODEL):
    with ledger.lock_production(model) as production:
        return production.head()


def all_that_a_cycle_does(ledger):
    """Call whatever a cycle, a person and the team's messages call, on an empty ledger."""
    ledger.begin_model(MODEL, Split(), columns=["a"], announcement=texts.of_split_version)
    ledger.begin_model(MODEL, Split(by="time"), columns=["a"], announcement=texts.of_split_version)
    ledger.begin_model("other", Split(), announcement=texts.of_split_version)
    assert ledger.split_columns(MODEL) == ("a",)
    s1, s2 = (snapshot(name).model_copy(update={"split_version": 2}) for name in ("s1", "s2"))
    ledger.save_snapshot(s1)
    ledger.save_snapshot(s2)
    for number in "12":
        ledger.save_model_file(model_file(f"models:/m-{number}"))
        ledger.save_version(f"models:/m-{number}", number)
    ledger.adopt(model_file("models:/letters/3"), "3", by="kim", why="it was there before")
    ledger.link_version("models:/m-1", "1", MODEL, instead_of="1")
    save(ledger, verdict())
    by = ledger.once("key", lambda: None, lambda: "dag")
    assert (by, ledger.made("key")) == ("dag", "dag")
    apply(ledger, ledger.open_promotion(verdict(), by, "better"))
    second = verdict("v2", of="s2", version="2", production="1", test=2)
    save(ledger, second, of=s2.model_copy(update={"after": "s1"}))
    apply(ledger, ledger.open_promotion(second, by, "better"), applied=False)
    assert [each.applied_at is not None for each in ledger.history(MODEL)] == [True, False]
    assert head(ledger) == "1"
    assert ledger.last_consumed(MODEL).id == "s2"
    ledger.replace_snapshot(s1.model_copy(update={"uri": "file:///another"}), 1)
    ledger.erased(MODEL, s1.uri)
    ledger.drop_snapshot(s1)
    ledger.save_snapshot(s1)
    _freeze_and_fail(ledger)
    assert len(deliver(ledger)) == 10
    assert (ledger.models_waiting(), ledger.outbox_age(MODEL)) == (set(), timedelta(0))
    with ledger.next_delivery(MODEL, "log", old=timedelta(days=1)) as delivery:
        assert delivery is None


def _freeze_and_fail(ledger):
    for days in (1, 0):
        until = datetime.now(UTC) + timedelta(days=days) - timedelta(hours=1)
        ledger.freeze(f"freeze {days}", MODEL, until=until, by="kim", why="year's end", announcement=texts.of_freeze)
    fault = Fault(name="task/train", incident=Incident(model=MODEL, what="it failed", remedy="Look."))
    for key in ("first", "second"):
        ledger.fail(fault, key=key, announcement=texts.of_fault)
    ledger.end_faults(MODEL, "task/", announcement=texts.of_recovery)
