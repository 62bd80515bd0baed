"""Rows that several sessions write, label and commit at once: none is missed, and none counts twice."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import psycopg2
import pytest

from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.records import Snapshot
from retrain.snapshots.store import SnapshotStore
from retrain.source.table import Source
from retrain.spec.gate import Gate
from retrain.spec.source import SourceSpec, Split
from tests.conftest import Database
from tests.core.source.tables import read
from tests.core.verdicts import unmeasured

MODEL = "letters"
WRITERS = 4
LETTERS = SourceSpec(table="letters", key="id", label="label", label_time="labelled_at", features=("text",))


@pytest.fixture
def letters(database: Database) -> Database:
    _run(
        database,
        "CREATE TABLE letters (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text, label text, "
        "labelled_at timestamptz); CREATE INDEX ON letters (labelled_at) WHERE label IS NOT NULL",
    )
    return database


def _run(database: Database, statement: str) -> list[tuple[object, ...]]:
    with closing(database.connect()) as session, session, session.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def _write(database: Database, number: int, until: threading.Event) -> None:
    """Insert letters and label some of them later, each time committing a while after."""
    chance, unlabelled = np.random.default_rng(number), list[int]()
    with closing(database.connect()) as session, session.cursor() as cursor:
        while not until.is_set() or unlabelled:
            if not until.is_set():
                cursor.execute(
                    "INSERT INTO letters (text, label, labelled_at) SELECT md5(random()::text), "
                    "CASE WHEN n % 2 = 0 THEN 'good' END, CASE WHEN n % 2 = 0 THEN clock_timestamp() END "
                    "FROM generate_series(1, 6) AS n RETURNING id, label IS NULL"
                )
                unlabelled += [key for key, lacks in cursor.fetchall() if lacks]
            count = len(unlabelled) if until.is_set() else len(unlabelled) // 2
            labelled = chance.permutation(unlabelled)[:count].tolist()
            cursor.execute(
                "UPDATE letters SET label = 'bad', labelled_at = clock_timestamp() WHERE id = ANY(%s)", (labelled,)
            )
            unlabelled = [key for key in unlabelled if key not in labelled]
            time.sleep(chance.uniform(0, 0.1))
            session.commit()


@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.soak)])
def test_of_rows_that_four_sessions_write_at_once_none_is_missed_and_none_counts_twice(
    letters: Database, ledger: Ledger, tmp_path: Path, seconds: int
) -> None:
    store, source = SnapshotStore((tmp_path / "snapshots").as_uri()), Source(letters.connect, LETTERS)
    ours, naive, watermark = list[int](), list[int](), "-infinity"

    def cycle() -> None:
        nonlocal watermark
        ours.append(_consumed(source, store, ledger, f"matchup {len(ours)}").new_rows)
        # The usual way: rows that are later than the latest one seen.
        ((count, watermark),) = _run(
            letters,
            "SELECT count(*), coalesce(max(labelled_at)::text, '-infinity') FROM letters "
            f"WHERE label IS NOT NULL AND labelled_at > '{watermark}'",
        )
        naive.append(int(str(count)))
        watermark = max(watermark, str(watermark)) if count else watermark

    done = threading.Event()
    writers = [threading.Thread(target=_write, args=(letters, number, done)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    end = time.monotonic() + seconds
    # A busy machine takes longer for the cycles that the assertions below need.
    while time.monotonic() < end or len(ours) < 6:
        cycle()
    done.set()
    for writer in writers:
        writer.join()
    cycle()

    ((rows,),) = _run(letters, "SELECT count(*) FROM letters WHERE label IS NOT NULL")
    assert len(ours) > 5
    assert sum(ours) == rows
    # The naive way misses some, so the test can fail.
    assert sum(naive) < int(str(rows))
    print(f"{rows} rows in {len(ours)} cycles; a watermark missed {int(str(rows)) - sum(naive)}")


def test_rows_are_copied_through_a_proxy_that_pools_transactions(
    letters: Database, pooled: str, tmp_path: Path
) -> None:
    _run(letters, "INSERT INTO letters (text, label) SELECT n::text, 'good' FROM generate_series(1, 1000) AS n")
    source = Source(lambda: psycopg2.connect(pooled), LETTERS)

    assert read(source)["text"].to_pylist() == [str(number) for number in range(1, 1001)]
    assert source.count_labelled(None, at_most=2_000) == 1_000


def _consumed(source: Source, store: SnapshotStore, ledger: Ledger, matchup: str) -> Snapshot:
    """A cycle without its training."""
    split_version = ledger.begin_model(MODEL, Split(), announcement=texts.of_split_version)
    last = ledger.last_consumed(MODEL)
    with source.labelled() as rows:
        snapshot = store.write(MODEL, rows, split_version=split_version, round_rows=50, last=last, inherits=last)
    ledger.save_snapshot(snapshot)
    verdict = unmeasured(snapshot, matchup, Gate())
    ledger.save_verdict(verdict, texts.of_verdict(verdict), of=snapshot)
    return snapshot


# It forks, so that the next attempt begins a millisecond after a kill.
_KILLED = """
import os, random, signal, sys, time
import psycopg2
import adbc_driver_postgresql.dbapi
from retrain.snapshots.split import SplitVersion
from retrain.snapshots.store import SnapshotStore
from retrain.source.table import Source
from retrain.spec.source import SourceSpec, Split

def take():
    source = Source(
        lambda: psycopg2.connect(sys.argv[1]), SourceSpec(table="letters", key="id", label="label", features=("text",))
    )
    version = SplitVersion(1, b"salt", Split(), None, 0)
    how = {"split_version": version, "round_rows": 50, "last": None, "inherits": None}
    with source.labelled() as rows:
        return SnapshotStore(sys.argv[2]).write("letters", rows, **how)

def attempt(seconds):
    # Return whether it ended within that time; otherwise it is killed.
    child = os.fork()
    if not child:
        take()
        os._exit(0)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False

begun = time.monotonic()
assert attempt(60)
(file,) = os.listdir(sys.argv[3])
os.remove(os.path.join(sys.argv[3], file))
whole = time.monotonic() - begun
chance = random.Random(7)
ended = [attempt(chance.uniform(0, whole)) for _ in range(10)]
print(file.removesuffix(".parquet"), take().id, ended.count(False))
"""


def test_a_copy_that_is_killed_at_any_point_leaves_nothing_and_the_next_gives_the_same(
    letters: Database, tmp_path: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    _run(
        letters,
        "INSERT INTO letters (text, label) SELECT repeat(md5(n::text), 8), 'good' FROM generate_series(1, 35000) n",
    )
    folder = tmp_path / "snapshots" / "letters"
    words = [sys.executable, "-c", _KILLED, letters.dsn, (tmp_path / "snapshots").as_uri(), str(folder)]

    done = subprocess.run(words, check=True, capture_output=True, text=True)

    undisturbed, after, killed = done.stdout.split()
    assert after == undisturbed
    assert int(killed) >= 5
    # A draft may be left, which a copy a day later deletes, but no file that could be taken for a snapshot.
    assert [file.name for file in folder.glob("*.parquet")] == [f"{after}.parquet"]
    # No session of a killed one still reads.
    reading = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
    eventually(lambda: _run(letters, reading) == [(1,)])
