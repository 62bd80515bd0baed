"""Trials: Staging against Production on labels that come later."""

from retrain.later import Trial, TrialEnd, TrialLook
from retrain.ledger.database import Database, to_json
from retrain.ledger.outbox import put_announcement
from retrain.records import Announcement


class Trials(Database):
    """Tables `trials` and `trial_looks`."""

    def begin_trial(self, trial: Trial, announcement: Announcement) -> None:
        """Begin a trial, unless it has begun. It is announced in the same transaction."""
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO retrain.trials (id, model, body, began) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (trial.id, trial.model, to_json(trial.to_json()), trial.began),
            )
            if cursor.rowcount:
                put_announcement(cursor, f"trial/{trial.id}/began", announcement)

    def trials(self, model: str, size: int | None = None) -> list[tuple[Trial, TrialEnd | None]]:
        """Return the newest trials of a model, the oldest first, each with how it has ended. size: None for all."""
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT body, ended FROM retrain.trials WHERE model = %s ORDER BY began DESC, id LIMIT %s",
                (model, size),
            )
            rows = cursor.fetchall()
        return [
            (Trial.from_json(row["body"]), None if row["ended"] is None else TrialEnd.from_json(row["ended"]))
            for row in reversed(rows)
        ]

    def open_trials(self, model: str) -> list[Trial]:
        """Return the trials that have not ended, the oldest first: that one is looked at, the others wait."""
        return [trial for trial, end in self.trials(model) if end is None]

    def save_trial_look(self, look: TrialLook) -> TrialLook:
        """Save a look, and return what is saved in its place: a look never changes."""
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO retrain.trial_looks (trial, place, body) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (look.trial, look.place, to_json(look.to_json())),
            )
            cursor.execute(
                "SELECT body FROM retrain.trial_looks WHERE (trial, place) = (%s, %s)", (look.trial, look.place)
            )
            return TrialLook.from_json(cursor.fetchone()["body"])

    def trial_looks(self, trial: str) -> list[TrialLook]:
        """Return the looks of a trial, the oldest first."""
        with self._transaction() as cursor:
            cursor.execute("SELECT body FROM retrain.trial_looks WHERE trial = %s ORDER BY place", (trial,))
            return [TrialLook.from_json(row["body"]) for row in cursor.fetchall()]

    def replace_trial_files(self, look: TrialLook) -> None:
        """Record where the predictions of a look are, after rows were erased from them."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.trial_looks SET body = %s WHERE (trial, place) = (%s, %s)",
                (to_json(look.to_json()), look.trial, look.place),
            )

    def end_trial(self, trial: Trial, end: TrialEnd, announcement: Announcement | None) -> None:
        """End a trial, unless it has ended. announcement: None where the change of Production is announced itself."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.trials SET ended = %s WHERE id = %s AND ended IS NULL",
                (to_json(end.to_json()), trial.id),
            )
            if cursor.rowcount and announcement is not None:
                put_announcement(cursor, f"trial/{trial.id}/ended", announcement)
