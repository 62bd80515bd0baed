"""What keeps Production as it is for a while."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from retrain.ledger.database import Database
from retrain.ledger.outbox import put_announcement
from retrain.records import Announcement, Freeze


class Freezes(Database):
    """Freezes of Production."""

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
        """Let nothing go forward into Production until then, in place of what was said of the same model before.

        key: with the same one it happens once. model: None for every model. until: a time that is past ends the freeze.

        announcement: makes one of each model, the freeze, and whether it begins (else it ends).
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
                return  # there was none to end
            cursor.execute("SELECT model FROM retrain.models WHERE %s::text IS NULL OR model = %s", (model, model))
            for each in cursor.fetchall():
                made = announcement(each["model"], freeze, row["holds"])
                put_announcement(cursor, f"freeze/{row['id']}/{each['model']}", made)

    def freeze_of(self, model: str) -> Freeze | None:
        """What keeps this model's Production as it is; of several, what does so for longest."""
        with self._transaction() as cursor:
            return freeze_of(cursor, model)


def freeze_of(cursor: Any, model: str) -> Freeze | None:
    cursor.execute(
        "SELECT model, why, by, until FROM retrain.freezes WHERE (model IS NULL OR model = %s) "
        "AND ended_at IS NULL AND until > now() ORDER BY until DESC, id LIMIT 1",
        (model,),
    )
    row = cursor.fetchone()
    return None if row is None else Freeze(**row)
