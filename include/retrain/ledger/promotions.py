"""Promotions: every change of Production is one row (DESIGN rule 1)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from retrain.errors import FrozenError, NotInLedgerError, StaleVerdictError
from retrain.ledger.database import Database, lock_model
from retrain.ledger.freezes import freeze_of
from retrain.ledger.outbox import put_announcement
from retrain.records import Announcement, Move, Promotion, Verdict, VersionId


class Promotions(Database):
    """Table `promotions`: a row for each change of Production, rollbacks and changes by hand included."""

    def open_promotion(self, verdict: Verdict, by: str, why: str) -> Promotion:
        """Return the row of this verdict's promotion; writes it unless it is there.

        Raises StaleVerdictError if Production is no longer the version that the verdict was made against, or if another
        promotion is under way. Raises FrozenError if Production is frozen.
        """
        matchup = verdict.matchup
        with self.lock_production(matchup.model) as production:
            row = production.of_verdict(matchup.id)
            if row is not None:
                return row
            if production.pending() is not None:
                raise StaleVerdictError(
                    f"{matchup.model}: another promotion is under way; run again when it is applied"
                )
            last, against = production.last(), _id(matchup.production, matchup.production_identity)
            head = None if last is None else last.came
            if head != against:
                raise StaleVerdictError(
                    f"{matchup.model}: Production is {_version(head)}, but the verdict was made against "
                    f"{_version(against)}; the next cycle judges against what is there"
                )
            target = _id(matchup.version, matchup.identity)
            return production.append(against, target, verdict=matchup.id, by=by, why=why)

    def promotion_of(self, verdict: Verdict) -> Promotion:
        """Return the row of this verdict's promotion. Raises NotInLedgerError if the verdict has promoted nothing."""
        with self._transaction() as cursor:
            promotion = LockedProduction(cursor, verdict.matchup.model).of_verdict(verdict.matchup.id)
        if promotion is None:
            raise NotInLedgerError(f"{verdict.matchup.model}: verdict {verdict.matchup.id} has promoted nothing")
        return promotion

    def history(self, model: str) -> list[Promotion]:
        """Return every change of Production, the oldest first; those under way and those superseded are included."""
        with self._transaction() as cursor:
            cursor.execute("SELECT * FROM retrain.promotions WHERE model = %s ORDER BY seq", (model,))
            return [Promotion(**row) for row in cursor.fetchall()]

    def production(self, model: str) -> VersionId | None:
        """Return the version in Production, as the ledger knows it: after `apply`, as it is."""
        with self._transaction() as cursor:
            last = LockedProduction(cursor, model).last()
        return None if last is None else last.came

    def production_at(self, model: str, time: datetime) -> str | None:
        """Return the version that was in Production at that time; None if none was."""
        found: str | None = self._value(
            "SELECT to_version FROM retrain.promotions WHERE model = %s AND applied_at <= %s ORDER BY seq DESC LIMIT 1",
            (model, time),
        )
        return found

    def rolled_back(self, model: str, recipe: str, snapshot: str) -> str | None:
        """Return the version of this recipe on this snapshot that was rolled back; None if none was."""
        found: str | None = self._value(
            "SELECT c.version FROM retrain.promotions p JOIN retrain.model_files c ON c.model = p.model "
            "AND (c.identity = p.from_identity OR (p.from_identity IS NULL AND c.version = p.from_version)) "
            "WHERE p.model = %s AND p.kind = 'rollback' AND p.superseded_at IS NULL "
            "AND c.recipe = %s AND c.snapshot = %s ORDER BY p.seq DESC LIMIT 1",
            (model, recipe, snapshot),
        )
        return found

    @contextmanager
    def lock_production(self, model: str) -> "Iterator[LockedProduction]":
        """Give the model's Production, locked until the block ends. Commits all that the block did, or nothing.

        A process that does nothing for longer than `patience` loses the lock, and raises LedgerError when it goes on.
        """
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT set_config('idle_in_transaction_session_timeout', %s, true)", (f"{self._patience}s",)
            )
            lock_model(cursor, model)
            yield LockedProduction(cursor, model)


