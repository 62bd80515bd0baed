"""Freezes: while one holds, no version goes forward into Production."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from retrain.ledger.database import Database
from retrain.ledger.outbox import put_announcement
from retrain.records import Announcement, Freeze


class Freezes(Database):
    """Table `freezes`: a row for each freeze of one model, or of every model."""

    def freeze(
        self,
        key: str,
        model: str | None,
        *,
        until: datetime,
        by: str,
        why: str,
        announcement: Callable[[str, Freeze, bool], Announcement],
    ) -> None:
        """Freeze Production until a time. This replaces an earlier freeze of the same model.

        key: a call that repeats a key changes nothing. model: None for every model. until: a time in the past ends the
        freeze. announcement: called for each model with its name, the freeze, and whether it begins (else it ends).
        """
        freeze = Freeze(model=model, why=why, by=by, until=until)
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO retrain.freezes (key, model, why, by, until) VALUES (%s, %s, %s, %s, %s) "
                "ON CONFLICT DO NOTHING RETURNING id, until > now() AS holds",
                (key, model, why, by, until),
            )
            row = cursor.fetchone()
            if row is None:
                return
            cursor.execute(
                "UPDATE retrain.freezes SET ended_at = now() WHERE model IS NOT DISTINCT FROM %s "
                "AND ended_at IS NULL AND until > now() AND id <> %s",
                (model, row["id"]),
            )
            if not row["holds"] and cursor.rowcount == 0:
                return  # no freeze was there to be ended
            cursor.execute("SELECT model FROM retrain.models WHERE %s::text IS NULL OR model = %s", (model, model))
            for each in cursor.fetchall():
                made = announcement(each["model"], freeze, row["holds"])
                put_announcement(cursor, f"freeze/{row['id']}/{each['model']}", made)

    def freeze_of(self, model: str) -> Freeze | None:
        """Return the freeze that holds for this model; if several hold, the one that lasts longest."""
        with self._transaction() as cursor:
            return freeze_of(cursor, model)


def freeze_of(cursor: Any, model: str, split: str | None = None) -> Freeze | None:
    """Return the freeze that holds; a split test that has not ended is one, but for its own promotion.

    split: id of the test whose promotion it is.
    """
    cursor.execute(
        "SELECT model, why, by, until, split FROM "
        "(SELECT model, why, by, until, NULL AS split, id FROM retrain.freezes "
        "WHERE (model IS NULL OR model = %(model)s) AND ended_at IS NULL AND until > now() "
        "UNION ALL SELECT s.model, 'split test ' || s.id || ' is under way', s.body->>'by', "
        "greatest((t.body->>'ends')::timestamptz, now() + interval '1 hour'), s.id, 0 FROM retrain.splits s "
        "CROSS JOIN LATERAL (SELECT body FROM retrain.split_steps WHERE split = s.id ORDER BY place DESC LIMIT 1) t "
        "WHERE s.model = %(model)s AND s.ended IS NULL AND s.id IS DISTINCT FROM %(split)s) held "
        "ORDER BY until DESC, id LIMIT 1",
        {"model": model, "split": split},
    )
    row = cursor.fetchone()
    return None if row is None else Freeze(**row)
