"""Old snapshots are deleted unless they are needed; and a person's rows are erased from all of them."""

import json
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest

from retrain.cycle import retention
from retrain.errors import SnapshotError
from retrain.messages import texts
from retrain.records import ModelFile, Subset
from retrain.snapshots.store import SnapshotStore
from retrain.spec.gate import Gate
from retrain.spec.source import SnapshotSpec
from tests.core.snapshots.samples import EVERY, MODEL, SPLIT, numbered, take
from tests.core.verdicts import unmeasured

SPEC = SimpleNamespace(model=MODEL, snapshot=SnapshotSpec(keep=2))


@pytest.fixture
def store(tmp_path):
    return SnapshotStore((tmp_path / "snapshots").as_uri())


@pytest.fixture
def taken(ledger, store):
    """Take a snapshot of this many rows, on which a version is trained."""

    def taken(count, *, consumed=False):
        split_version = ledger.begin_model(MODEL, SPLIT, announcement=texts.of_split_version)
        snapshot = take(store, numbered(count), ledger.last_consumed(MODEL), split_version=split_version)
        ledger.save_snapshot(snapshot)
        ledger.save_model_file(ModelFile(f"uri-{count}", "digest", MODEL, "a", snapshot.id, "run", (Subset.TRAIN,)))
        ledger.save_version(f"uri-{count}", str(count))
        if consumed:
            verdict = unmeasured(snapshot, f"trial {count}", Gate())
            ledger.save_verdict(verdict, texts.of_verdict(verdict), of=snapshot)
        return snapshot

    return taken


def in_production(database, *versions):
    with closing(database.connect()) as session, session, session.cursor() as cursor:
        for seq, (before, version) in enumerate(pairwise((None, *versions)), 1):
            cursor.execute(
                "INSERT INTO retrain.promotions (model, seq, from_version, to_version, kind, by, why, applied_at) "
                "VALUES (%s, %s, %s, %s, 'forward', 'test', 'test', now())",
                (MODEL, seq, before, version),
            )


def path_of(snapshot):
    return Path(unquote(urlsplit(snapshot.uri).path))


def sizes(ledger):
    return [each.rows for each in ledger.kept_snapshots(MODEL)]


# ── retention


def test_the_newest_snapshots_are_kept_and_the_files_of_the_others_are_deleted(ledger, store, taken):
    first, *_ = [taken(count) for count in (5, 6, 7)]

    assert retention.drop_old(SPEC, snapshots=store, ledger=ledger) == [first]
    assert sizes(ledger) == [7, 6]
    assert not path_of(first).exists()
    assert retention.drop_old(SPEC, snapshots=store, ledger=ledger) == []
    with pytest.raises(SnapshotError, match="cannot be read"):
        store.read(first, EVERY)


def test_what_production_its_rollback_target_and_the_last_verdict_need_is_kept(ledger, store, taken, database):
    for count in range(5, 12):
        taken(count, consumed=count == 8)
    in_production(database, "5", "6", "7")

    retention.drop_old(SPEC, snapshots=store, ledger=ledger)

    # 7 is in Production, 6 was before it, 8 was consumed.
    assert sizes(ledger) == [11, 10, 8, 7, 6]


def test_a_snapshot_that_was_dropped_may_be_taken_again(ledger, store, taken):
    first, *_ = [taken(count) for count in (5, 6, 7)]
    retention.drop_old(SPEC, snapshots=store, ledger=ledger)

    ledger.save_snapshot(
        take(store, numbered(5), split_version=ledger.begin_model(MODEL, SPLIT, announcement=texts.of_split_version))
    )

    assert sizes(ledger) == [5, 7, 6]
    assert len(store.read(first, EVERY)) == 5


def test_one_that_was_killed_between_the_file_and_the_ledger_is_finished(ledger, store, taken):
    first, *_ = [taken(count) for count in (5, 6, 7)]
    path_of(first).unlink()

    retention.drop_old(SPEC, snapshots=store, ledger=ledger)

    assert sizes(ledger) == [7, 6]


def test_a_snapshot_that_is_taken_again_stays_as_it_was_known(ledger, store, taken):
    first = taken(5, consumed=True)

    assert taken(5).new_rows == 0

    assert first.new_rows == 5
    assert ledger.last_consumed(MODEL) == first


