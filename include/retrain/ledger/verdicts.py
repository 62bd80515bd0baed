"""Verdicts, and the tests of holdout rounds that they have spent."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from retrain.errors import StaleVerdictError
from retrain.ledger.database import Database, lock_model, to_json
from retrain.ledger.outbox import put_announcement
from retrain.records import Announcement, Snapshot, Verdict


class Verdicts(Database):
    """Tables `verdicts` and `holdout_rounds`."""

    def tests_spent(self, model: str, holdout_round: int) -> int:
        """Return how many tests of this holdout round are spent."""
        found = self._value(
            "SELECT tests_spent FROM retrain.holdout_rounds WHERE (model, holdout_round) = (%s, %s)",
            (model, holdout_round),
        )
        return 0 if found is None else int(found)

    def verdict(self, verdict_id: str) -> Verdict | None:
        """Return a verdict by its id; None if it is not in the ledger."""
        found = self._value("SELECT body FROM retrain.verdicts WHERE id = %s", (verdict_id,))
        return None if found is None else Verdict.from_json(found)

    def last_verdict(self, model: str) -> tuple[Verdict, datetime] | None:
        """Return the newest verdict and when it was made, dry runs included; None before the first."""
        return self._verdict("model = %s", (model,))

    def verdict_of_version(self, model: str, identity: str) -> tuple[Verdict, datetime] | None:
        """Return the newest verdict that judged this version, and when it was made; None if none did.

        identity: of the version, as MLflow may give its number to another one, and it another number.
        """
        return self._verdict("model = %s AND body->'matchup'->>'identity' = %s", (model, identity))

    def verdict_of_runs(self, model: str, run_ids: Sequence[str]) -> tuple[Verdict, datetime] | None:
        """Return the newest verdict on a model that one of these MLflow runs trained, and its time; None if none."""
        return self._verdict("model = %s AND body->'matchup'->>'run_id' = ANY(%s)", (model, list(run_ids)))

    def verdicts(self, model: str, size: int, before: int | None = None) -> list[tuple[int, Verdict, datetime]]:
        """Return at most `size` verdicts with their numbers and times, the newest first, dry runs included.

        before: if given, only verdicts with a smaller number count.
        """
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT seq, body, at FROM retrain.verdicts WHERE model = %s AND seq < coalesce(%s, seq + 1) "
                "ORDER BY seq DESC LIMIT %s",
                (model, before, size),
            )
            return [(row["seq"], Verdict.from_json(row["body"]), row["at"]) for row in cursor.fetchall()]

    def _verdict(self, condition: str, values: tuple[str | list[str], ...]) -> tuple[Verdict, datetime] | None:
        with self._transaction() as cursor:
            cursor.execute(
                f"SELECT body, at FROM retrain.verdicts WHERE {condition} ORDER BY seq DESC LIMIT 1",  # noqa: S608 - our conditions
                values,
            )
            row = cursor.fetchone()
        return None if row is None else (Verdict.from_json(row["body"]), row["at"])

    def save_verdict(self, verdict: Verdict, announcement: Announcement, *, of: Snapshot | None = None) -> Verdict:
        """Write one verdict, as `save_verdicts` does."""
        return self.save_verdicts([verdict], announcement, of=of)

    def save_verdicts(
        self, verdicts: Sequence[Verdict], announcement: Announcement, *, of: Snapshot | None = None
    ) -> Verdict:
        """Write the verdicts of one step once. In the same transaction consume their snapshot, spend their tests and
        announce the last one.

        verdicts: one or more about one snapshot, in the order of their tests. of: the snapshot as it was taken. Returns
        the last one in the ledger, which is an earlier one if a ghost of this step was faster. Raises StaleVerdictError
        if another verdict consumed a snapshot since `of` was taken, or spent a test since these verdicts were made.
        """
        last = verdicts[-1].matchup
        with self._transaction() as cursor:
            lock_model(cursor, last.model)
            cursor.execute(
                "SELECT body FROM retrain.verdicts WHERE id = ANY(%s) ORDER BY seq DESC LIMIT 1",
                ([each.matchup.id for each in verdicts],),
            )
            row = cursor.fetchone()
            if row is not None:
                return Verdict.from_json(row["body"])
            if of is not None and not last.dry_run:
                self._refuse_used(cursor, of)
            for each in verdicts:
                self._write(cursor, each)
            put_announcement(cursor, f"verdict/{last.id}", announcement)
        return verdicts[-1]

    def _write(self, cursor: Any, verdict: Verdict) -> None:
        matchup = verdict.matchup
        cursor.execute(
            "INSERT INTO retrain.verdicts (id, model, snapshot, outcome, dry_run, body) "
            "VALUES (%s, %s, %s, %s, %s, %s)",
            (
                *(matchup.id, matchup.model, matchup.snapshot, verdict.outcome, matchup.dry_run),
                to_json(verdict.to_json()),
            ),
        )
        if not matchup.dry_run:
            self._spend_test(cursor, verdict)

    @staticmethod
    def _refuse_used(cursor: Any, snapshot: Snapshot) -> None:
        """Raises StaleVerdictError if the last consumed snapshot is not the one that the new rows were counted against.

        So no row starts two cycles.
        """
        cursor.execute(
            "SELECT snapshot FROM retrain.verdicts WHERE model = %s AND NOT dry_run ORDER BY seq DESC LIMIT 1",
            (snapshot.model,),
        )
        row = cursor.fetchone()
        if row is not None and row["snapshot"] != snapshot.after:
            raise StaleVerdictError(
                f"{snapshot.model}: another cycle used rows since snapshot {snapshot.id} was taken; run again"
            )

    @staticmethod
    def _spend_test(cursor: Any, verdict: Verdict) -> None:
        matchup = verdict.matchup
        cursor.execute(
            "INSERT INTO retrain.holdout_rounds (model, holdout_round, snapshot) VALUES (%s, %s, %s) "
            "ON CONFLICT DO NOTHING",
            (matchup.model, matchup.holdout_round, matchup.snapshot),
        )
        if verdict.score is None:
            return
        cursor.execute(
            "UPDATE retrain.holdout_rounds SET tests_spent = tests_spent + 1 WHERE (model, holdout_round) = (%s, %s) "
            "RETURNING tests_spent",
            (matchup.model, matchup.holdout_round),
        )
        if cursor.fetchone()["tests_spent"] != matchup.test:
            raise StaleVerdictError(
                f"{matchup.model}: another verdict used test {matchup.test} of holdout round "
                f"{matchup.holdout_round}; run again"
            )
