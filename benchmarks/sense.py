"""The count of new rows on a table of ten million rows against one of a million, and against a plain count.

Both tables are in one database and have the index that Retrain says they lack. Each has 100,000 new rows as well,
which came after its last VACUUM, as they do in practice. What is timed is `Source.count_labelled` as the sensor calls
it, up to a threshold of 1,000 rows, on a connection that stays open; connecting is timed separately. Each round has a
random order, the first rounds are not counted, and the medians are compared.

growth   seconds on the large table divided by seconds on the small one: at most 1.2, however many rows are new
unbound  seconds of `count(*)` of the new rows divided by those of the bounded count, both on the large table
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from retrain.source.table import Source
from retrain.spec.source import SourceSpec
from stack import local

AIM = 1.2
THRESHOLD = 1_000
NEW = (1_000, 100_000)
NOT_COUNTED = 20
START = datetime(2026, 1, 1, tzinfo=UTC)


class Kept(connection):
    """A connection that stays open: `Source` only closes its transaction."""

    def close(self) -> None:
        self.rollback()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", type=int, default=10_000_000, help="rows of the large table; the small one has a tenth"
    )
    parser.add_argument("--repeats", type=int, default=301)
    parser.add_argument("--short", action="store_true", help="1,000,000 rows, 101 repeats")
    arguments = parser.parse_args()
    large, repeats = (1_000_000, 101) if arguments.short else (arguments.rows, arguments.repeats)
    small = large // 10
    with (
        tempfile.TemporaryDirectory(prefix="retrain-") as folder,
        local.running(Path(folder) / "home", services=("postgres",)) as stack,
    ):
        bench = Bench(stack.dsn("source"), small, large, repeats)
        for rows in (small, large):
            begun = time.monotonic()
            bench.fill(rows)
            print(f"{rows:,} rows written and indexed in {time.monotonic() - begun:.0f} s")
        kept = psycopg2.connect(bench.dsn, connection_factory=Kept)
        milliseconds = {new: bench.measure(kept, new) for new in NEW}
    _report(small, large, repeats, milliseconds)


@dataclass(frozen=True)
class Bench:
    dsn: str
    small: int
    large: int
    repeats: int

    def fill(self, rows: int) -> None:
        """Make the table; its new rows come after the index and the VACUUM."""
        source = _source(lambda: psycopg2.connect(self.dsn), rows)
        insert = sql.SQL(_INSERT).format(table=sql.Identifier(_table(rows)))
        with closing(psycopg2.connect(self.dsn)) as session, session.cursor() as cursor:
            session.autocommit = True
            cursor.execute(sql.SQL(_CREATE).format(table=sql.Identifier(_table(rows))))
            cursor.execute(insert, {"first": 1, "last": rows, "start": START})
            plan = source.count_plan()
            assert not plan.indexed
            cursor.execute(plan.remedy.removeprefix("run "))
            cursor.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(_table(rows))))
            cursor.execute(insert, {"first": rows + 1, "last": rows + max(NEW), "start": START})
            cursor.execute("CHECKPOINT")  # otherwise this writing falls into the measurements
        assert source.count_plan().indexed

    def measure(self, kept: connection, new: int) -> dict[str, float]:
        """Return the median milliseconds of each count."""

        def count(rows: int, connect: Callable[[], connection]) -> int:
            return _source(connect, rows).count_labelled(_watermark(rows, new), at_most=THRESHOLD)

        def unbound() -> int:
            with kept.cursor() as cursor:
                cursor.execute(
                    sql.SQL(_UNBOUND).format(table=sql.Identifier(_table(self.large))), (_watermark(self.large, new),)
                )
                ((counted,),) = cursor.fetchall()
            kept.rollback()
            return int(counted)

        acts: dict[str, Callable[[], int]] = {
            "small": lambda: count(self.small, lambda: kept),
            "large": lambda: count(self.large, lambda: kept),
            "unbound": unbound,
        }
        assert [act() for act in acts.values()] == [min(new, THRESHOLD), min(new, THRESHOLD), new]
        medians = self._medians(acts)
        # Not among the others: the count after it would find the caches cold.
        return medians | self._medians({"connecting": lambda: count(self.large, lambda: psycopg2.connect(self.dsn))})

    def _medians(self, acts: dict[str, Callable[[], int]]) -> dict[str, float]:
        chance = random.Random(1)
        taken: dict[str, list[float]] = {name: [] for name in acts}
        for _ in range(self.repeats + NOT_COUNTED):
            for name in chance.sample(list(acts), len(acts)):
                begun = time.perf_counter()
                acts[name]()
                taken[name].append((time.perf_counter() - begun) * 1000)
        return {name: statistics.median(each[NOT_COUNTED:]) for name, each in taken.items()}


_CREATE = "CREATE TABLE {table} (id bigint PRIMARY KEY, value float4, label boolean, labelled_at timestamptz)"

# Labelled one second apart; each tenth one has a row without a label beside it.
_INSERT = """
INSERT INTO {table}
SELECT n, random(), n %% 2 = 0, %(start)s + n * interval '1 s' FROM generate_series(%(first)s, %(last)s) AS n
UNION ALL
SELECT -n, random(), NULL, NULL FROM generate_series(%(first)s, %(last)s) AS n WHERE n %% 10 = 0
"""

_UNBOUND = "SELECT count(*) FROM {table} WHERE label IS NOT NULL AND labelled_at > %s"


def _source(connect: Callable[[], connection], rows: int) -> Source:
    told = {"table": _table(rows), "key": "id", "label": "label", "label_time": "labelled_at", "features": ("value",)}
    return Source(connect, SourceSpec(**told))


def _table(rows: int) -> str:
    return f"rows_{rows}"


def _watermark(rows: int, new: int) -> datetime:
    return START + timedelta(seconds=rows + max(NEW) - new)


def _report(small: int, large: int, repeats: int, milliseconds: dict[int, dict[str, float]]) -> None:
    growth = {new: each["large"] / each["small"] for new, each in milliseconds.items()}
    unbound = {new: each["unbound"] / each["large"] for new, each in milliseconds.items()}
    for new, each in milliseconds.items():
        print(
            f"{new:,} new: {each['small']:.2f} ms on {small:,} rows, {each['large']:.2f} ms on {large:,} "
            f"({each['connecting']:.2f} ms with connecting); without bound {each['unbound']:.2f} ms"
        )
    print(
        json.dumps(
            {
                "name": "sense",
                "rows": [small, large],
                "repeats": repeats,
                "growth": {f"{new} new": round(ratio, 2) for new, ratio in growth.items()},
                "unbound": {f"{new} new": round(ratio, 2) for new, ratio in unbound.items()},
                "ms": {
                    f"{new} new": {name: round(value, 3) for name, value in each.items()}
                    for new, each in milliseconds.items()
                },
                "aim": f"growth <= {AIM}",
                "met": all(ratio <= AIM for ratio in growth.values()),
            }
        )
    )


if __name__ == "__main__":
    main()
