"""How Production does on later rows: the score of each cohort, and the looks of the alarms."""

from collections.abc import Collection
from datetime import datetime, timedelta

from retrain.later import CohortScore, Expected, LiveLook
from retrain.ledger.database import Database, to_json


class LiveScores(Database):
    """Tables `cohorts` and `live_looks`."""

    def save_cohort(self, score: CohortScore) -> None:
        """Save the score of a cohort; one of before, of the same version, is replaced."""
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO retrain.cohorts (model, begins, ends, identity, body) VALUES (%s, %s, %s, %s, %s) "
                "ON CONFLICT (model, begins, ends, identity) DO UPDATE SET body = excluded.body, at = now()",
                (score.model, score.begins, score.ends, _name(score), to_json(score.to_json())),
            )

    def cohorts(self, model: str, length: timedelta | None = None, since: datetime | None = None) -> list[CohortScore]:
        """Return the scores of cohorts of a length, or of any, that begin at a time or later, the oldest first."""
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT body FROM retrain.cohorts WHERE model = %s AND ends - begins = coalesce(%s, ends - begins) "
                "AND begins >= coalesce(%s, begins) ORDER BY begins, (body->>'version')::int",
                (model, length, since),
            )
            return [CohortScore.from_json(row["body"]) for row in cursor.fetchall()]

    def save_look(self, look: LiveLook) -> LiveLook:
        """Save a look, and return what is saved in its place: a look never changes."""
        key = (look.model, look.scan, look.identity, look.began, look.place)
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO retrain.live_looks (model, scan, identity, began, place, body) "
                "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (*key, to_json(look.to_json())),
            )
            cursor.execute(
                "SELECT body FROM retrain.live_looks "
                "WHERE (model, scan, identity, began, place) = (%s, %s, %s, %s, %s)",
                key,
            )
            return LiveLook.from_json(cursor.fetchone()["body"])

    def live_looks(self, model: str, scan: str | None = None) -> list[LiveLook]:
        """Return the looks at a model, of one kind of scan or of both, in the order in which scans began."""
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT body FROM retrain.live_looks WHERE model = %s AND scan = coalesce(%s, scan) "
                "ORDER BY began, scan, place",
                (model, scan),
            )
            return [LiveLook.from_json(row["body"]) for row in cursor.fetchall()]

    def last_looks(self, model: str) -> list[LiveLook]:
        """Return the last look of each scan of each version that promised."""
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT DISTINCT ON (scan, identity) body FROM retrain.live_looks WHERE model = %s "
                "ORDER BY scan, identity, began DESC, place DESC",
                (model,),
            )
            return [LiveLook.from_json(row["body"]) for row in cursor.fetchall()]

    def looked_at(self, models: Collection[str]) -> dict[str, datetime]:
        """Return when the later rows of these models were last looked at, of those whose ever were."""
        with self._transaction() as cursor:
            cursor.execute("SELECT model, looked_at FROM retrain.live_models WHERE model = ANY(%s)", ([*models],))
            return {row["model"]: row["looked_at"] for row in cursor.fetchall()}

    def expected(self, model: str) -> Expected | None:
        """Return what was estimated last of rows whose labels are still to come; None where nothing was."""
        found = self._value("SELECT expected FROM retrain.live_models WHERE model = %s", (model,))
        return None if found is None else Expected.from_json(found)

    def save_expected(self, model: str, expected: Expected | None) -> None:
        """Record an estimate, in place of the one before."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.live_models SET expected = %s WHERE model = %s",
                (None if expected is None else to_json(expected.to_json()), model),
            )

    def save_looked_at(self, model: str) -> None:
        """Record that the later rows of a model have been looked at now."""
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO retrain.live_models (model) VALUES (%s) "
                "ON CONFLICT (model) DO UPDATE SET looked_at = now()",
                (model,),
            )


def _name(score: CohortScore) -> str:
    return score.identity or f"version {score.version}"
