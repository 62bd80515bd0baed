"""Split tests of Staging and Production on what units did."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple

import psycopg2.errors

from retrain.arms import Split, SplitEnd, SplitLook, SplitPlan, SplitStep
from retrain.errors import LedgerError, SplitTestError
from retrain.ledger.database import Database, to_json
from retrain.ledger.outbox import put_announcement
from retrain.ledger.rights import OWNER_ROLE
from retrain.records import Announcement


class Exposure(NamedTuple):
    """When a unit was first told an arm."""

    unit: str
    arm: str
    at: datetime


class Splits(Database):
    """Tables `splits`, `split_steps`, `split_looks`, `split_plans` and `exposures`."""

    def begin_split(self, split: Split, announcement: Announcement) -> None:
        """Begin a test, unless it has begun. It is announced in the same transaction.

        Raises SplitTestError where another one of the model has not ended.
        """
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO retrain.splits (id, model, body, began) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (split.id, split.model, to_json(split.to_json()), split.began),
            )
            if cursor.rowcount:
                first = SplitStep(phase=0, began=split.began, ends=split.ends)
                cursor.execute(
                    "INSERT INTO retrain.split_steps (split, place, body) VALUES (%s, 0, %s)",
                    (split.id, to_json(first.to_json())),
                )
                put_announcement(cursor, f"split/{split.id}/began", announcement)
                return
            cursor.execute("SELECT 1 FROM retrain.splits WHERE id = %s", (split.id,))
            if cursor.fetchone() is None:
                raise SplitTestError(f"{split.model}: a split test is under way; stop it, or wait for its end")

    def splits(self, model: str, size: int | None = None) -> list[tuple[Split, SplitEnd | None]]:
        """Return the newest tests of a model, the oldest first, each with how it has ended. size: None for all."""
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT body, ended FROM retrain.splits WHERE model = %s ORDER BY began DESC, id LIMIT %s",
                (model, size),
            )
            rows = cursor.fetchall()
        return [
            (Split.from_json(row["body"]), None if row["ended"] is None else SplitEnd.from_json(row["ended"]))
            for row in reversed(rows)
        ]

    def open_split(self, model: str) -> Split | None:
        """Return the test that has not ended; None where there is none."""
        found = self._value("SELECT body FROM retrain.splits WHERE model = %s AND ended IS NULL", (model,))
        return None if found is None else Split.from_json(found)

    def split_steps(self, split: str) -> list[SplitStep]:
        """Return the changes of a test, the oldest first; the last one says how it is now."""
        with self._transaction() as cursor:
            cursor.execute("SELECT body FROM retrain.split_steps WHERE split = %s ORDER BY place", (split,))
            return [SplitStep.from_json(row["body"]) for row in cursor.fetchall()]

    def save_split_step(self, split: str, place: int, step: SplitStep, announcement: Announcement | None) -> None:
        """Save a change, unless there is one at this place. It is announced in the same transaction."""
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO retrain.split_steps (split, place, body) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (split, place, to_json(step.to_json())),
            )
            if cursor.rowcount and announcement is not None:
                put_announcement(cursor, f"split/{split}/step/{place}", announcement)

    def save_split_look(self, look: SplitLook) -> SplitLook:
        """Save a look, and return what is saved in its place: a look never changes."""
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO retrain.split_looks (split, place, body) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (look.split, look.place, to_json(look.to_json())),
            )
            cursor.execute(
                "SELECT body FROM retrain.split_looks WHERE (split, place) = (%s, %s)", (look.split, look.place)
            )
            return SplitLook.from_json(cursor.fetchone()["body"])

    def split_looks(self, split: str) -> list[SplitLook]:
        """Return the looks at a test, the oldest first."""
        with self._transaction() as cursor:
            cursor.execute("SELECT body FROM retrain.split_looks WHERE split = %s ORDER BY place", (split,))
            return [SplitLook.from_json(row["body"]) for row in cursor.fetchall()]

    def end_split(self, split: Split, end: SplitEnd, announcement: Announcement) -> None:
        """End a test, unless it has ended. It is announced in the same transaction."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.splits SET ended = %s WHERE id = %s AND ended IS NULL",
                (to_json(end.to_json()), split.id),
            )
            if cursor.rowcount:
                put_announcement(cursor, f"split/{split.id}/ended", announcement)

    def save_split_plan(self, model: str, plan: SplitPlan) -> None:
        """Keep the newest plan of a test that has not begun, in place of the one before."""
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO retrain.split_plans (model, body) VALUES (%s, %s) "
                "ON CONFLICT (model) DO UPDATE SET body = excluded.body, at = excluded.at",
                (model, to_json(plan.to_json())),
            )

    def split_plan(self, model: str) -> tuple[SplitPlan, datetime] | None:
        """Return the newest plan, and when it was made."""
        with self._transaction() as cursor:
            cursor.execute("SELECT body, at FROM retrain.split_plans WHERE model = %s", (model,))
            row = cursor.fetchone()
        return None if row is None else (SplitPlan.from_json(row["body"]), row["at"])

    def save_exposure(self, split: str, unit: str, arm: str) -> None:
        """Record that a unit was told an arm; the first time counts."""
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO retrain.exposures (split, unit, arm) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (split, unit, arm),
            )

    def forget_units(self, model: str, units: Collection[str]) -> int:
        """Erase the exposures of some units from all tests of a model, and return how many there were.

        The runtime role may not: raises LedgerError, which says who may.
        """
        try:
            with self._transaction() as cursor:
                cursor.execute(
                    "DELETE FROM retrain.exposures WHERE unit = ANY(%s) "
                    "AND split IN (SELECT id FROM retrain.splits WHERE model = %s)",
                    ([*units], model),
                )
                return int(cursor.rowcount)
        except LedgerError as error:
            if isinstance(error.__cause__, psycopg2.errors.InsufficientPrivilege):
                raise LedgerError(
                    f"exposures of {model}: this role of the ledger's database erases nothing; run the command with "
                    f"--dsn of the owner, {OWNER_ROLE!r} where `retrain migrate` was told nothing else"
                ) from error
            raise

    def exposures(self, split: str, size: int = 50_000) -> Iterator[list[Exposure]]:
        """Yield all exposures of a test in the order of units, in lists of about this size; a unit is in one list."""
        last = ""
        while True:
            with self._transaction() as cursor:
                cursor.execute(
                    "SELECT unit, arm, at FROM retrain.exposures WHERE split = %s AND unit > %s "
                    "ORDER BY unit, arm LIMIT %s",
                    (split, last, size),
                )
                rows = [Exposure(row["unit"], row["arm"], row["at"]) for row in cursor.fetchall()]
            if not rows:
                return
            if len(rows) == size and rows[-1].unit != rows[-2].unit:
                rows.pop()  # its other arm may be in the next list
            yield rows
            last = rows[-1].unit
