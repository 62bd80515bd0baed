"""The DAG `retrain-outbox`, and the trigger that wakes it, against a real PostgreSQL."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable
from airflow.sdk.module_loading import import_string
from airflow.serialization.encoders import encode_trigger
from airflow.serialization.serialized_objects import DagSerialization
from airflow.triggers.base import BaseEventTrigger

from retrain.messages import texts
from retrain.records import Incident
from retrain_airflow.operators.send_outbox import SendOutboxOperator
from retrain_airflow.triggers import messages_due
from retrain_airflow.triggers.messages_due import MessagesDueTrigger
from tests.airflow.conftest import DAG_FILE, Model
from tests.inbox import Inbox

Make = Callable[..., Model]
TEAM = [{"webhook": "team"}]


def test_it_runs_when_a_message_is_due_and_every_hour_and_nobody_has_to_switch_it_on(model: Make) -> None:
    model()
    dag = DagBag(DAG_FILE).dags["retrain-outbox"]
    assert dag.is_paused_upon_creation is False
    assert dag.max_active_runs == 1
    assert isinstance(dag.schedule, AssetOrTimeSchedule)
    assert dag.schedule.timetable == CronTriggerTimetable("17 * * * *", timezone="UTC", run_immediately=timedelta(0))
    assert dag.start_date is None
    (asset,) = dag.schedule.asset_condition.objects
    (watcher,) = asset.watchers
    assert watcher.trigger.serialize() == MessagesDueTrigger("retrain_state").serialize()
    DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable.validate()


# ── the trigger


def test_what_airflow_stores_of_it_makes_the_same_trigger() -> None:
    trigger = MessagesDueTrigger("ledger", interval=2.5)
    path, kwargs = trigger.serialize()
    again = import_string(path)(**kwargs)
    assert isinstance(again, BaseEventTrigger)
    assert again.serialize() == trigger.serialize()
    assert encode_trigger(again) == encode_trigger(trigger)


class Looks:
    """The looks of one trigger, at a time that the test chooses."""

    def __init__(self) -> None:
        self._trigger = MessagesDueTrigger("retrain_state")
        self._now = 0.0

    def after(self, seconds: float) -> list[str]:
        """Return the models for which it fires, so many seconds later."""
        self._now += seconds
        return self._trigger._to_wake(self._trigger._look(), self._now)


@pytest.fixture
def unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a message count as forgotten at once."""
    monkeypatch.setattr(messages_due, "_UNSENT", timedelta(0))


def announce(model: Model, key: str) -> None:
    model.ledger.announce(key, texts.of_incident(Incident(model=model.name, what="fire", remedy="Run.")))


def send(model: Model) -> int:
    return SendOutboxOperator(task_id="send", specs=str(model.path.parent)).execute({})


def test_a_message_that_whoever_made_it_is_about_to_send_wakes_nobody(model: Make) -> None:
    toy, looks = model(), Looks()
    announce(toy, "one")
    assert looks.after(0) == []


def test_a_message_that_nobody_sends_wakes_the_outbox_at_once_and_then_less_and_less_often(
    model: Make, unsent: None
) -> None:
    toy, looks = model(), Looks()
    assert looks.after(0) == []
    announce(toy, "one")
    fired = [second for second in range(0, 4 * 3600, 20) if looks.after(20) == [toy.name]]
    assert fired == [0, 60, 180, 420, 900, 1860, 3780, 7380, 10980]
    assert send(toy) == 1
    assert looks.after(20) == []


def test_another_message_wakes_it_again_at_once(model: Make, unsent: None) -> None:
    toy, looks = model(), Looks()
    announce(toy, "one")
    assert looks.after(0) == [toy.name]
    assert looks.after(20) == []
    announce(toy, "two")
    assert looks.after(20) == [toy.name]


def test_a_channel_that_is_down_wakes_it_when_its_pause_is_over_and_not_before(
    model: Make, unsent: None, channel: Inbox, later: Callable[[str], None]
) -> None:
    toy, looks = model(channels=TEAM), Looks()
    announce(toy, "one")
    channel.status = 503
    send(toy)
    announce(toy, "two")  # behind it, and so it waits as well
    send(toy)
    assert looks.after(20) == []
    later("1 minute")
    assert looks.after(20) == [toy.name]
    send(toy)
    assert looks.after(20) == []
    channel.status = 200
    later("2 minutes")
    assert looks.after(20) == [toy.name]
    send(toy)
    assert looks.after(20) == []
    assert toy.ledger.models_waiting() == set()


def test_a_message_that_a_sender_left_half_done_wakes_it(model: Make, unsent: None, channel: Inbox) -> None:
    toy, looks = model(channels=TEAM), Looks()
    announce(toy, "one")
    with toy.ledger.next_delivery(toy.name, "log", old=timedelta(days=1)) as delivery:
        assert delivery is not None
        delivery.end("delivered")  # and here it was killed
    assert looks.after(20) == [toy.name]


def test_a_day_of_a_channel_that_is_down_wakes_it_some_thirty_times(
    model: Make, unsent: None, channel: Inbox, later: Callable[[str], None]
) -> None:
    """Each look moves the clock of the ledger by so much."""
    toy, looks, woken = model(channels=TEAM), Looks(), 0
    announce(toy, "one")
    channel.status = 503
    for _ in range(24 * 12):
        if looks.after(300):
            woken += 1
            send(toy)
        later("5 minutes")
    assert 24 <= woken <= 40
