"""Old snapshots go, but for those that are needed; and a person's rows go from all of them."""

from contextlib import closing
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest

from retrain import announcements, retention
from retrain.errors import SnapshotError
from retrain.nouns import Side
from retrain.snapshot import SnapshotStore
from retrain.spec import Gate, SnapshotSpec
from retrain.state import ModelFile
from tests.core.test_cli import retrain
from tests.core.test_snapshot import EVERY, MODEL, SPLIT, numbered, take
from tests.core.verdicts import unmeasured

SPEC = SimpleNamespace(model=MODEL, snapshot=SnapshotSpec(keep=2))


@pytest.fixture
def store(tmp_path):
    return SnapshotStore((tmp_path / "snapshots").as_uri())


@pytest.fixture
def taken(state, store):
    """Takes a snapshot of so many rows, as a version is trained on it."""

    def taken(count, *, consumed=False):
        lineage = state.begin_model(MODEL, SPLIT)
        snapshot = take(store, numbered(count), state.last_consumed(MODEL), lineage=lineage)
        state.save_snapshot(snapshot)
        state.save_model_file(ModelFile(f"uri-{count}", "digest", MODEL, "a", snapshot.id, "run", (Side.TRAIN,)))
        state.save_version(f"uri-{count}", str(count))
        if consumed:
            verdict = unmeasured(snapshot, f"trial {count}", Gate())
            state.save_verdict(verdict, announcements.of_verdict(verdict), of=snapshot)
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


def sizes(state):
    return [each.rows for each in state.kept_snapshots(MODEL)]


# ── retention


def test_the_newest_snapshots_are_kept_and_the_files_of_the_others_are_deleted(state, store, taken):
    first, *_ = [taken(count) for count in (5, 6, 7)]

    assert retention.drop_old(SPEC, snapshots=store, state=state) == [first]
    assert sizes(state) == [7, 6]
    assert not path_of(first).exists()
    assert retention.drop_old(SPEC, snapshots=store, state=state) == []
    with pytest.raises(SnapshotError, match="cannot be read"):
        store.read(first, EVERY)


def test_what_production_its_rollback_target_and_the_last_verdict_need_is_kept(state, store, taken, database):
    for count in range(5, 12):
        taken(count, consumed=count == 8)
    in_production(database, "5", "6", "7")

    retention.drop_old(SPEC, snapshots=store, state=state)

    # 7 is in Production, 6 was before it, 8 was consumed.
    assert sizes(state) == [11, 10, 8, 7, 6]


def test_a_snapshot_that_was_dropped_may_be_taken_again(state, store, taken):
    first, *_ = [taken(count) for count in (5, 6, 7)]
    retention.drop_old(SPEC, snapshots=store, state=state)

    state.save_snapshot(take(store, numbered(5), lineage=state.begin_model(MODEL, SPLIT)))

    assert sizes(state) == [5, 7, 6]
    assert len(store.read(first, EVERY)) == 5


def test_one_that_was_killed_between_the_file_and_the_ledger_is_finished(state, store, taken):
    first, *_ = [taken(count) for count in (5, 6, 7)]
    path_of(first).unlink()

    retention.drop_old(SPEC, snapshots=store, state=state)

    assert sizes(state) == [7, 6]


def test_a_snapshot_that_is_taken_again_stays_as_it_was_known(state, store, taken):
    first = taken(5, consumed=True)

    assert taken(5).new_rows == 0

    assert first.new_rows == 5
    assert state.last_consumed(MODEL) == first


# ── forget


def test_a_persons_rows_are_erased_from_every_snapshot(state, store, taken):
    before = [taken(count) for count in (5, 20)]

    found = retention.forget(MODEL, ["3", "12", "99"], snapshots=store, state=state)

    assert [(each.snapshot.id, each.rows, each.versions) for each in found] == [
        (before[1].id, 2, ("20",)),
        (before[0].id, 1, ("5",)),
    ]
    assert sizes(state) == [18, 4]
    for snapshot in state.kept_snapshots(MODEL):
        rows = store.read(snapshot, EVERY)
        assert {"3", "12"}.isdisjoint(rows.keys.to_pylist())
        assert sum(snapshot.sides.values()) == snapshot.rows == len(rows)
    assert not any(path_of(each).exists() for each in before)


def test_the_rows_that_stay_keep_their_sides(state, store, taken):
    before = taken(20)
    sides = {side: set(store.read(before, [side]).keys.to_pylist()) for side in EVERY}

    retention.forget(MODEL, ["3"], snapshots=store, state=state)

    (after,) = state.kept_snapshots(MODEL)
    assert {side: set(store.read(after, [side]).keys.to_pylist()) for side in EVERY} == {
        side: keys - {"3"} for side, keys in sides.items()
    }


def test_what_was_erased_does_not_come_back_as_new_unless_it_is_in_the_source(state, store, taken):
    taken(20, consumed=True)
    retention.forget(MODEL, ["3"], snapshots=store, state=state)

    assert taken(21).new_rows == 2


def test_to_forget_twice_does_nothing_twice(state, store, taken):
    taken(5)
    retention.forget(MODEL, ["3"], snapshots=store, state=state)
    after = state.kept_snapshots(MODEL)

    assert retention.forget(MODEL, ["3"], snapshots=store, state=state) == []
    assert state.kept_snapshots(MODEL) == after
    assert len(store.read(after[0], EVERY)) == 4


def test_one_that_was_killed_before_the_old_file_was_deleted_is_finished(state, store, taken):
    before = taken(5)
    after = store.without(before, ["3"])
    state.replace_snapshot(after, 1)
    assert path_of(before).exists()

    assert retention.forget(MODEL, ["3"], snapshots=store, state=state) == []
    assert not path_of(before).exists()
    assert state.erased_files(MODEL) == []


def test_what_can_no_longer_be_reproduced_is_marked(state, store, taken, database):
    taken(5)
    taken(6)
    retention.forget(MODEL, ["5"], snapshots=store, state=state)

    with closing(database.connect()) as session, session.cursor() as cursor:
        cursor.execute("SELECT (body->>'rows')::int, erased_rows FROM retrain.snapshots ORDER BY 1, 2")
        assert cursor.fetchall() == [(5, 0), (5, 1)]


def test_it_can_be_done_from_a_shell(state, store, taken, database, tmp_path):
    taken(5)
    words = ("forget", "--model", MODEL, "--key", "3", "4", "--dsn", database.dsn, "--snapshots")

    done, again = (retrain(*words, (tmp_path / "snapshots").as_uri()) for _ in range(2))

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 rows erased from snapshot ")
    assert done.stdout.endswith("; version 5 cannot be reproduced any more\n")
    assert (again.returncode, again.stdout) == (0, "No snapshot of letters holds these keys.\n")
