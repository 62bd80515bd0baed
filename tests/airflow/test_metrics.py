"""Our metrics, as a StatsD server receives them."""

import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics.stats_utils import get_stats_factory
from airflow.sdk.timezone import utcnow

from retrain.messages import texts
from retrain.records import Incident, Outcome
from retrain_airflow import metrics
from retrain_airflow.operators.notify import NotifyOperator
from retrain_airflow.operators.send_outbox import SendOutboxOperator
from retrain_airflow.sensors.new_rows import NewRowsSensor
from tests.airflow.conftest import Model
from tests.inbox import Inbox

Make = Callable[..., Model]


class Statsd:
    """A StatsD server."""

    def __init__(self, at: socket.socket) -> None:
        self._at = at

    def next(self) -> tuple[str, float, str]:
        """Return the next metric: name with tags, value, kind."""
        name, _, rest = self._at.recv(2000).decode().rpartition(":")
        value, _, kind = rest.partition("|")
        return name, float(value), kind


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Statsd]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as at:
        at.bind(("127.0.0.1", 0))
        at.settimeout(30)
        settings = {"ON": "True", "HOST": "127.0.0.1", "PORT": str(at.getsockname()[1]), "INFLUXDB_ENABLED": "True"}
        for name, value in settings.items():
            monkeypatch.setenv(f"AIRFLOW__METRICS__STATSD_{name}", value)
        logger = get_stats_factory()()
        stats.initialize(factory=lambda: logger, export_legacy_names=False)
        yield Statsd(at)
        logger.statsd.close()
    monkeypatch.undo()
    stats.initialize(factory=get_stats_factory(), export_legacy_names=False)


def test_a_look_at_the_source_tells_how_many_rows_wait(model: Make, statsd: Statsd) -> None:
    toy = model()
    toy.feed(300)
    NewRowsSensor(task_id="sense", spec=toy.spec).poke({})
    assert statsd.next() == ("airflow.retrain.rows_waiting,spec=toy", 300, "g")


@pytest.mark.parametrize("outcome", Outcome)
def test_verdicts_are_counted_by_outcome(statsd: Statsd, outcome: Outcome) -> None:
    metrics.verdict("/specs/toy.yaml", outcome)
    assert statsd.next() == (f"airflow.retrain.verdict,spec=toy,outcome={outcome.value}", 1, "c")


def test_a_cycle_tells_how_long_it_took_and_another_run_does_not(model: Make, statsd: Statsd) -> None:
    context: dict[str, Any] = {"dag_run": SimpleNamespace(start_date=utcnow() - timedelta(minutes=2))}
    spec = model().spec
    NotifyOperator(task_id="notify", spec=spec).execute(context)
    assert statsd.next()[0] == "airflow.retrain.message_age,spec=toy"
    NotifyOperator(task_id="notify", spec=spec, ends_cycle=True).execute(context)
    name, milliseconds, kind = statsd.next()
    assert (name, kind) == ("airflow.retrain.cycle,spec=toy", "ms")
    assert 120_000 <= milliseconds < 180_000


def test_the_outbox_tells_how_long_its_oldest_message_waits(
    model: Make, channel: Inbox, statsd: Statsd, later: Callable[[str], None]
) -> None:
    toy = model(channels=[{"webhook": "team"}])
    send = SendOutboxOperator(task_id="send", specs=str(toy.path.parent))
    toy.ledger.announce("one", texts.of_incident(Incident(model=toy.name, what="fire", remedy="Run.")))
    channel.status = 503
    later("2 minutes")
    send.execute({})
    name, seconds, kind = statsd.next()
    assert (name, kind) == ("airflow.retrain.message_age,spec=toy", "g")
    assert 120 <= seconds < 180
    channel.status = 200
    later("2 minutes")
    send.execute({})
    assert statsd.next()[1] == 0
