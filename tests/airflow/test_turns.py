"""Many specs of one database in one triggerer: one connection, one look at a time, and each has its own faults."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest
import yaml

from retrain.errors import LedgerError
from retrain_airflow.hooks import one_connection
from retrain_airflow.hooks.one_connection import OneConnection
from retrain_airflow.hooks.retrain import ledger_of
from retrain_airflow.triggers import new_rows
from retrain_airflow.triggers.new_rows import NewRowsTrigger
from tests.airflow.conftest import Model, toy_spec

Make = Callable[..., Model]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the triggers look again at once."""
    monkeypatch.setattr(new_rows, "_REST", 0)


def beside(model: Model, number: int, **source: Any) -> str:
    spec = toy_spec()
    spec["source"] |= source
    path = model.path.with_name(f"beside_{number}.yaml")
    path.write_text(yaml.safe_dump(spec))
    return str(path)


class Fired:
    def __init__(self) -> None:
        self.by: list[str] = []

    async def of(self, *specs: str) -> None:
        while not set(specs) <= set(self.by):
            await asyncio.sleep(0.01)


@asynccontextmanager
async def triggerer(*specs: str) -> AsyncIterator[Fired]:
    fired = Fired()

    async def run(spec: str) -> None:
        async for _ in NewRowsTrigger(spec, interval=0.01).run():
            fired.by.append(spec)

    tasks = [asyncio.create_task(run(spec)) for spec in specs]
    try:
        yield fired
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def sessions(model: Model) -> int:
    """Return how many sessions the database has, beside this one."""
    with closing(model.database.connect()) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def test_thirty_specs_of_a_database_take_one_connection_to_it_and_one_to_the_ledger(model: Make) -> None:
    toy = model()
    toy.feed(500)
    specs = [beside(toy, number) for number in range(30)]
    before = sessions(toy)

    async def scenario() -> None:
        most = 0
        async with triggerer(*specs) as fired:
            waiting = asyncio.create_task(fired.of(*specs))
            while not waiting.done():
                most = max(most, await asyncio.to_thread(sessions, toy))
                await asyncio.sleep(0.01)
        assert most - before <= 2

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_spec_whose_table_is_not_there_or_may_not_be_read_stops_no_other(model: Make) -> None:
    toy = model()
    toy.feed(500)
    with toy.database.connect() as session:
        session.cursor().execute("CREATE VIEW broken AS SELECT 1 / 0 AS id, label, labelled_at, a, b FROM rows")
    good = [beside(toy, number) for number in range(2)]
    bad = [beside(toy, 2, table="no_rows"), beside(toy, 3, table="broken"), beside(toy, 4, label="nothing")]
    bad.append(beside(toy, 5))
    with open(bad[-1], "w") as file:  # noqa: PTH123
        file.write("{")

    async def scenario() -> None:
        async with triggerer(*bad, *good) as fired:
            await fired.of(*good)

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_table_that_is_locked_holds_the_others_up_for_seconds_and_not_for_long(
    model: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_rows, "_LOCKED", 1)
    toy = model()
    toy.feed(500)
    with toy.database.connect() as session:
        session.cursor().execute("CREATE TABLE locked AS SELECT * FROM rows")
    good, bad = beside(toy, 0), beside(toy, 1, table="locked")

    async def scenario() -> None:
        began = time.monotonic()
        async with triggerer(bad, good) as fired:
            await fired.of(good)
        assert time.monotonic() - began < 20

    with closing(toy.database.connect()) as other:
        other.cursor().execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
        asyncio.run(asyncio.wait_for(scenario(), 60))


# ── the connection itself


def test_the_one_connection_is_lent_again_and_as_it_was(model: Make) -> None:
    model()
    one = OneConnection("postgres_default")
    with closing(one.connect()) as session:
        session.set_session(isolation_level="REPEATABLE READ", readonly=True)
        session.cursor().execute("SELECT 1")
        pid = session.info.backend_pid
    with closing(one.connect()) as session, session, session.cursor() as cursor:
        assert session.info.backend_pid == pid
        cursor.execute("CREATE TABLE written (a int)")
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone()[0] == "read committed"


def test_one_that_has_failed_is_opened_anew(model: Make) -> None:
    toy = model()
    one = OneConnection("retrain_state")
    ledger = ledger_of("retrain_state", lambda _: one.connect)
    with closing(one.connect()) as session:
        pid = session.info.backend_pid
    with closing(toy.database.connect()) as other:
        other.cursor().execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(LedgerError):
        ledger.check()
    ledger.check()


def test_one_that_is_old_is_opened_anew(model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    model()
    monkeypatch.setattr(one_connection, "_FRESH", 0)
    one = OneConnection("postgres_default")
    pids = set()
    for _ in range(2):
        with closing(one.connect()) as session:
            pids.add(session.info.backend_pid)
    assert len(pids) == 2


def test_a_connection_that_cannot_be_opened_leaves_the_turn_to_others(model: Make) -> None:
    model()
    one = OneConnection("no_such_connection")
    for _ in range(2):
        with pytest.raises(Exception, match="no_such_connection"):
            one.connect()
