"""The trigger that wakes a DAG, alone, against a real PostgreSQL."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from airflow.sdk.module_loading import import_string
from airflow.serialization.encoders import encode_trigger
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from psycopg2 import sql
from psycopg2.extensions import parse_dsn

from retrain.cycle.snapshot import take_snapshot
from retrain.messages import texts
from retrain_airflow.hooks import one_connection
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.triggers import new_rows, patience
from retrain_airflow.triggers.new_rows import NewRowsTrigger
from stack.local import Running
from tests.airflow.conftest import Model
from tests.core.verdicts import unmeasured

Make = Callable[..., Model]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the trigger look again at once, however long a look takes, over a new connection."""
    monkeypatch.setattr(new_rows, "_REST", 0)
    monkeypatch.setattr(one_connection, "_FRESH", 0)


class Watch:
    """A running trigger, as a triggerer runs it."""

    def __init__(self, model: Model, **how: Any) -> None:
        self.looks: list[float] = []
        """When each look began."""
        self._trigger = NewRowsTrigger(model.spec, **{"interval": 0.01, **how})
        self._turn, self._trigger._take_turn = self._trigger._take_turn, self._counted
        self._events = self._trigger.run()
        self._next: asyncio.Task[TriggerEvent] | None = None

    async def event(self) -> dict[str, Any]:
        """Return the payload of the next event."""
        self._next = self._next or asyncio.create_task(anext(self._events))
        event = await asyncio.wait_for(self._next, 30)
        self._next = None
        return event.payload

    async def is_silent(self, looks: int = 3) -> bool:
        """Return whether it looks this many times and fires no event."""
        self._next = self._next or asyncio.create_task(anext(self._events))
        enough = len(self.looks) + looks + 1
        while len(self.looks) < enough and not self._next.done():
            await asyncio.sleep(0.01)
        return not self._next.done()

    async def ends(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait([self._next])
        await self._events.aclose()

    async def _counted(self) -> Any:
        self.looks.append(time.monotonic())
        return await self._turn()


def watched(model: Model, scenario: Callable[[Watch], Coroutine[Any, Any, None]], **how: Any) -> None:
    async def run() -> None:
        watch = Watch(model, **how)
        try:
            await asyncio.wait_for(scenario(watch), 60)
        finally:
            await watch.ends()

    asyncio.run(run())


def consume(model: Model) -> None:
    """Write a verdict on every row that is there now."""
    hook = RetrainHook(model.spec)
    snapshot = take_snapshot(hook.spec, source=hook.source, snapshots=hook.snapshots, ledger=hook.ledger)
    verdict = unmeasured(snapshot, f"on {snapshot.id}", hook.spec.gate)
    model.ledger.save_verdict(verdict, texts.of_verdict(verdict))


# ── when it fires


def test_below_the_threshold_it_is_silent_and_at_the_threshold_it_fires(model: Make) -> None:
    toy = model()
    toy.feed(499)

    async def scenario(watch: Watch) -> None:
        assert await watch.is_silent()
        toy.feed(1)
        assert await watch.event() == {"says": "At least 500 new labelled rows are there."}

    watched(toy, scenario)


def test_the_same_rows_fire_once_and_a_threshold_more_of_them_again(model: Make) -> None:
    """Their cycle may be running, or have failed: the trigger does not know."""
    toy = model()
    toy.feed(600)

    async def scenario(watch: Watch) -> None:
        await watch.event()
        toy.feed(399)
        assert await watch.is_silent()
        toy.feed(1)
        assert await watch.event() == {"says": "At least 1,000 new labelled rows are there."}
        assert await watch.is_silent()

    watched(toy, scenario)


def test_after_a_verdict_that_consumed_them_new_rows_fire_again(model: Make) -> None:
    toy = model()
    toy.feed(600)

    async def scenario(watch: Watch) -> None:
        await watch.event()
        consume(toy)
        assert await watch.is_silent()
        toy.feed(499)
        assert await watch.is_silent()
        toy.feed(1)
        assert await watch.event() == {"says": "At least 500 new labelled rows are there."}
        assert await watch.is_silent()

    watched(toy, scenario)


def test_after_the_longest_wait_fewer_rows_fire_and_these_too_only_once(model: Make) -> None:
    toy = model(threshold={"rows": 500, "max_wait": "1h", "min_rows": 100})
    toy.feed(99)

    async def scenario(watch: Watch) -> None:
        assert await watch.is_silent()
        toy.feed(1)
        assert "after 1h without a cycle, 100 are enough" in (await watch.event())["says"]
        assert await watch.is_silent()

    watched(toy, scenario)


def test_without_a_label_time_it_fires_as_well(model: Make) -> None:
    toy = model(source={"table": "rows", "key": "id", "label": "label", "features": ["a", "b"]})
    toy.feed(600)

    async def scenario(watch: Watch) -> None:
        await watch.event()
        consume(toy)
        toy.feed(499)
        assert await watch.is_silent()
        toy.feed(1)
        await watch.event()
        toy.feed(499)
        assert await watch.is_silent()
        toy.feed(1)
        await watch.event()

    watched(toy, scenario)


def test_it_begins_anew_in_another_triggerer(model: Make) -> None:
    toy = model()
    toy.feed(500)

    async def scenario(watch: Watch) -> None:
        await watch.event()
        assert await watch.is_silent()

    watched(toy, scenario)
    watched(toy, scenario)


def test_it_heeds_a_spec_that_was_changed(model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_rows, "_FRESH", 0)
    toy = model()
    toy.feed(300)

    async def scenario(watch: Watch) -> None:
        assert await watch.is_silent()
        toy.path.write_text(toy.path.read_text().replace("rows: 500", "rows: 300"))
        assert await watch.event() == {"says": "At least 300 new labelled rows are there."}

    watched(toy, scenario)


# ── outages


def test_while_the_database_is_down_it_goes_on_and_says_so_once(
    model: Make, postgres: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = model()
    toy.feed(500)

    async def scenario(watch: Watch) -> None:
        _let_in(postgres, toy, False)
        assert await watch.is_silent(looks=5)
        (line,) = _logged(capsys)
        assert "not currently accepting connections" in line
        _let_in(postgres, toy, True)
        await watch.event()
        (line,) = _logged(capsys)
        assert f"{toy.spec}: can look for new rows again" in line

    watched(toy, scenario)


def test_it_looks_less_and_less_often_where_it_cannot(
    model: Make, postgres: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "LONGEST_PAUSE", 0.4)
    toy = model()

    async def scenario(watch: Watch) -> None:
        _let_in(postgres, toy, False)
        assert await watch.is_silent(looks=5)
        pauses = [later - earlier for earlier, later in zip(watch.looks, watch.looks[1:], strict=False)]
        # At first it is 0.1 s. What comes on top is the look itself.
        assert [minimum for minimum, pause in zip((0.2, 0.4, 0.4, 0.4), pauses, strict=False) if pause < minimum] == []
        assert pauses[4] < 2

    watched(toy, scenario, interval=0.1)


def test_a_spec_that_breaks_does_not_end_it(
    model: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_rows, "_FRESH", 0)
    toy = model()
    toy.feed(500)
    good = toy.path.read_text()
    toy.path.write_text(good.replace("rows: 500", "rows: many"))

    async def scenario(watch: Watch) -> None:
        assert await watch.is_silent()
        (line,) = _logged(capsys)
        assert 'toy.yaml: threshold.rows = "many": input should be a valid integer' in line
        toy.path.write_text(good)
        await watch.event()

    watched(toy, scenario)


def test_a_slow_look_is_not_taken_all_day(model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_rows, "_REST", 4)
    toy = model(source={"query": "slow.sql", "key": "id", "label": "label", "features": ["a"]})
    (toy.path.parent / "slow.sql").write_text(
        "WITH slept AS MATERIALIZED (SELECT pg_sleep(0.2)) SELECT rows.* FROM rows, slept"
    )
    toy.feed(1)

    async def scenario(watch: Watch) -> None:
        assert await watch.is_silent(looks=2)
        assert watch.looks[-1] - watch.looks[-2] >= 1

    watched(toy, scenario)


# ── in a triggerer


def test_the_event_loop_goes_on_while_the_database_thinks(model: Make) -> None:
    toy = model(source={"query": "slow.sql", "key": "id", "label": "label", "features": ["a"]})
    (toy.path.parent / "slow.sql").write_text(
        "WITH slept AS MATERIALIZED (SELECT pg_sleep(1)) SELECT rows.* FROM rows, slept"
    )
    toy.feed(500)

    async def scenario(watch: Watch) -> None:
        event, ticks = asyncio.create_task(watch.event()), 0
        while not event.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert ticks > 20

    watched(toy, scenario)


def test_what_airflow_stores_of_it_makes_the_same_trigger(model: Make) -> None:
    trigger = NewRowsTrigger(model().spec, interval=2.5)
    path, kwargs = trigger.serialize()
    assert kwargs == {"spec": trigger.spec, "interval": 2.5}
    again = import_string(path)(**kwargs)
    assert isinstance(again, BaseEventTrigger)
    assert again.serialize() == trigger.serialize()
    # What tells Airflow that a watcher is the one that it had before.
    assert encode_trigger(again) == encode_trigger(trigger)


def _let_in(postgres: Running, model: Model, anybody: bool) -> None:
    name = parse_dsn(model.database.dsn)["dbname"]
    with closing(psycopg2.connect(postgres.dsn("postgres"))) as session:
        session.autocommit = True
        statement = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        session.cursor().execute(statement.format(sql.Identifier(name), sql.Literal(anybody)))


def _logged(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what the trigger has logged since the last call."""
    return [line for line in capsys.readouterr().out.splitlines() if "NewRowsTrigger" in line]
