"""Retrain's schema by another name."""

import psycopg2
import pytest

from retrain.errors import LedgerError, SettingsError
from retrain.ledger.ledger import Ledger
from retrain.ledger.schema import schema_name
from tests.core.ledger.rows import MODEL, all_that_a_cycle_does, execute


@pytest.mark.parametrize("name", ["team_a", "user", "_", "a" * 63])
def test_all_that_a_cycle_does_works_through_a_pooling_proxy_in_a_schema_of_any_name(
    pooled, database, monkeypatch, name
):
    monkeypatch.setenv("RETRAIN_SCHEMA", name)
    ledger = Ledger(lambda: psycopg2.connect(pooled))
    with pytest.raises(
        LedgerError, match=f"^schema {name} lacks 0001_tables, 0002_live, 0003_splits; run `retrain migrate`$"
    ):
        ledger.check()
    ledger.migrate()
    ledger.check()
    all_that_a_cycle_does(ledger)
    made = execute(database, "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = 'promotions'")
    assert made == [(name,)]


def test_two_schemas_of_one_database_do_not_see_each_other(pooled, database):
    def connect():
        return psycopg2.connect(pooled)

    one, other = (Ledger(connect, schema=name) for name in ("retrain", "other"))
    for each in (one, other):
        each.migrate()
    all_that_a_cycle_does(one)
    assert (len(one.history(MODEL)), other.history(MODEL)) == (2, [])
    assert other.models_waiting() == set()
    all_that_a_cycle_does(other)
    assert len(one.history(MODEL)) == 2


def test_a_sender_of_one_schema_does_not_hold_up_that_of_another(database):
    from datetime import timedelta

    from retrain.messages import texts
    from retrain.records import Incident

    one, other = (Ledger(database.connect, schema=name) for name in ("retrain", "other"))
    for each in (one, other):
        each.migrate()
        each.announce("key", texts.of_incident(Incident(model=MODEL, what="so", remedy="Look.")))
    old = timedelta(days=1)
    with one.next_delivery(MODEL, "log", old=old) as first, other.next_delivery(MODEL, "log", old=old) as second:
        assert first is not None
        assert second is not None


@pytest.mark.parametrize(
    "name", ["Retrain", "a b", "1st", "pg_mine", "a" * 64, 'a"', "public", "information_schema", "retrain;", "한글"]
)
def test_a_name_that_is_not_plain_or_not_ours_is_refused(monkeypatch, name):
    monkeypatch.setenv("RETRAIN_SCHEMA", name)
    with pytest.raises(SettingsError, match=r"^RETRAIN_SCHEMA = '.*': is .*, as in retrain$"):
        schema_name()


def test_without_the_variable_it_is_retrain(monkeypatch):
    for value in (None, ""):
        monkeypatch.delenv("RETRAIN_SCHEMA", raising=False)
        if value is not None:
            monkeypatch.setenv("RETRAIN_SCHEMA", value)
        assert schema_name() == "retrain"