class LockedProduction:
    """One model's promotions, inside of the transaction that holds the model's lock."""

    def __init__(self, cursor: Any, model: str) -> None:
        self._cursor = cursor
        self._model = model

    def confirm(self) -> None:
        """Raises psycopg2.Error if the lock was lost: the next step is then left to other processes."""
        self._cursor.execute("SELECT 1")

    def head(self) -> str | None:
        """Return the version in Production, as the ledger knows it."""
        row = self.last()
        return None if row is None else row.to_version

    def pending(self) -> Promotion | None:
        """Return the promotion that is decided and not yet applied."""
        return self._one("applied_at IS NULL AND superseded_at IS NULL")

    def of_verdict(self, verdict_id: str) -> Promotion | None:
        return self._one("verdict = %s", verdict_id)

    def last(self) -> Promotion | None:
        """Return the promotion that was applied last."""
        return self._one("applied_at IS NOT NULL ORDER BY seq DESC LIMIT 1")

    def append(
        self,
        went: VersionId | None,
        came: VersionId | None,
        *,
        kind: Move = Move.FORWARD,
        verdict: str | None,
        by: str,
        why: str,
        split: str | None = None,
    ) -> Promotion:
        """Write a promotion from one version to another, not applied yet. split: the split test that has ended so.

        Raises FrozenError if it goes forward while Production is frozen.
        """
        freeze = freeze_of(self._cursor, self._model, split) if kind is Move.FORWARD else None
        if freeze is not None:
            raise FrozenError(f"{self._model}: {freeze}; end the freeze, or wait")
        self._cursor.execute(
            "INSERT INTO retrain.promotions (model, seq, kind, from_version, from_identity, to_version, to_identity, "
            "verdict, by, why) SELECT %s, coalesce(max(seq), 0) + 1, %s, %s, %s, %s, %s, %s, %s, %s "
            "FROM retrain.promotions WHERE model = %s RETURNING *",
            (self._model, kind, *(went or (None, None)), *(came or (None, None)), verdict, by, why, self._model),
        )
        return Promotion(**self._cursor.fetchone())

    def close(
        self, promotion: Promotion, *, applied: bool, announcement: Callable[[Promotion], Announcement]
    ) -> Promotion:
        """Mark a promotion as applied or as superseded, and announce it in the same transaction."""
        column = "applied_at" if applied else "superseded_at"
        self._cursor.execute(
            f"UPDATE retrain.promotions SET {column} = now() WHERE model = %s AND seq = %s RETURNING *",  # noqa: S608
            (promotion.model, promotion.seq),
        )
        closed = Promotion(**self._cursor.fetchone())
        put_announcement(self._cursor, f"promotion/{closed.model}/{closed.seq}", announcement(closed))
        return closed

    def _one(self, condition: str, *values: str) -> Promotion | None:
        self._cursor.execute(
            f"SELECT * FROM retrain.promotions WHERE model = %s AND {condition}",  # noqa: S608 - conditions are ours
            (self._model, *values),
        )
        row = self._cursor.fetchone()
        return None if row is None else Promotion(**row)


def were_in_production(history: Sequence[Promotion], but: str | None) -> list[VersionId]:
    """Return the versions that have been in Production, the greatest number first; without `but`.

    Of several with one number, only the last counts: the others are gone.
    """
    were = {each.to_version: each.came for each in history if each.applied_at}
    return sorted((each for each in were.values() if each and each.number != but), key=_number, reverse=True)


def before(history: Sequence[Promotion], version: VersionId) -> list[VersionId]:
    """Return the versions that a rollback of this one may put back, the nearest first.

    Each was replaced by the one that is listed before it. A version that was rolled back is not among them.
    """
    forward = [each for each in history if each.applied_at and each.kind is not Move.ROLLBACK]
    found, current = list[VersionId](), version
    for row in reversed(forward):
        if row.came is None or not _same(row.came, current):
            continue
        if row.went is None:
            break
        if not any(_same(row.went, each) for each in (version, *found)):
            found.append(row.went)
        current = row.went
    return found


def _same(one: VersionId, other: VersionId) -> bool:
    """Return whether the two are one version, which may have another number after a registered model was made anew."""
    if one.identity and other.identity:
        return one.identity == other.identity
    return one == other


def _number(version: VersionId) -> int:
    return int(version.number)


def _id(number: str | None, identity: str | None) -> VersionId | None:
    return None if number is None else VersionId(number, identity)


def _version(version: VersionId | None) -> str:
    if version is None:
        return "empty"
    return f"version {version.number}" + (f" ({version.identity})" if version.identity else "")
