"""How PostgreSQL counts new rows, read from its query plan, and which index is missing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

MANY_ROWS = 100_000
"""With fewer rows, reading the whole table takes only a few milliseconds."""


@dataclass(frozen=True)
class CountPlan:
    """The query plan of one count."""

    scans: str
    """The leaves of the plan in words: what it reads, and how."""
    rows: int
    """The planner's estimate of the number of rows in the table, or in the result of the query."""
    indexed: bool
    """Whether an index is used, so that only new rows are read."""
    remedy: str
    """What to do where no index is used."""

    @property
    def slow(self) -> bool:
        """Whether the count is slow enough to warn about."""
        return not self.indexed and self.rows > MANY_ROWS

    def __str__(self) -> str:
        text = f"new rows are counted by {self.scans}"
        return text if self.indexed else f"{text}, about {self.rows:,} rows; {self.remedy}"


def explained(cursor: Any, statement: sql.Composable) -> dict[str, Any]:
    """Return the plan of a statement, which is not run, in the form of `EXPLAIN (FORMAT JSON)`."""
    cursor.execute(sql.SQL("EXPLAIN (FORMAT JSON) {}").format(statement))
    ((plans,),) = cursor.fetchall()
    plan: dict[str, Any] = plans[0]["Plan"]
    return plan


def leaves(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the scans of a plan."""
    children = plan.get("Plans", [])
    if not children or plan["Node Type"] == "Bitmap Heap Scan":
        # The index of a bitmap scan is named in the node below it.
        yield {**(children[0] if children else {}), **plan}
    else:
        for child in children:
            yield from leaves(child)


def is_bounded_by(leaf: dict[str, Any], column: str) -> bool:
    """Return whether an index says where this scan begins. column: quoted as PostgreSQL quotes it."""
    return f"{column} > " in leaf.get("Index Cond", "")


def reads_all(leaf: dict[str, Any]) -> bool:
    """Return whether this scan reads the table from its beginning."""
    return leaf["Node Type"] in {"Seq Scan", "Foreign Scan"}


def described(plan: dict[str, Any]) -> str:
    """Describe each distinct scan in words; where a table has many partitions, only the first three."""
    words = list(dict.fromkeys(_words(leaf) for leaf in leaves(plan)))
    return ", ".join(words[:3]) + (f" and {len(words) - 3} more" if len(words) > 3 else "")


def _words(leaf: dict[str, Any]) -> str:
    using = f" using {leaf['Index Name']}" if "Index Name" in leaf else ""
    on = f" on {leaf['Relation Name']}" if "Relation Name" in leaf else ""
    return f"{leaf['Node Type']}{using}{on}"
