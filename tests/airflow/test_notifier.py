"""Messages about a task that has failed, with a real PostgreSQL and a real web hook."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from retrain.errors import BlockedDataError
from retrain.messages import texts
from retrain.records import Incident
from retrain_airflow.notifiers.incident import IncidentNotifier
from retrain_airflow.notifiers.recovery import RecoveryNotifier
from tests.airflow.conftest import Model, Ti, connection_to
from tests.inbox import Inbox

Make = Callable[..., Model]
TEAM = [{"webhook": "team"}]


def failed(**fields: Any) -> dict[str, Any]:
    """The context of a task that has failed."""
    return {"ti": Ti(**fields), "exception": RuntimeError("the kettle is on fire")}


def keys(channel: Inbox) -> list[str]:
    return [post.body["key"] for post in channel.posts]


def tasks(channel: Inbox) -> list[str]:
    return [post.body["facts"]["facts"]["task_id"] for post in channel.posts]


def test_the_team_reads_which_task_failed_why_and_what_to_do(model: Make, channel: Inbox) -> None:
    toy = model(channels=TEAM)
    IncidentNotifier(spec=toy.spec)(failed(map_index=1))
    (post,) = channel.posts
    message = post.body
    assert message["key"].startswith("fault/")
    assert (message["model"], message["kind"]) == (toy.name, "incident")
    assert message["headline"].startswith(f"{toy.name}: task train of run run 1 failed: the kettle is on fire.")
    assert "clear the task" in message["act"]
    assert message["links"] == [["Log in Airflow", "http://airflow.example.org/log"]]
    assert message["facts"]["facts"] == {
        "dag_id": "retrain_toy",
        "run_id": "run 1",
        "task_id": "train",
        "log_url": "http://airflow.example.org/log",
    }
    assert toy.waiting() == []


def test_a_task_that_fails_without_an_error_was_killed(model: Make, channel: Inbox) -> None:
    IncidentNotifier(spec=model(channels=TEAM).spec)({"ti": Ti()})
    assert "its process was killed" in channel.headlines[0]


def test_each_task_and_each_kind_of_failure_is_told_once(model: Make, channel: Inbox) -> None:
    notifier = IncidentNotifier(spec=model(channels=TEAM).spec)
    tries: list[dict[str, Any]] = [{}, {"map_index": 1}, {"task_id": "snapshot"}, {"dag_id": "retrain-rollback"}]
    for fields in tries + tries:
        notifier(failed(**fields))
    notifier({**failed(), "exception": ValueError("no kettle")})
    assert len(set(keys(channel))) == len(keys(channel)) == len(tries) + 1


def test_what_fails_again_and_again_is_folded_until_it_is_well(model: Make, channel: Inbox) -> None:
    toy = model(channels=TEAM)
    notifier = IncidentNotifier(spec=toy.spec)
    for number in range(1, 5):
        notifier(failed(run_id=f"run {number}"))
    first, second, fourth = channel.headlines
    assert "of run run 1 failed: the kettle is on fire." in first
    assert "of run run 2 failed: the kettle is on fire. (2 times since " in second
    assert "of run run 4 failed: the kettle is on fire. (4 times since " in fourth
    RecoveryNotifier(spec=toy.spec)({"ti": Ti(task_id="snapshot")})
    assert len(channel.headlines) == 3
    RecoveryNotifier(spec=toy.spec)({"ti": Ti()})
    over = channel.headlines[3]
    assert over.startswith(f"{toy.name}: recovered. It was: task train of run run 4 failed")


def test_what_the_core_has_told_of_is_delivered_and_not_told_again(model: Make, channel: Inbox) -> None:
    toy = model(channels=TEAM)
    blocked = Incident(model=toy.name, what="the data is blocked.", remedy="Look at it.")
    toy.ledger.announce("blocked/1", texts.of_incident(blocked))
    IncidentNotifier(spec=toy.spec)({"ti": Ti(task_id="check"), "exception": BlockedDataError("the data is blocked.")})
    assert keys(channel) == ["blocked/1"]


def test_without_a_channel_it_is_told_in_the_log(model: Make, caplog: pytest.LogCaptureFixture) -> None:
    toy = model()
    IncidentNotifier(spec=toy.spec)(failed())
    assert f"{toy.name}: task train of run run 1 failed" in caplog.text
    assert toy.waiting() == []


def test_a_channel_that_refuses_delays_it_and_the_order_stays(
    model: Make, channel: Inbox, later: Callable[[str], None]
) -> None:
    notifier = IncidentNotifier(spec=model(channels=TEAM).spec)
    channel.status = 503
    notifier(failed(task_id="sense"))
    channel.status = 200
    notifier(failed(task_id="snapshot"))
    assert tasks(channel) == ["sense"]  # its pause is not over
    later("1 minute")
    notifier(failed(task_id="train"))
    assert tasks(channel) == ["sense", "sense", "snapshot", "train"]


def test_a_channel_that_is_down_leaves_it_in_the_outbox(
    model: Make, closed_port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    toy = model(channels=TEAM)
    monkeypatch.setenv("AIRFLOW_CONN_TEAM", f"http://127.0.0.1:{closed_port}")
    IncidentNotifier(spec=toy.spec)(failed())
    assert "webhook team: web hook at 127.0.0.1: no answer: ConnectError; again in 30 s" in caplog.text
    assert [announcement.kind for announcement in toy.waiting()] == ["incident"]


def test_a_web_hook_without_a_connection_leaves_it_in_the_outbox(model: Make) -> None:
    toy = model(channels=[{"webhook": "nobody"}])
    IncidentNotifier(spec=toy.spec)(failed())
    assert [announcement.kind for announcement in toy.waiting()] == ["incident"]


def test_a_dag_may_have_a_korean_name(model: Make, channel: Inbox) -> None:
    IncidentNotifier(spec=model(channels=TEAM).spec)(failed(dag_id="retrain_자기소개서"))
    assert channel.posts[0].body["facts"]["facts"]["dag_id"] == "retrain_자기소개서"


def test_a_run_that_fails_as_a_whole_or_misses_its_deadline_is_told_once(model: Make, channel: Inbox) -> None:
    toy = model(channels=TEAM)
    whole = {"dag_run": SimpleNamespace(dag_id="deploy", run_id="run 1"), "ti": Ti(), "reason": "timed_out"}
    late = {"dag_run": {"dag_id": "deploy", "dag_run_id": "run 1"}, "deadline": {"id": "d1"}}
    for _ in range(2):
        IncidentNotifier(spec=toy.spec)(whole)

        async def wait() -> None:
            await IncidentNotifier(spec=toy.spec, context=late)  # type: ignore[arg-type]

        asyncio.run(wait())
    assert channel.headlines == [
        f"{toy.name}: run run 1 of deploy failed: timed_out.",
        f"{toy.name}: run run 1 of deploy has missed its deadline.",
    ]


def test_the_ledger_may_be_behind_another_connection(
    model: Make, channel: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = model(channels=TEAM, connections={"ledger": "ledger"})
    monkeypatch.delenv("AIRFLOW_CONN_RETRAIN_STATE")
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", connection_to(toy.database))
    IncidentNotifier(spec=toy.spec)(failed())
    assert len(channel.posts) == 1


def test_the_path_of_the_spec_is_a_template() -> None:
    assert IncidentNotifier.template_fields == RecoveryNotifier.template_fields == ("spec",)