# ── forget


def test_a_persons_rows_are_erased_from_every_snapshot(ledger, store, taken):
    before = [taken(count) for count in (5, 20)]

    found = retention.forget(MODEL, ["3", "12", "99"], snapshots=store, ledger=ledger)

    assert [(each.snapshot.id, each.rows, each.versions) for each in found] == [
        (before[1].id, 2, ("20",)),
        (before[0].id, 1, ("5",)),
    ]
    assert sizes(ledger) == [18, 4]
    for snapshot in ledger.kept_snapshots(MODEL):
        rows = store.read(snapshot, EVERY)
        assert {"3", "12"}.isdisjoint(rows.keys.to_pylist())
        assert sum(snapshot.subsets.values()) == snapshot.rows == len(rows)
    assert not any(path_of(each).exists() for each in before)


def test_the_rows_that_stay_keep_their_subsets(ledger, store, taken):
    before = taken(20)
    subsets = {subset: set(store.read(before, [subset]).keys.to_pylist()) for subset in EVERY}

    retention.forget(MODEL, ["3"], snapshots=store, ledger=ledger)

    (after,) = ledger.kept_snapshots(MODEL)
    assert {subset: set(store.read(after, [subset]).keys.to_pylist()) for subset in EVERY} == {
        subset: keys - {"3"} for subset, keys in subsets.items()
    }


def test_what_was_erased_does_not_come_back_as_new_unless_it_is_in_the_source(ledger, store, taken):
    taken(20, consumed=True)
    retention.forget(MODEL, ["3"], snapshots=store, ledger=ledger)

    assert taken(21).new_rows == 2


def test_to_forget_twice_does_nothing_twice(ledger, store, taken):
    taken(5)
    retention.forget(MODEL, ["3"], snapshots=store, ledger=ledger)
    after = ledger.kept_snapshots(MODEL)

    assert retention.forget(MODEL, ["3"], snapshots=store, ledger=ledger) == []
    assert ledger.kept_snapshots(MODEL) == after
    assert len(store.read(after[0], EVERY)) == 4


def test_one_that_was_killed_before_the_old_file_was_deleted_is_finished(ledger, store, taken):
    before = taken(5)
    after = store.without(before, ["3"])
    ledger.replace_snapshot(after, 1)
    assert path_of(before).exists()

    assert retention.forget(MODEL, ["3"], snapshots=store, ledger=ledger) == []
    assert not path_of(before).exists()
    assert ledger.erased_files(MODEL) == []


def test_what_can_no_longer_be_reproduced_is_marked(ledger, store, taken, database):
    taken(5)
    taken(6)
    retention.forget(MODEL, ["5"], snapshots=store, ledger=ledger)

    with closing(database.connect()) as session, session.cursor() as cursor:
        cursor.execute("SELECT (body->>'rows')::int, erased_rows FROM retrain.snapshots ORDER BY 1, 2")
        assert cursor.fetchall() == [(5, 0), (5, 1)]


def test_it_can_be_done_from_a_shell(ledger, store, taken, database, tmp_path, here):
    taken(5)
    words = ("forget", "--model", MODEL, "--key", "3", "--key", "4", "--dsn", database.dsn, "--snapshots")

    done, again = (here(*words, (tmp_path / "snapshots").as_uri()) for _ in range(2))

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 rows erased from snapshot ")
    assert done.stdout.endswith("; version 5 cannot be reproduced any more\n")
    assert (again.returncode, again.stdout) == (0, "No snapshot of letters holds these keys.\n")


def test_a_shell_is_told_in_json_what_was_erased(store, taken, database, tmp_path, here):
    taken(5)
    words = ("forget", "--model", MODEL, "--key", "3", "--json", "--dsn", database.dsn, "--snapshots")

    done, again = (json.loads(here(*words, (tmp_path / "snapshots").as_uri()).stdout) for _ in range(2))

    assert [(each["rows"], each["versions"], len(each["snapshot"])) for each in done["snapshots"]] == [(1, ["5"], 32)]
    assert again == {"snapshots": [], "exposures": 0}
