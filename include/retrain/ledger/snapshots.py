"""Snapshots of each model, and its split versions: the ways in which its rows were split."""

import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any

from retrain.errors import LedgerError, NotInLedgerError
from retrain.ledger.database import Database, add_model, to_json
from retrain.ledger.outbox import put_announcement
from retrain.records import Announcement, Snapshot
from retrain.snapshots.split import SplitVersion
from retrain.spec.source import Split

_COLUMNS = "number, salt, split, after_round, columns"


class Snapshots(Database):
    """Tables `models`, `split_versions` and `snapshots`."""

    def begin_model(
        self,
        model: str,
        split: Split,
        group: str | None = None,
        *,
        columns: Sequence[str] = (),
        lost: Collection[str] = (),
        announcement: Callable[[str, SplitVersion, SplitVersion], Announcement],
    ) -> SplitVersion:
        """Return the model's current split version. Begins the next one if the spec's split or group column changed, or
        if a column of it is lost.

        columns: the spec's features, whose values are a row's content in a new version. lost: columns that cannot be
        read any more. announcement: called with the model, the split version before and the new one. What it returns is
        put into the outbox in the transaction that begins the new one.
        """
        with self._transaction() as cursor:
            add_model(cursor, model)
            content = tuple(sorted(columns))
            first = SplitVersion(1, secrets.token_bytes(16), split, group, after_round=0, columns=content)
            _add_split_version(cursor, model, first)
            before = _lock_split_versions(cursor, model) or first
            if (before.split, before.group) == (split, group) and not {*lost} & {*before.columns}:
                return before
            cursor.execute(
                "SELECT max((body->>'holdout_round')::int) AS holdout_round FROM retrain.snapshots WHERE model = %s",
                (model,),
            )
            last_round = cursor.fetchone()["holdout_round"] or before.after_round
            salt = secrets.token_bytes(16)
            split_version = SplitVersion(before.number + 1, salt, split, group, last_round, content)
            _add_split_version(cursor, model, split_version)
            put_announcement(
                cursor, f"split version/{model}/{split_version.number}", announcement(model, before, split_version)
            )
        return split_version

    def split_version(self, model: str, number: int) -> SplitVersion | None:
        """Return a split version of a model; None where there is none of this number."""
        with self._transaction() as cursor:
            cursor.execute(
                f"SELECT {_COLUMNS} FROM retrain.split_versions WHERE (model, number) = (%s, %s)",  # noqa: S608 - ours
                (model, number),
            )
            row = cursor.fetchone()
            return None if row is None else _split_version(row)

    def split_columns(self, model: str) -> tuple[str, ...]:
        """Return the columns of the model's current split version; none before the first."""
        found = self._value(
            "SELECT columns FROM retrain.split_versions WHERE model = %s ORDER BY number DESC LIMIT 1", (model,)
        )
        return tuple(found or ())

    def save_snapshot(self, snapshot: Snapshot) -> Snapshot:
        """Save a snapshot, and return what is saved under its id: the same rows may have been taken before.

        Raises LedgerError if the model's next split version has begun meanwhile.

        Rounds of a split version follow on from those that were saved before it began: with one more snapshot of the
        version before, two rounds could have the same number.
        """
        with self._transaction() as cursor:
            current = _lock_split_versions(cursor, snapshot.model)
            if current is not None and current.number != snapshot.split_version:
                raise LedgerError(
                    f"{snapshot.model}: the spec's split was changed while snapshot {snapshot.id} was taken; take again"
                )
            cursor.execute(
                # If a dropped snapshot is taken again, its file has just been written anew.
                "INSERT INTO retrain.snapshots (model, id, body) VALUES (%s, %s, %s) ON CONFLICT (model, id) DO UPDATE "
                "SET body = excluded.body, taken_at = now(), dropped_at = NULL "
                "WHERE snapshots.dropped_at IS NOT NULL OR snapshots.body->>'content' IS NOT NULL",
                (snapshot.model, snapshot.id, to_json(snapshot.to_json())),
            )
            cursor.execute(
                "SELECT body FROM retrain.snapshots WHERE (model, id) = (%s, %s)", (snapshot.model, snapshot.id)
            )
            return Snapshot.from_json(cursor.fetchone()["body"])

    def snapshot(self, model: str, snapshot_id: str) -> Snapshot:
        """Return a snapshot by its id. Raises NotInLedgerError if it is not in the ledger."""
        found = self._value("SELECT body FROM retrain.snapshots WHERE model = %s AND id = %s", (model, snapshot_id))
        if found is None:
            raise NotInLedgerError(f"{model}: snapshot {snapshot_id} is not in the ledger")
        return Snapshot.from_json(found)

    def kept_snapshots(self, model: str) -> list[Snapshot]:
        """Return the snapshots whose files are still there, the newest first."""
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT body FROM retrain.snapshots WHERE model = %s AND dropped_at IS NULL ORDER BY taken_at DESC, id",
                (model,),
            )
            return [Snapshot.from_json(row["body"]) for row in cursor.fetchall()]

    def drop_snapshot(self, snapshot: Snapshot) -> None:
        """Record that its file was deleted. The row stays."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.snapshots SET dropped_at = now() WHERE (model, id) = (%s, %s)",
                (snapshot.model, snapshot.id),
            )

    def replace_snapshot(self, snapshot: Snapshot, erased: int) -> None:
        """Replace a snapshot by the same one without some rows, in another file. erased: how many rows were removed."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.snapshots SET body = %s, erased_rows = erased_rows + %s, "
                "erased_files = erased_files || (body->>'uri') WHERE (model, id) = (%s, %s)",
                (to_json(snapshot.to_json()), erased, snapshot.model, snapshot.id),
            )

    def was_erased(self, snapshot: Snapshot) -> bool:
        """Return whether rows were erased from it since `snapshot` was read: its file is another one now."""
        found = self._value(
            "SELECT erased_rows > 0 AND body->>'uri' <> %s FROM retrain.snapshots WHERE (model, id) = (%s, %s)",
            (snapshot.uri, snapshot.model, snapshot.id),
        )
        return bool(found)

    def erased_files(self, model: str) -> list[str]:
        """Return the URIs of files that are still to be deleted because they hold erased rows."""
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT unnest(erased_files) AS uri FROM retrain.snapshots WHERE model = %s ORDER BY uri", (model,)
            )
            return [row["uri"] for row in cursor.fetchall()]

    def erased(self, model: str, uri: str) -> None:
        """Record that a file with erased rows was deleted."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.snapshots SET erased_files = array_remove(erased_files, %s) WHERE model = %s",
                (uri, model),
            )

    def versions_of(self, snapshot: Snapshot) -> list[str]:
        """Return the versions that were trained on it, the oldest first."""
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT version FROM retrain.model_files WHERE (model, snapshot) = (%s, %s) AND version IS NOT NULL "
                "ORDER BY logged_at",
                (snapshot.model, snapshot.id),
            )
            return [row["version"] for row in cursor.fetchall()]

    def last_consumed(self, model: str, split_version: int | None = None) -> Snapshot | None:
        """Return the snapshot that the last verdict consumed; None if none did. Dry runs consume nothing.

        split_version: if given, only snapshots of this split version count.
        """
        found = self._value(
            "SELECT s.body FROM retrain.verdicts v JOIN retrain.snapshots s ON (s.model, s.id) = "
            "(v.model, v.snapshot) WHERE v.model = %(model)s AND NOT v.dry_run "
            "AND (s.body->>'split_version')::int = coalesce(%(split_version)s, (s.body->>'split_version')::int) "
            "ORDER BY v.seq DESC LIMIT 1",
            {"model": model, "split_version": split_version},
        )
        return None if found is None else Snapshot.from_json(found)

    def consumed_ago(self, model: str) -> timedelta | None:
        """Return how long ago a verdict last consumed a snapshot, by the database's clock; None if none did."""
        found = self._value(
            "SELECT extract(epoch FROM now() - at)::float8 AS seconds FROM retrain.verdicts "
            "WHERE model = %s AND NOT dry_run ORDER BY seq DESC LIMIT 1",
            (model,),
        )
        return None if found is None else timedelta(seconds=found)


