"""Retrain's own tables: what was claimed, taken, judged, promoted and told. The only writer of schema `retrain`.

One method is one transaction, and every lock is a row lock inside of one, so that all of it works through a
transaction-pooling proxy. Every method raises StateError where the database cannot be reached.
"""

import json
import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import psycopg2
from psycopg2.extensions import connection
from psycopg2.extras import RealDictCursor

from retrain import announcements
from retrain.errors import FrozenError, NotInLedgerError, StaleVerdictError, StateError
from retrain.nouns import Announcement, Fault, Freeze, Incident, Move, Promotion, Side, Snapshot, Verdict
from retrain.spec import Split
from retrain.split import Lineage

MIGRATIONS = Path(__file__).parent / "migrations"
TASK_ROLE = "retrain_task"
_BREAKING = ".breaking"


@dataclass(frozen=True)
class ModelFile:
    """A model file that we logged or a person adopted, and what proves it."""

    uri: str
    digest: str
    model: str
    name: str
    """Of the candidate."""
    snapshot: str | None
    """None where nothing is known of the rows that it has trained on."""
    run_id: str | None
    sides: tuple[Side, ...]
    """The sides of the snapshot that it trained on."""
    made_at: datetime | None = None
    """Of an adopted one: it was made no later, so it has not trained on rows that were labelled since."""
    recipe: str | None = None
    """Of the candidate, where it is known."""


