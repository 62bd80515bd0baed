"""Changes of Production: one at a time, each announced in the transaction that applies it."""

from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from retrain.errors import LedgerError, StaleVerdictError
from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.records import VersionId
from retrain.spec.source import Split
from tests.core.ledger.rows import MODEL, apply, at_once, deliver, head, save, snapshot, until_one_waits, verdict


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
    for went, came in ((None, VersionId("7", "m-7")), (VersionId("7", "m-7"), None)):
        with judged.lock_production(MODEL) as production:
            row = production.append(went, came, verdict=None, by="a person", why="a demonstration")
            production.close(row, applied=True, announcement=texts.of_promotion)

    assert head(judged) is None
    assert (row.seq, row.went, row.came, row.verdict) == (2, VersionId("7", "m-7"), None, None)


def test_the_database_itself_refuses_a_second_promotion_under_way(judged):
    judged.open_promotion(verdict("v1"), "dag", "better")

    with pytest.raises(LedgerError, match="unique"), judged.lock_production(MODEL) as production:
        production.append(None, VersionId("2", None), verdict=None, by="a person", why="haste")


def test_a_ledger_block_that_fails_leaves_nothing_behind(judged):
    def fail():
        with judged.lock_production(MODEL) as production:
            row = production.append(None, VersionId("1", None), verdict=None, by="a person", why="a test")
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
            row = production.append(None, VersionId("1", None), verdict=None, by="the first", why="a test")
            second = pool.submit(head, judged)
            until_one_waits(database)
            production.close(row, applied=True, announcement=texts.of_promotion)

        assert second.result(20) == "1"


def test_the_ledgers_of_two_models_are_apart(judged, database):
    judged.begin_model("other", Split(), announcement=texts.of_split_version)
    other = Ledger(lambda: psycopg2.connect(database.dsn, options="-c lock_timeout=2s"))

    with judged.lock_production(MODEL) as production:
        production.append(None, VersionId("1", None), verdict=None, by="a person", why="a test")

        assert head(other, "other") is None
    with other.lock_production("other") as production:
        assert production.pending() is None


def test_a_snapshot_need_not_wait_for_a_promotion(judged, database):
    impatient = Ledger(lambda: psycopg2.connect(database.dsn, options="-c lock_timeout=2s"))

    with judged.lock_production(MODEL):
        impatient.save_snapshot(snapshot("s3"))

    assert judged.snapshot(MODEL, "s3") == snapshot("s3")