def _add_split_version(cursor: Any, model: str, split_version: SplitVersion) -> None:
    split = to_json({**split_version.split.model_dump(mode="json"), "group": split_version.group})
    cursor.execute(
        "INSERT INTO retrain.split_versions (model, number, salt, split, after_round, columns) "
        "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (
            model,
            split_version.number,
            split_version.salt,
            split,
            split_version.after_round,
            list(split_version.columns),
        ),
    )


def _lock_split_versions(cursor: Any, model: str) -> SplitVersion | None:
    """Return the model's current split version, and keep it the current one until the transaction ends."""
    cursor.execute("SELECT 1 FROM retrain.split_versions WHERE (model, number) = (%s, 1) FOR UPDATE", (model,))
    # A second statement, because it sees what was committed while the first one waited for the lock.
    cursor.execute(
        f"SELECT {_COLUMNS} FROM retrain.split_versions WHERE model = %s ORDER BY number DESC LIMIT 1",  # noqa: S608
        (model,),
    )
    row = cursor.fetchone()
    return None if row is None else _split_version(row)


def _split_version(row: dict[str, Any]) -> SplitVersion:
    split = dict(row["split"])
    group = split.pop("group", None)
    split_of = Split.model_validate(split)
    return SplitVersion(row["number"], bytes(row["salt"]), split_of, group, row["after_round"], tuple(row["columns"]))
