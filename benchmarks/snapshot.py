"""How fast all labelled rows become a snapshot, and in how much memory.

Each of these runs in a process of its own, in turns, on the same table of made-up Korean texts; the median of a few
rounds counts:

snapshot     what task `snapshot` does: read, content keys, subsets, which rows an earlier snapshot of the same rows
             did not hold, digest, Parquet
copy         `Source.labelled` alone; its batches are dropped
psql         `psql \\copy` of the same columns to /dev/null: the limit
pandas       `pandas.read_sql` of the same columns

Peak memory is the greatest resident set of the process, imports included.
"""

import argparse
import io
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import psycopg2

from retrain.snapshots.split import SplitVersion
from retrain.source.table import Source
from retrain.spec.source import SourceSpec, Split
from stack import local, postgres

# Rows a second divided by psql's, and by those of pandas; growth of the peak memory at five times the rows, and MB.
AT_LEAST = {"snapshot_of_psql": 0.4, "copy_of_psql": 0.6, "times_pandas": 3.0}
AIMS = AT_LEAST | {"memory_growth": 1.2, "memory_mb": 400}

Act = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="rows of the table; the one for the memory has five times as many"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--short", action="store_true", help="100,000 rows, 2 rounds")
    parser.add_argument("--one", nargs=4, metavar=("WHAT", "DSN", "TABLE", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        _one(*arguments.one)
        return
    rows, rounds = (100_000, 2) if arguments.short else (arguments.rows, arguments.rounds)
    with (
        tempfile.TemporaryDirectory(prefix="retrain-") as folder,
        local.running(Path(folder) / "home", services=("postgres",)) as stack,
    ):
        dsn = stack.dsn("source")
        small, large = _filled(dsn, rows), _filled(dsn, 5 * rows)
        store = Path(folder) / "store"
        _measured("snapshot", dsn, small, store)  # from now on there is an earlier one
        taken: dict[str, list[float]] = {what: [] for what in ACTS}
        for _ in range(rounds):
            for what, seconds in taken.items():
                seconds.append(_measured(what, dsn, small, store)["seconds"])
        at_small = _measured("snapshot", dsn, small, store)["mb"]
        _measured("snapshot", dsn, large, store)
        at_large = _measured("snapshot", dsn, large, store)["mb"]
    _report(rows, rounds, {what: statistics.median(each) for what, each in taken.items()}, at_small, at_large)


def _measured(what: str, dsn: str, table: str, store: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", what, dsn, table, str(store)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    print(f"{what} of {table}: {found['seconds']:.2f} s, {found['mb']:.0f} MB", flush=True)
    return found


def _one(what: str, dsn: str, table: str, folder: str) -> None:
    """Do it once; print the seconds without imports and start, and the peak memory of the process."""
    act = ACTS[what](dsn, table, Path(folder))
    begun = time.perf_counter()
    act()
    seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def _snapshot(dsn: str, table: str, folder: Path) -> Act:
    from retrain.records import Snapshot
    from retrain.snapshots.store import SnapshotStore

    store, source, file = SnapshotStore(folder.as_uri()), _source(dsn, table), folder / f"{table}.json"
    last = Snapshot.from_json(json.loads(file.read_text())) if file.exists() else None
    split_version = SplitVersion(1, b"salt", Split(), None, 0)

    def act() -> None:
        with source.labelled() as rows:
            snapshot = store.write(table, rows, split_version=split_version, round_rows=500, last=last, inherits=last)
        assert last is None or (snapshot.id, snapshot.new_rows) == (last.id, 0)
        file.write_text(json.dumps(snapshot.to_json()))

    return act


def _copy(dsn: str, table: str, _: Path) -> Act:
    source = _source(dsn, table)

    def act() -> None:
        with source.labelled() as rows:
            assert sum(batch.num_rows for batch in rows)

    return act


def _psql(dsn: str, table: str, _: Path) -> Act:
    command = [str(postgres.programs() / "psql"), dsn, "-qc", f"\\copy ({_select(table)}) TO '/dev/null'"]
    return lambda: subprocess.run(command, check=True)


def _pandas(dsn: str, table: str, _: Path) -> Act:
    import pandas as pd

    warnings.simplefilter("ignore")  # pandas prefers a connection of SQLAlchemy

    def act() -> None:
        with closing(psycopg2.connect(dsn)) as session:
            assert len(pd.read_sql(_select(table), session))

    return act


ACTS: dict[str, Callable[[str, str, Path], Act]] = {
    "snapshot": _snapshot,
    "copy": _copy,
    "psql": _psql,
    "pandas": _pandas,
}


def _select(table: str) -> str:
    return f"SELECT id, label, labelled_at, text FROM {table}"  # noqa: S608 - a name of ours


def _source(dsn: str, table: str) -> Source:
    import adbc_driver_postgresql.dbapi  # noqa: F401 - so that its import is not measured

    fields = {"table": table, "key": "id", "label": "label", "label_time": "labelled_at", "features": ("text",)}
    return Source(lambda: psycopg2.connect(dsn), SourceSpec(**fields))


_WORDS = [
    *("영화", "정말", "재미있다", "배우", "연기가", "최고", "별로", "지루하다", "감동", "추천"),
    *("다시", "보고", "싶은", "스토리", "너무", "좋았어요", "그냥", "시간", "아깝다", "기대"),
]
_PART = 100_000


def _filled(dsn: str, rows: int) -> str:
    """Make a table of that many texts of about 200 bytes, no two alike; return its name."""
    name, words = f"rows_{rows}", np.array(_WORDS)
    rng = np.random.default_rng(1)
    with closing(psycopg2.connect(dsn)) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, text text, label text, labelled_at timestamptz)")
        for start in range(0, rows, _PART):
            texts = words[rng.integers(0, len(words), (min(_PART, rows - start), 24))]
            lines = (
                f"{number}\t{' '.join(text)} {number}\t{('good', 'bad')[number % 2]}\t2026-01-01 00:00:{number % 60}Z\n"
                for number, text in enumerate(texts, start)
            )
            cursor.copy_expert(f"COPY {name} FROM STDIN", io.StringIO("".join(lines)))
        cursor.execute(f"VACUUM (ANALYZE) {name}")
        cursor.execute("CHECKPOINT")  # otherwise this writing falls into the measurements
    return name


def _report(rows: int, rounds: int, seconds: dict[str, float], small: float, large: float) -> None:
    ratios = {
        "snapshot_of_psql": round(seconds["psql"] / seconds["snapshot"], 2),
        "copy_of_psql": round(seconds["psql"] / seconds["copy"], 2),
        "times_pandas": round(seconds["pandas"] / seconds["snapshot"], 1),
        "memory_growth": round(large / small, 2),
        "memory_mb": round(large),
    }
    met = {name: aim <= ratios[name] if name in AT_LEAST else ratios[name] <= aim for name, aim in AIMS.items()}
    print(
        json.dumps(
            {
                "name": "snapshot",
                "rows": rows,
                "rounds": rounds,
                "seconds": {name: round(each, 2) for name, each in seconds.items()},
                **ratios,
                "missed": [name for name, each in met.items() if not each],
                "aim": {name: f"{'>=' if name in AT_LEAST else '<='} {aim:g}" for name, aim in AIMS.items()},
                "met": all(met.values()),
            }
        )
    )


if __name__ == "__main__":
    main()
