"""A verdict is saved once, with what it consumes and spends."""

from datetime import timedelta

import pytest

from retrain.errors import LedgerError, StaleVerdictError
from tests.core.ledger.rows import MODEL, at_once, deliver, save, snapshot, verdict


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
    with pytest.raises(LedgerError, match=r"^letters: has no snapshot and no adopted version yet"):
        save(ledger, verdict())
