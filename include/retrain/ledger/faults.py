"""Faults: what is wrong with a model, from when it was first seen until it is over."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from retrain.ledger.database import Database, to_json
from retrain.ledger.outbox import put_announcement
from retrain.records import Announcement, Fault, Incident


class AnnounceFault(Protocol):
    """Makes the announcement of a fault. times: how often it was seen. since: when it was first seen."""

    def __call__(self, incident: Incident, *, times: int, since: datetime) -> Announcement: ...


class Faults(Database):
    """Table `faults`: a row for each fault of a model, open until the fault is over."""

    def fail(self, fault: Fault, *, key: str, announcement: AnnounceFault) -> None:
        """Record that a fault was seen, once for each key.

        It is announced when it has lasted for `fault.after`, and again when it has been seen twice as often as when it
        was last announced.
        """
        incident = fault.incident
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO retrain.faults (model, name, body, last_key) VALUES (%s, %s, %s, %s) "
                "ON CONFLICT (model, name) WHERE ended_at IS NULL DO UPDATE SET body = excluded.body, "
                "times = faults.times + (faults.last_key <> excluded.last_key)::int, last_key = excluded.last_key "
                "RETURNING id, times, announced_times, since, since <= now() - %s AS due",
                (incident.model, fault.name, to_json(incident.to_json()), key, fault.after),
            )
            row = cursor.fetchone()
            if not row["due"] or row["times"] < max(1, 2 * row["announced_times"]):
                return
            cursor.execute("UPDATE retrain.faults SET announced_times = times WHERE id = %s", (row["id"],))
            made = announcement(incident, times=row["times"], since=row["since"])
            put_announcement(cursor, f"fault/{row['id']}/{row['times']}", made)

    def end_faults(self, model: str, prefix: str, *, but: Collection[str] = (), announcement: AnnounceFault) -> int:
        """End the faults of the model whose names begin with `prefix`, except those in `but`. Returns how many of them
        had been announced.

        announcement: called for each of those.
        """
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.faults SET ended_at = now() WHERE model = %s AND starts_with(name, %s) "
                "AND name <> ALL (%s) AND ended_at IS NULL RETURNING id, body, times, announced_times, since",
                (model, prefix, list(but)),
            )
            told = [row for row in cursor.fetchall() if row["announced_times"]]
            for row in told:
                made = announcement(Incident(**row["body"]), times=row["times"], since=row["since"])
                put_announcement(cursor, f"fault/{row['id']}/over", made)
        return len(told)
