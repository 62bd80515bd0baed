"""Snapshots and split versions: each is written once, and rounds follow on from one version to the next."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from retrain.errors import LedgerError
from retrain.messages import texts
from retrain.spec.source import Split
from tests.core.ledger.rows import MODEL, at_once, deliver, save, snapshot, until_one_waits, verdict
from tests.mailbox import waiting


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
    (announcement,) = waiting(begun, MODEL)
    assert "no longer by hash (0.2 validation, 0.2 holdout)." in announcement.headline
    assert "such rows are left out, and counted, until enough new rows have arrived" in announcement.act


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
