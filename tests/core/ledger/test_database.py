"""Migrations, and connections."""

import psycopg2
import pytest

from retrain.errors import LedgerError
from retrain.ledger.ledger import Ledger
from tests.core.ledger.rows import MODEL, at_once, deliver, execute

MIGRATED = ["0001_tables", "0002_live", "0003_splits"]


def test_migrations_run_once(database):
    ledger = Ledger(database.connect)

    assert ledger.migrate() == MIGRATED
    assert ledger.migrate() == []
    ledger.check()


def test_a_schema_of_before_the_first_release_is_refused_and_says_what_to_do(database):
    execute(database, "CREATE SCHEMA retrain; CREATE TABLE retrain.migrations (name text PRIMARY KEY)")
    execute(database, "INSERT INTO retrain.migrations VALUES ('0001_ledger'), ('0002_adopted')")
    ledger = Ledger(database.connect)

    for act in (ledger.migrate, ledger.check):
        with pytest.raises(LedgerError, match=r"from before the first release.*`DROP SCHEMA retrain CASCADE`"):
            act()


def test_two_who_migrate_at_once_run_each_migration_once(database):
    results = at_once(*[Ledger(database.connect).migrate] * 3)

    assert sorted(results) == [[], [], MIGRATED]


def test_a_database_without_tables_says_how_to_make_them(database):
    with pytest.raises(
        LedgerError, match=r"^schema retrain lacks 0001_tables, 0002_live, 0003_splits; run `retrain migrate`$"
    ):
        Ledger(database.connect).check()


def test_tasks_of_an_old_version_run_on_with_tables_that_gained_something(ledger, database):
    execute(database, "INSERT INTO retrain.migrations VALUES ('9998_later')")

    ledger.check()


def test_tables_that_broke_with_older_code_are_refused(ledger, database):
    execute(database, "INSERT INTO retrain.migrations VALUES ('9998_later'), ('9999_last.breaking')")

    with pytest.raises(LedgerError, match=r"^schema retrain is newer than this code \(9999_last.breaking\); update"):
        ledger.check()


def test_a_database_that_cannot_be_reached_is_told_in_one_line():
    nowhere = Ledger(lambda: psycopg2.connect(host="127.0.0.1", port=1, dbname="x", user="x"))

    with pytest.raises(LedgerError, match=r"^the ledger: connection to server .* failed: .*$"):
        nowhere.check()


def test_no_connection_is_left_open(begun, database):
    deliver(begun)
    with pytest.raises(LedgerError):
        begun.snapshot(MODEL, "s9")

    assert execute(database, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") == [(1,)]