class State:
    def __init__(self, connect: Callable[[], connection], *, patience: int = 300) -> None:
        """connect: opens a connection to the database that holds schema `retrain`.

        patience: seconds for which the ledger stays locked by a process that does nothing; more than all calls to
        MLflow take that belong to one change of Production.
        """
        self._connect = connect
        self._patience = patience

    # ── migrations

    def migrate(self) -> list[str]:
        """Bring the schema up to date, as a role that may create; the migrations that were run."""
        with self._transaction() as cursor:
            # Two who migrate at once: the second waits, and finds nothing to do.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('retrain.migrate'))")
            cursor.execute("CREATE SCHEMA IF NOT EXISTS retrain")
            cursor.execute("CREATE TABLE IF NOT EXISTS retrain.migrations (name text PRIMARY KEY)")
            done = self._migrations_done(cursor)
            pending = [file for file in _migration_files() if file.stem not in done]
            for file in pending:
                cursor.execute(file.read_text(encoding="utf-8"))
                cursor.execute("INSERT INTO retrain.migrations VALUES (%s)", (file.stem,))
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (TASK_ROLE,))
            if cursor.fetchone():
                cursor.execute(f"GRANT USAGE ON SCHEMA retrain TO {TASK_ROLE}")
                cursor.execute(f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA retrain TO {TASK_ROLE}")
        return [file.stem for file in pending]

    def check(self) -> None:
        """Raises StateError where this code cannot work with the tables: they lack something, or broke with it.

        Tasks of an old version run on while a new one has migrated already: migrations add, and one that does more
        says so in its name, `0009_what.breaking.sql`.
        """
        with self._transaction() as cursor:
            cursor.execute("SELECT to_regclass('retrain.migrations') AS found")
            exists = cursor.fetchone()["found"]
            done = self._migrations_done(cursor) if exists else set()
        known = {file.stem for file in _migration_files()}
        if known - done:
            raise StateError(f"schema retrain lacks {', '.join(sorted(known - done))}; run `retrain migrate`")
        if broken := [name for name in sorted(done - known) if name.endswith(_BREAKING)]:
            raise StateError(f"schema retrain is newer than this code ({', '.join(broken)}); update Retrain")

    @staticmethod
    def _migrations_done(cursor: Any) -> set[str]:
        cursor.execute("SELECT name FROM retrain.migrations")
        return {row["name"] for row in cursor.fetchall()}

    # ── claims

    def once(self, key: str, find: Callable[[], str | None], create: Callable[[], str]) -> str:
        """What `create` made for this key, the first time that any process got through; made once (DESIGN rule 7).

        The claim's row lock is held while `find` looks for what a killed predecessor made and `create` makes it, so a
        step that runs beside its own ghost waits for it here and then finds what it made.
        """
        with self._transaction() as cursor:
            cursor.execute("INSERT INTO retrain.claims (key) VALUES (%s) ON CONFLICT DO NOTHING", (key,))
            cursor.execute("SELECT made FROM retrain.claims WHERE key = %s FOR UPDATE", (key,))
            made: str | None = cursor.fetchone()["made"]
            if made is None:
                made = find() or create()
                cursor.execute("UPDATE retrain.claims SET made = %s WHERE key = %s", (made, key))
            return made

    def made(self, key: str) -> str | None:
        """What was made for this key; None where nothing was recorded yet."""
        found: str | None = self._value("SELECT made FROM retrain.claims WHERE key = %s", (key,))
        return found

    # ── snapshots

    def begin_model(self, model: str, split: Split, group: str | None = None) -> Lineage:
        """The model's current lineage: the last one, or the next where the spec's split or group column is another.

        A next one is told in the transaction that begins it.
        """
        with self._transaction() as cursor:
            cursor.execute("INSERT INTO retrain.models (model) VALUES (%s) ON CONFLICT DO NOTHING", (model,))
            first = Lineage(1, secrets.token_bytes(16), split, group, after_epoch=0)
            _add_lineage(cursor, model, first)
            before = _lock_lineages(cursor, model) or first
            if (before.split, before.group) == (split, group):
                return before
            cursor.execute(
                "SELECT max((body->>'epoch')::int) AS epoch FROM retrain.snapshots WHERE model = %s", (model,)
            )
            last_epoch = cursor.fetchone()["epoch"] or before.after_epoch
            lineage = Lineage(before.number + 1, secrets.token_bytes(16), split, group, last_epoch)
            _add_lineage(cursor, model, lineage)
            _tell(cursor, f"lineage/{model}/{lineage.number}", announcements.of_lineage(model, before, lineage))
        return lineage

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Raises StateError where the model's next lineage has begun meanwhile: its epochs follow on from those that
        were saved before, so one more could have a number twice.
        """
        with self._transaction() as cursor:
            current = _lock_lineages(cursor, snapshot.model)
            if current is not None and current.number != snapshot.lineage:
                raise StateError(
                    f"{snapshot.model}: the spec's split was changed while snapshot {snapshot.id} was taken; take again"
                )
            cursor.execute(
                # One that is taken again is a new one: its file has just been written.
                "INSERT INTO retrain.snapshots (model, id, body) VALUES (%s, %s, %s) ON CONFLICT (model, id) DO UPDATE "
                "SET body = excluded.body, taken_at = now(), dropped_at = NULL "
                "WHERE snapshots.dropped_at IS NOT NULL OR snapshots.body->>'content' IS NOT NULL",
                (snapshot.model, snapshot.id, _json(snapshot.to_json())),
            )

    def snapshot(self, model: str, snapshot_id: str) -> Snapshot:
        """Raises StateError where there is none."""
        found = self._value("SELECT body FROM retrain.snapshots WHERE model = %s AND id = %s", (model, snapshot_id))
        if found is None:
            raise NotInLedgerError(f"{model}: snapshot {snapshot_id} is not in the ledger")
        return Snapshot.from_json(found)

    def kept_snapshots(self, model: str) -> list[Snapshot]:
        """Those whose rows are there, the newest first."""
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT body FROM retrain.snapshots WHERE model = %s AND dropped_at IS NULL ORDER BY taken_at DESC, id",
                (model,),
            )
            return [Snapshot.from_json(row["body"]) for row in cursor.fetchall()]

    def drop_snapshot(self, snapshot: Snapshot) -> None:
        """Its rows are gone; that it was there stays known."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.snapshots SET dropped_at = now() WHERE (model, id) = (%s, %s)",
                (snapshot.model, snapshot.id),
            )

    def replace_snapshot(self, snapshot: Snapshot, erased: int) -> None:
        """The same snapshot without some rows, in another file. erased: how many more of its rows are gone."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.snapshots SET body = %s, erased_rows = erased_rows + %s, "
                "erased_files = erased_files || (body->>'uri') WHERE (model, id) = (%s, %s)",
                (_json(snapshot.to_json()), erased, snapshot.model, snapshot.id),
            )

    def erased_files(self, model: str) -> list[str]:
        """URIs of files that still hold rows which were erased."""
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT unnest(erased_files) AS uri FROM retrain.snapshots WHERE model = %s ORDER BY uri", (model,)
            )
            return [row["uri"] for row in cursor.fetchall()]

    def erased(self, model: str, uri: str) -> None:
        """This file is gone."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.snapshots SET erased_files = array_remove(erased_files, %s) WHERE model = %s",
                (uri, model),
            )

    def versions_of(self, snapshot: Snapshot) -> list[str]:
        """The versions that were trained on it."""
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT version FROM retrain.candidates WHERE (model, snapshot) = (%s, %s) AND version IS NOT NULL "
                "ORDER BY logged_at",
                (snapshot.model, snapshot.id),
            )
            return [row["version"] for row in cursor.fetchall()]

    def last_consumed(self, model: str, lineage: int | None = None) -> Snapshot | None:
        """The snapshot that the last verdict consumed; dry runs consume nothing. lineage: only ask for one of it."""
        found = self._value(
            "SELECT s.body FROM retrain.verdicts v JOIN retrain.snapshots s ON (s.model, s.id) = "
            "(v.model, v.snapshot) WHERE v.model = %(model)s AND NOT v.dry_run "
            "AND (s.body->>'lineage')::int = coalesce(%(lineage)s, (s.body->>'lineage')::int) "
            "ORDER BY v.seq DESC LIMIT 1",
            {"model": model, "lineage": lineage},
        )
        return None if found is None else Snapshot.from_json(found)

    def consumed_ago(self, model: str) -> timedelta | None:
        """How long ago a verdict last consumed a snapshot, by the database's clock; None before the first."""
        found = self._value(
            "SELECT extract(epoch FROM now() - at)::float8 AS seconds FROM retrain.verdicts "
            "WHERE model = %s AND NOT dry_run ORDER BY seq DESC LIMIT 1",
            (model,),
        )
        return None if found is None else timedelta(seconds=found)

    # ── candidates

    def save_model_file(self, file: ModelFile) -> None:
        """Put a logged model's digest into the ledger."""
        self._put_model_file(file)

    def adopt(self, file: ModelFile, version: str, *, by: str, why: str) -> None:
        """Put a version into the ledger that we did not log; of two who do, the first one counts."""
        self._put_model_file(file, version, by, why)

    def _put_model_file(
        self, file: ModelFile, version: str | None = None, by: str | None = None, why: str | None = None
    ) -> None:
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO retrain.candidates (uri, digest, model, name, snapshot, run_id, sides, made_at, recipe, "
                "version, adopted_by, adopted_why) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
                "ON CONFLICT DO NOTHING",
                (
                    *(file.uri, file.digest, file.model, file.name, file.snapshot, file.run_id, list(file.sides)),
                    *(file.made_at, file.recipe, version, by, why),
                ),
            )

    def model_file(self, uri: str) -> ModelFile:
        """Raises StateError for a file that we did not log."""
        file = self._model_file("uri = %s", (uri,))
        if file is None:
            raise NotInLedgerError(f"{uri}: is not in the ledger")
        return file

    def model_file_of_version(self, model: str, version: str) -> ModelFile | None:
        """The file of this version; None for one that we neither logged nor adopted."""
        return self._model_file("model = %s AND version = %s", (model, version))

    def model_files_in_use(self) -> list[ModelFile]:
        """What is in Production, and what a rollback would put there, of every model (DESIGN rule 11)."""
        with self._transaction() as cursor:
            cursor.execute(
                "WITH head AS (SELECT DISTINCT ON (model) model, to_version AS version FROM retrain.promotions "
                "WHERE applied_at IS NOT NULL ORDER BY model, seq DESC), "
                "target AS (SELECT DISTINCT ON (p.model) p.model, p.from_version AS version FROM retrain.promotions p "
                "JOIN head ON (head.model, head.version) = (p.model, p.to_version) "
                "WHERE p.applied_at IS NOT NULL AND p.kind <> 'rollback' ORDER BY p.model, p.seq DESC) "
                "SELECT uri, digest, model, name, snapshot, run_id, sides, made_at, recipe FROM retrain.candidates "
                "WHERE (model, version) IN (SELECT * FROM head UNION SELECT * FROM target) ORDER BY model, version"
            )
            return [_model_file(row) for row in cursor.fetchall()]

    def save_version(self, uri: str, version: str) -> None:
        with self._transaction() as cursor:
            cursor.execute("UPDATE retrain.candidates SET version = %s WHERE uri = %s", (version, uri))
            if cursor.rowcount == 0:
                raise NotInLedgerError(f"{uri}: is not in the ledger, so it cannot be version {version}")

    def link_version(self, uri: str, version: str, model: str) -> None:
        """Say of a file which version it is, where it is in the ledger as one of this model, and is no version yet."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.candidates SET version = %s WHERE uri = %s AND model = %s AND version IS NULL",
                (version, uri, model),
            )

    def version_of(self, uri: str, model: str) -> str | None:
        """Which version of this model a file of the ledger is; None where it is none, or is not there."""
        found: str | None = self._value(
            "SELECT version FROM retrain.candidates WHERE uri = %s AND model = %s", (uri, model)
        )
        return found

    def _model_file(self, condition: str, values: tuple[str, ...]) -> ModelFile | None:
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT uri, digest, model, name, snapshot, run_id, sides, made_at, recipe "  # noqa: S608 - conditions are ours
                f"FROM retrain.candidates WHERE {condition}",
                values,
            )
            row = cursor.fetchone()
        return None if row is None else _model_file(row)

    # ── verdicts

    def tests_spent(self, model: str, epoch: int) -> int:
        """How often this epoch's holdout has judged."""
        found = self._value("SELECT tests_spent FROM retrain.epochs WHERE (model, epoch) = (%s, %s)", (model, epoch))
        return 0 if found is None else int(found)

    def verdict(self, verdict_id: str) -> Verdict | None:
        found = self._value("SELECT body FROM retrain.verdicts WHERE id = %s", (verdict_id,))
        return None if found is None else Verdict.from_json(found)

    def last_verdict(self, model: str) -> tuple[Verdict, datetime] | None:
        """The newest one and when it was made, dry runs included; None before the first."""
        return self._verdict("model = %s", (model,))

    def verdict_of_version(self, model: str, version: str) -> tuple[Verdict, datetime] | None:
        """The newest one that judged this version, and when it was made; None where none did."""
        return self._verdict("model = %s AND body->'trial'->>'version' = %s", (model, version))

    def verdict_of_runs(self, model: str, run_ids: Sequence[str]) -> tuple[Verdict, datetime] | None:
        """The newest one on a model that one of these MLflow runs has trained; None where there is none."""
        return self._verdict("model = %s AND body->'trial'->>'run_id' = ANY(%s)", (model, list(run_ids)))

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
        trial = verdict.trial
        with self._transaction() as cursor:
            self._lock_model(cursor, trial.model)
            cursor.execute("SELECT body FROM retrain.verdicts WHERE id = %s", (trial.id,))
            row = cursor.fetchone()
            if row is not None:
                return Verdict.from_json(row["body"])
            if of is not None and not trial.dry_run:
                self._refuse_used(cursor, of)
            cursor.execute(
                "INSERT INTO retrain.verdicts (id, model, snapshot, outcome, dry_run, body) "
                "VALUES (%s, %s, %s, %s, %s, %s)",
                (trial.id, trial.model, trial.snapshot, verdict.outcome, trial.dry_run, _json(verdict.to_json())),
            )
            if not trial.dry_run:
                self._spend_test(cursor, verdict)
            _tell(cursor, f"verdict/{trial.id}", announcement)
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
        trial = verdict.trial
        cursor.execute(
            "INSERT INTO retrain.epochs (model, epoch, snapshot) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (trial.model, trial.epoch, trial.snapshot),
        )
        if verdict.score is None:
            return
        cursor.execute(
            "UPDATE retrain.epochs SET tests_spent = tests_spent + 1 WHERE (model, epoch) = (%s, %s) "
            "RETURNING tests_spent",
            (trial.model, trial.epoch),
        )
        if cursor.fetchone()["tests_spent"] != trial.test:
            raise StaleVerdictError(
                f"{trial.model}: another verdict used test {trial.test} of holdout epoch {trial.epoch}; run again"
            )

    # ── promotions

    def open_promotion(self, verdict: Verdict, by: str, why: str) -> Promotion:
        """The ledger row of this verdict's promotion, written now unless it is there.

        Raises StaleVerdictError where Production is no longer the one that the verdict was made against, or another
        promotion is under way.
        """
        trial = verdict.trial
        with self.ledger(trial.model) as ledger:
            row = ledger.of_verdict(trial.id)
            if row is not None:
                return row
            if ledger.pending() is not None:
                raise StaleVerdictError(f"{trial.model}: another promotion is under way; run again when it is applied")
            if ledger.head() != trial.production:
                raise StaleVerdictError(
                    f"{trial.model}: Production is {_version(ledger.head())}, but the verdict was made against "
                    f"{_version(trial.production)}; the next cycle judges against what is there"
                )
            return ledger.append(trial.production, trial.version, verdict=trial.id, by=by, why=why)

    def promotion_of(self, verdict: Verdict) -> Promotion:
        """Raises StateError where this verdict has promoted nothing."""
        with self._transaction() as cursor:
            promotion = Ledger(cursor, verdict.trial.model).of_verdict(verdict.trial.id)
        if promotion is None:
            raise NotInLedgerError(f"{verdict.trial.model}: verdict {verdict.trial.id} has promoted nothing")
        return promotion

    def history(self, model: str) -> list[Promotion]:
        """Every change of Production, the first one first; also those that are under way, or were superseded."""
        with self._transaction() as cursor:
            cursor.execute("SELECT * FROM retrain.promotions WHERE model = %s ORDER BY seq", (model,))
            return [Promotion(**row) for row in cursor.fetchall()]

    def production_at(self, model: str, time: datetime) -> str | None:
        """The version that was in Production at that time; None where none was."""
        found: str | None = self._value(
            "SELECT to_version FROM retrain.promotions WHERE model = %s AND applied_at <= %s ORDER BY seq DESC LIMIT 1",
            (model, time),
        )
        return found

    def anchor(self, model: str, version: str) -> str | None:
        """The last version up to this one that came into Production by superiority, or by a person."""
        found: str | None = self._value(
            "SELECT p.to_version FROM retrain.promotions p LEFT JOIN retrain.verdicts v ON v.id = p.verdict "
            "WHERE p.model = %s AND p.applied_at IS NOT NULL AND p.kind <> 'rollback' "
            "AND (v.body->>'proof' IS NULL OR v.body->>'proof' <> 'non_inferiority' OR p.from_version IS NULL) "
            "AND p.seq <= (SELECT max(seq) FROM retrain.promotions WHERE model = %s AND to_version = %s "
            "AND applied_at IS NOT NULL AND kind <> 'rollback') ORDER BY p.seq DESC LIMIT 1",
            (model, model, version),
        )
        return found

    def rolled_back(self, model: str, recipe: str, snapshot: str) -> str | None:
        """The version of this recipe on this snapshot that was rolled back; None where none was."""
        found: str | None = self._value(
            "SELECT c.version FROM retrain.promotions p JOIN retrain.candidates c "
            "ON (c.model, c.version) = (p.model, p.from_version) "
            "WHERE p.model = %s AND p.kind = 'rollback' AND p.superseded_at IS NULL "
            "AND c.recipe = %s AND c.snapshot = %s ORDER BY p.seq DESC LIMIT 1",
            (model, recipe, snapshot),
        )
        return found

    @contextmanager
    def ledger(self, model: str) -> "Iterator[Ledger]":
        """The model's ledger, locked until the block ends; what the block did is then committed, or nothing of it.

        A process that stands still for longer than `patience` loses the lock, and raises StateError when it goes on.
        """
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT set_config('idle_in_transaction_session_timeout', %s, true)", (f"{self._patience}s",)
            )
            self._lock_model(cursor, model)
            yield Ledger(cursor, model)

    # ── freezes

    def freeze(self, key: str, model: str | None, *, until: datetime, by: str, why: str) -> None:
        """Let nothing go forward into Production until then, in place of what was said of the same model before.

        key: with the same one it happens once. model: None for every model. until: a time that is past ends the freeze.
        The teams of the models are told.
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
                told = announcements.of_freeze(each["model"], freeze, holds=row["holds"])
                _tell(cursor, f"freeze/{row['id']}/{each['model']}", told)

    def freeze_of(self, model: str) -> Freeze | None:
        """What keeps this model's Production as it is; of several, what does so for longest."""
        with self._transaction() as cursor:
            return _freeze(cursor, model)

    # ── faults

    def fail(self, fault: Fault, *, key: str) -> None:
        """Something is wrong, seen once for each key. Told when it has lasted long enough, and again when it has been
        seen twice as often as when it was last told.
        """
        incident = fault.incident
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO retrain.faults (model, name, body, last_key) VALUES (%s, %s, %s, %s) "
                "ON CONFLICT (model, name) WHERE ended_at IS NULL DO UPDATE SET body = excluded.body, "
                "times = faults.times + (faults.last_key <> excluded.last_key)::int, last_key = excluded.last_key "
                "RETURNING id, times, told_times, since, since <= now() - %s AS due",
                (incident.model, fault.name, _json(incident.to_json()), key, fault.after),
            )
            row = cursor.fetchone()
            if not row["due"] or row["times"] < max(1, 2 * row["told_times"]):
                return
            cursor.execute("UPDATE retrain.faults SET told_times = times WHERE id = %s", (row["id"],))
            told = announcements.of_fault(incident, times=row["times"], since=row["since"])
            _tell(cursor, f"fault/{row['id']}/{row['times']}", told)

    def end_faults(self, model: str, prefix: str, *, but: Collection[str] = ()) -> None:
        """Those of the model whose names begin so are over, except some; told of each that had been told."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.faults SET ended_at = now() WHERE model = %s AND starts_with(name, %s) "
                "AND name <> ALL (%s) AND ended_at IS NULL RETURNING id, body, times, told_times, since",
                (model, prefix, list(but)),
            )
            for row in cursor.fetchall():
                if row["told_times"]:
                    told = announcements.of_recovery(Incident(**row["body"]), times=row["times"], since=row["since"])
                    _tell(cursor, f"fault/{row['id']}/over", told)

    # ── outbox

    def announce(self, key: str, announcement: Announcement) -> None:
        """Put an announcement into the outbox, once for each key."""
        with self._transaction() as cursor:
            _tell(cursor, key, announcement)

    @contextmanager
    def next_delivery(self, model: str, channel: str, *, old: timedelta) -> Iterator["Delivery | None"]:
        """The oldest announcement that a channel is not done with; None where it is not due yet, or another process is
        serving that channel. What the block notes on it is kept when it ends without an error.
        """
        with self._transaction() as cursor:
            # The lock ends with the transaction: a sender that is killed keeps nobody from sending again.
            cursor.execute(
                "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0)) AS mine", (f"retrain/{model}/{channel}",)
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
        """Take from the outbox what all of these channels are done with; how many announcements that are."""
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE retrain.outbox o SET delivered_at = now() WHERE model = %s AND delivered_at IS NULL "
                "AND (SELECT count(*) FROM retrain.deliveries d WHERE d.key = o.key AND d.channel = ANY (%s) "
                "AND d.outcome IS NOT NULL) = %s",
                (model, list(channels), len(channels)),
            )
            return int(cursor.rowcount)

    def outbox_age(self, model: str) -> timedelta:
        """How long the oldest announcement has waited that a channel is not done with; 0 where none waits."""
        waits: timedelta | None = self._value(
            "SELECT now() - min(at) FROM retrain.outbox WHERE model = %s AND delivered_at IS NULL", (model,)
        )
        return waits or timedelta(0)

    # ── below

    def _value(self, query: str, values: Any) -> Any:
        """The one column of the first row; None where there is no row."""
        with self._transaction() as cursor:
            cursor.execute(query, values)
            row = cursor.fetchone()
        return None if row is None else next(iter(row.values()))

    @staticmethod
    def _lock_model(cursor: Any, model: str) -> None:
        # Not FOR UPDATE: rows that refer to the model, a new snapshot say, need not wait for a promotion.
        cursor.execute("SELECT 1 FROM retrain.models WHERE model = %s FOR NO KEY UPDATE", (model,))
        if cursor.fetchone() is None:
            raise NotInLedgerError(f"{model}: has no snapshot yet, so there is nothing to decide")

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """A cursor whose rows are dictionaries; what it did is kept when the block ends without an error."""
        try:
            with closing(self._connect()) as connection, connection:  # noqa: SIM117 - commits before it closes
                with connection.cursor(cursor_factory=RealDictCursor) as cursor:
                    yield cursor
        except psycopg2.Error as error:
            raise StateError(f"the ledger: {' '.join(str(error).split())}") from error


class Delivery:
    """One announcement to one channel, inside of the transaction that keeps other senders from it."""

    def __init__(self, cursor: Any, channel: str, row: dict[str, Any]) -> None:
        self._cursor, self._channel = cursor, channel
        self.key: str = row["key"]
        self.announcement = Announcement.from_json(row["body"])
        self.attempts: int = row["attempts"] + 1
        """With this one."""
        self.old: bool = row["old"]

    def end(self, outcome: Literal["delivered", "unwanted", "dead"], said: str | None = None) -> None:
        """The channel is done with it."""
        self._note(outcome, None, said)

    def try_again(self, pause: timedelta, said: str) -> None:
        """The channel refused, and said that; it is not due again before the pause is over."""
        self._note(None, pause, said)

    def announce(self, key: str, announcement: Announcement) -> None:
        """Put another one into the outbox, once for each key."""
        _tell(self._cursor, key, announcement)

    def _note(self, outcome: str | None, pause: timedelta | None, said: str | None) -> None:
        # The clock, not now(): that is when the transaction began, and a channel may have taken its time since.
        self._cursor.execute(
            "INSERT INTO retrain.deliveries (key, channel, attempts, outcome, ended_at, next_at, said) "
            "VALUES (%(key)s, %(channel)s, %(attempts)s, %(outcome)s, "
            "CASE WHEN %(outcome)s::text IS NOT NULL THEN clock_timestamp() END, "
            "clock_timestamp() + %(pause)s, %(said)s) "
            "ON CONFLICT (key, channel) DO UPDATE SET attempts = excluded.attempts, outcome = excluded.outcome, "
            "ended_at = excluded.ended_at, next_at = excluded.next_at, said = excluded.said",
            {
                "key": self.key,
                "channel": self._channel,
                "attempts": self.attempts,
                "outcome": outcome,
                "pause": pause,
                "said": said,
            },
        )


class Ledger:
    """One model's promotions, inside of the transaction that holds the model's lock."""

    def __init__(self, cursor: Any, model: str) -> None:
        self._cursor = cursor
        self._model = model

    def confirm(self) -> None:
        """Raises psycopg2.Error where the lock was lost: what comes next is then for others to do."""
        self._cursor.execute("SELECT 1")

    def head(self) -> str | None:
        """The version in Production, as the ledger knows it."""
        row = self.last()
        return None if row is None else row.to_version

    def pending(self) -> Promotion | None:
        """The promotion that was decided but not yet applied."""
        return self._one("applied_at IS NULL AND superseded_at IS NULL")

    def of_verdict(self, verdict_id: str) -> Promotion | None:
        return self._one("verdict = %s", verdict_id)

    def last(self) -> Promotion | None:
        """The row that made Production what it is."""
        return self._one("applied_at IS NOT NULL ORDER BY seq DESC LIMIT 1")

    def forward_to(self, version: str) -> Promotion | None:
        """The last row that put this version forward into Production."""
        return self._one(
            "applied_at IS NOT NULL AND kind <> 'rollback' AND to_version = %s ORDER BY seq DESC LIMIT 1", version
        )

    def append(
        self,
        from_version: str | None,
        to_version: str | None,
        *,
        kind: Move = Move.FORWARD,
        verdict: str | None,
        by: str,
        why: str,
    ) -> Promotion:
        """Raises FrozenError for one that goes forward while Production is frozen."""
        freeze = _freeze(self._cursor, self._model) if kind is Move.FORWARD else None
        if freeze is not None:
            raise FrozenError(f"{self._model}: {announcements.frozen(freeze)}; end the freeze, or wait")
        self._cursor.execute(
            "INSERT INTO retrain.promotions (model, seq, kind, from_version, to_version, verdict, by, why) "
            "SELECT %s, coalesce(max(seq), 0) + 1, %s, %s, %s, %s, %s, %s FROM retrain.promotions WHERE model = %s "
            "RETURNING *",
            (self._model, kind, from_version, to_version, verdict, by, why, self._model),
        )
        return Promotion(**self._cursor.fetchone())

    def close(
        self, promotion: Promotion, *, applied: bool, announcement: Callable[[Promotion], Announcement]
    ) -> Promotion:
        """Mark a promotion as applied, or as superseded, and tell the team in the same transaction."""
        column = "applied_at" if applied else "superseded_at"
        self._cursor.execute(
            f"UPDATE retrain.promotions SET {column} = now() WHERE model = %s AND seq = %s RETURNING *",  # noqa: S608
            (promotion.model, promotion.seq),
        )
        closed = Promotion(**self._cursor.fetchone())
        _tell(self._cursor, f"promotion/{closed.model}/{closed.seq}", announcement(closed))
        return closed

    def _one(self, condition: str, *values: str) -> Promotion | None:
        self._cursor.execute(
            f"SELECT * FROM retrain.promotions WHERE model = %s AND {condition}",  # noqa: S608 - conditions are ours
            (self._model, *values),
        )
        row = self._cursor.fetchone()
        return None if row is None else Promotion(**row)


def were_in_production(history: Sequence[Promotion], but: str | None) -> list[str]:
    """The versions that have been in Production, the newest first; without `but`."""
    were = {each.to_version for each in history if each.applied_at and each.to_version}
    return sorted(were - {but}, key=int, reverse=True)


def _add_lineage(cursor: Any, model: str, lineage: Lineage) -> None:
    cursor.execute(
        "INSERT INTO retrain.lineages (model, number, salt, split, after_epoch) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT DO NOTHING",
        (
            *(model, lineage.number, lineage.salt),
            *(_json({**lineage.split.model_dump(mode="json"), "group": lineage.group}), lineage.after_epoch),
        ),
    )


def _lock_lineages(cursor: Any, model: str) -> Lineage | None:
    """The model's current lineage, which stays the current one until the transaction ends."""
    cursor.execute("SELECT 1 FROM retrain.lineages WHERE (model, number) = (%s, 1) FOR UPDATE", (model,))
    # A statement of its own, which sees what was committed while the one above waited.
    cursor.execute(
        "SELECT number, salt, split, after_epoch FROM retrain.lineages WHERE model = %s ORDER BY number DESC LIMIT 1",
        (model,),
    )
    row = cursor.fetchone()
    if row is None:
        return None
    split = dict(row["split"])
    group = split.pop("group", None)
    return Lineage(row["number"], bytes(row["salt"]), Split.model_validate(split), group, row["after_epoch"])


def _tell(cursor: Any, key: str, announcement: Announcement) -> None:
    cursor.execute(
        "INSERT INTO retrain.outbox (key, model, body) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (key, announcement.model, _json(announcement.to_json())),
    )


def _freeze(cursor: Any, model: str) -> Freeze | None:
    cursor.execute(
        "SELECT model, why, by, until FROM retrain.freezes WHERE (model IS NULL OR model = %s) "
        "AND ended_at IS NULL AND until > now() ORDER BY until DESC, id LIMIT 1",
        (model,),
    )
    row = cursor.fetchone()
    return None if row is None else Freeze(**row)


def _model_file(row: dict[str, Any]) -> ModelFile:
    return ModelFile(**{**row, "sides": tuple(Side(side) for side in row["sides"])})


def _migration_files() -> list[Path]:
    return sorted(MIGRATIONS.glob("*.sql"))


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _version(version: str | None) -> str:
    return "empty" if version is None else f"version {version}"
