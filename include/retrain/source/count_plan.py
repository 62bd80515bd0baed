"""How PostgreSQL counts new rows, read from its plan, and which index it lacks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MANY_ROWS = 100_000
"""Below this even reading the whole table takes a few milliseconds."""


@dataclass(frozen=True)
class CountPlan:
    """The plan of one count."""

    scans: str
    """What it reads, and how: the plan's leaves."""
    rows: int
    """The planner's estimate of the rows in the table, or in the result of the query."""
    indexed: bool
    """Whether it reads new rows only, by an index."""
    remedy: str
    """What makes it so where it is not."""

    @property
    def slow(self) -> bool:
        """Whether it is worth telling whoever waits for the count."""
        return not self.indexed and self.rows > MANY_ROWS

    def __str__(self) -> str:
        told = f"new rows are counted by {self.scans}"
        return told if self.indexed else f"{told}, about {self.rows:,} rows; {self.remedy}"


def leaves(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The scans of a plan, as `EXPLAIN (FORMAT JSON)` gives it."""
    below = plan.get("Plans", [])
    if not below or plan["Node Type"] == "Bitmap Heap Scan":
        # A bitmap's index is told by the node below it.
        yield {**(below[0] if below else {}), **plan}
    else:
        for each in below:
            yield from leaves(each)


def is_bounded_by(leaf: dict[str, Any], column: str) -> bool:
    """Whether an index says where this scan begins. column: quoted as PostgreSQL would."""
    return f"{column} > " in leaf.get("Index Cond", "")


def reads_all(leaf: dict[str, Any]) -> bool:
    """Whether this scan begins at the beginning."""
    return leaf["Node Type"] in {"Seq Scan", "Foreign Scan"}


def described(plan: dict[str, Any]) -> str:
    """The scans in words, each once; of a table in many parts the first three."""
    words = list(dict.fromkeys(_words(leaf) for leaf in leaves(plan)))
    return ", ".join(words[:3]) + (f" and {len(words) - 3} more" if len(words) > 3 else "")


def _words(leaf: dict[str, Any]) -> str:
    using = f" using {leaf['Index Name']}" if "Index Name" in leaf else ""
    on = f" on {leaf['Relation Name']}" if "Relation Name" in leaf else ""
    return f"{leaf['Node Type']}{using}{on}"
