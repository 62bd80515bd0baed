"""The verdicts, with the test of a holdout round that each has spent."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from retrain.errors import StaleVerdictError
from retrain.ledger.database import Database, lock_model, to_json
from retrain.ledger.outbox import put_announcement
from retrain.records import Announcement, Snapshot, Verdict


class Verdicts(Database):
    """Verdicts and the tests of holdout rounds."""

    def tests_spent(self, model: str, holdout_round: int) -> int:
        """How often this round's holdout has judged."""
        found = self._value(
            "SELECT tests_spent FROM retrain.holdout_rounds WHERE (model, holdout_round) = (%s, %s)",
            (model, holdout_round),
        )
        return 0 if found is None else int(found)

    def verdict(self, verdict_id: str) -> Verdict | None:
        found = self._value("SELECT body FROM retrain.verdicts WHERE id = %s", (verdict_id,))
        return None if found is None else Verdict.from_json(found)

    def last_verdict(self, model: str) -> tuple[Verdict, datetime] | None:
        """The newest one and when it was made, dry runs included; None before the first."""
        return self._verdict("model = %s", (model,))

    def verdict_of_version(self, model: str, version: str) -> tuple[Verdict, datetime] | None:
        """The newest one that judged this version, and when it was made; None where none did."""
        return self._verdict("model = %s AND body->'matchup'->>'version' = %s", (model, version))

    def verdict_of_runs(self, model: str, run_ids: Sequence[str]) -> tuple[Verdict, datetime] | None:
        """The newest one on a model that one of these MLflow runs has trained; None where there is none."""
        return self._verdict("model = %s AND body->'matchup'->>'run_id' = ANY(%s)", (model, list(run_ids)))

    def verdicts(self, model: str, size: int, before: int | None = None) -> list[tuple[int, Verdict, datetime]]:
        """The number, the verdict and its time, dry runs included: the newest first, at most `size`.

        before: only such as have a smaller number.
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
                f"SELECT body, at FROM retrain.verdicts WHERE {condition} ORDER BY seq DESC LIMIT 1",  # noqa: S608 - conditions are ours
                values,
            )
            row = cursor.fetchone()
        return None if row is None else (Verdict.from_json(row["body"]), row["at"])

    def save_verdict(self, verdict: Verdict, announcement: Announcement, *, of: Snapshot | None = None) -> Verdict:
        """Write a verdict once, and with it consume its snapshot, spend its test and tell the team.

        of: the snapshot as it was taken. Gives back what is in the ledger: the earlier verdict, where a ghost of this
        step was faster. Raises StaleVerdictError where another consumed a snapshot since `of` was taken, or used the
        holdout since the verdict was made.
        """
        matchup = verdict.matchup
        with self._transaction() as cursor:
            lock_model(cursor, matchup.model)
            cursor.execute("SELECT body FROM retrain.verdicts WHERE id = %s", (matchup.id,))
            row = cursor.fetchone()
            if row is not None:
                return Verdict.from_json(row["body"])
            if of is not None and not matchup.dry_run:
                self._refuse_used(cursor, of)
            cursor.execute(
                "INSERT INTO retrain.verdicts (id, model, snapshot, outcome, dry_run, body) "
                "VALUES (%s, %s, %s, %s, %s, %s)",
                (
                    matchup.id,
                    matchup.model,
                    matchup.snapshot,
                    verdict.outcome,
                    matchup.dry_run,
                    to_json(verdict.to_json()),
                ),
            )
            if not matchup.dry_run:
                self._spend_test(cursor, verdict)
            put_announcement(cursor, f"verdict/{matchup.id}", announcement)
        return verdict

    @staticmethod
    def _refuse_used(cursor: Any, snapshot: Snapshot) -> None:
        """What is new in it is new beside what was consumed when it was taken: so each row starts one cycle."""
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
            "INSERT INTO retrain.holdout_rounds (model, holdout_round, snapshot) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
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
                f"{matchup.model}: another verdict used test {matchup.test} of holdout round {matchup.holdout_round}; run again"
            )
