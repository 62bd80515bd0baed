"""The outbox: announcements to the team, and which channel has taken each."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Literal

from retrain.ledger.database import Database, to_json
from retrain.records import Announcement


class Outbox(Database):
    """Tables `outbox` and `deliveries`: a row for each announcement, and one for each announcement and channel."""

    def announce(self, key: str, announcement: Announcement) -> None:
        """Put an announcement into the outbox, once for each key."""
        with self._transaction() as cursor:
            put_announcement(cursor, key, announcement)

    @contextmanager
    def next_delivery(self, model: str, channel: str, *, old: timedelta) -> Iterator["Delivery | None"]:
        """Give the oldest announcement that a channel is not done with.

        Gives None if it is not due yet, or if another process serves that channel. old: age from which `Delivery.old`
        is set. What the block records on the delivery is committed when the block ends without an error.
        """
        with self._transaction() as cursor:
            # The lock ends with the transaction: if a sender is killed, others can send again.
            cursor.execute(
                "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0)) AS mine",
                (f"{self.schema}/{model}/{channel}",),
            )
            if not cursor.fetchone()["mine"]:
                yield None
                return
            cursor.execute(
                "SELECT o.key, o.body, o.at < now() - %s AS old, coalesce(d.attempts, 0) AS attempts, "
                "coalesce(d.next_at > now(), false) AS early FROM retrain.outbox o "
                "LEFT JOIN retrain.deliveries d ON d.key = o.key AND d.channel = %s "
                "WHERE o.model = %s AND o.delivered_at IS NULL AND d.outcome IS NULL ORDER BY o.seq LIMIT 1",
                (old, channel, model),
            )
            row = cursor.fetchone()
            yield None if row is None or row["early"] else Delivery(cursor, channel, row)

    def close_messages(self, model: str, channels: Sequence[str]) -> int:
        """Take out the announcements that all of these channels are done with. Returns how many."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.outbox o SET delivered_at = now() WHERE model = %s AND delivered_at IS NULL "
                "AND (SELECT count(*) FROM retrain.deliveries d WHERE d.key = o.key AND d.channel = ANY (%s) "
                "AND d.outcome IS NOT NULL) = %s",
                (model, list(channels), len(channels)),
            )
            return int(cursor.rowcount)

    def models_waiting(self) -> set[str]:
        """Return the models that have an announcement which some channel is not done with."""
        with self._transaction() as cursor:
            cursor.execute("SELECT DISTINCT model FROM retrain.outbox WHERE delivered_at IS NULL")
            return {row["model"] for row in cursor.fetchall()}

    def messages_due(self, *, unsent: timedelta) -> dict[str, str]:
        """Return, for each model that has a message to send now, what is waiting there: as long as it is the same,
        nobody has tried to send anything.

        A message is due again when a channel's pause is over. One that no channel was tried with is due at this age,
        because whoever made it sends it; so is one that a sender left half done.
        """
        with self._transaction() as cursor:
            cursor.execute(
                "WITH waiting AS (SELECT o.model, o.seq, o.at < now() - %(unsent)s AS old, count(d.channel) AS tried, "
                "coalesce(sum(d.attempts), 0) AS attempts, min(d.next_at) FILTER (WHERE d.outcome IS NULL) AS next_at "
                "FROM retrain.outbox o LEFT JOIN retrain.deliveries d ON d.key = o.key "
                "WHERE o.delivered_at IS NULL GROUP BY o.seq) "
                "SELECT model, concat_ws('/', max(seq), count(*), sum(attempts)) AS what FROM waiting GROUP BY model "
                # The second: what is behind a message that waits was tried with the other channels at least.
                "HAVING min(next_at) <= now() OR bool_or(old AND tried = 0) "
                "OR (min(next_at) IS NULL AND bool_and(old))",
                {"unsent": unsent},
            )
            return {row["model"]: row["what"] for row in cursor.fetchall()}

    def outbox_age(self, model: str) -> timedelta:
        """Return how long the oldest announcement that waits for a channel has waited; 0 if none waits."""
        waits: timedelta | None = self._value(
            "SELECT now() - min(at) FROM retrain.outbox WHERE model = %s AND delivered_at IS NULL", (model,)
        )
        return waits or timedelta(0)


class Delivery:
    """One announcement to one channel, inside of the transaction that keeps other senders away."""

    def __init__(self, cursor: Any, channel: str, row: dict[str, Any]) -> None:
        self._cursor, self._channel = cursor, channel
        self.key: str = row["key"]
        self.announcement = Announcement.from_json(row["body"])
        self.attempts: int = row["attempts"] + 1
        """This attempt included."""
        self.old: bool = row["old"]

    def end(self, outcome: Literal["delivered", "unwanted", "dead"], response: str | None = None) -> None:
        """Record that the channel is done with it."""
        self._note(outcome, None, response)

    def try_again(self, pause: timedelta, response: str) -> None:
        """Record that the channel refused with this response. The announcement is due again after the pause."""
        self._note(None, pause, response)

    def announce(self, key: str, announcement: Announcement) -> None:
        """Put another announcement into the outbox, once for each key."""
        put_announcement(self._cursor, key, announcement)

    def _note(self, outcome: str | None, pause: timedelta | None, response: str | None) -> None:
        # Not now(): that is when the transaction began, and the channel may have been slow since then.
        self._cursor.execute(
            "INSERT INTO retrain.deliveries (key, channel, attempts, outcome, ended_at, next_at, response) "
            "VALUES (%(key)s, %(channel)s, %(attempts)s, %(outcome)s, "
            "CASE WHEN %(outcome)s::text IS NOT NULL THEN clock_timestamp() END, "
            "clock_timestamp() + %(pause)s, %(response)s) "
            "ON CONFLICT (key, channel) DO UPDATE SET attempts = excluded.attempts, outcome = excluded.outcome, "
            "ended_at = excluded.ended_at, next_at = excluded.next_at, response = excluded.response",
            {
                "key": self.key,
                "channel": self._channel,
                "attempts": self.attempts,
                "outcome": outcome,
                "pause": pause,
                "response": response,
            },
        )


def put_announcement(cursor: Any, key: str, announcement: Announcement) -> None:
    cursor.execute(
        "INSERT INTO retrain.outbox (key, model, body) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (key, announcement.model, to_json(announcement.to_json())),
    )
