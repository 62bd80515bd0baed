"""A person is asked between verdict and promotion: its tasks, and what each answer leads to."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import DownstreamTasksSkipped

from retrain.cycle.evaluate import evaluate
from retrain.cycle.snapshot import take_snapshot
from retrain.cycle.train import train
from retrain.messages import texts
from retrain.records import Outcome, Verdict
from retrain.spec.source import Split
from retrain.topics import Level
from retrain.tracker.client import ExperimentTracker
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.operators.answer import AnswerOperator
from retrain_airflow.operators.ask import AskOperator
from tests.airflow.conftest import DAG_FILE, Model, Ti
from tests.core.messages.test_texts import verdict as made
from tests.inbox import Inbox

Make = Callable[..., Model]


@pytest.fixture
def toy(model: Make, tracker: ExperimentTracker) -> Model:
    toy = model(approval="person", channels=[{"webhook": "team"}])
    toy.ledger.begin_model(toy.name, Split(), announcement=texts.of_split_version)
    return toy


def verdict(toy: Model, *, production: str | None = None) -> Verdict:
    found = made(Outcome.PROMOTE, "It is better.")
    matchup = found.matchup.model_copy(update={"model": toy.name, "production": production, "version": "2"})
    return found.model_copy(update={"matchup": matchup})


def answer(toy: Model, verdict: Verdict, chosen: str, by: str | None = "kim") -> tuple[str, Any]:
    """Returns the task that the answer leads to, and the name of the user that is pushed."""
    with DAG("retrain_toy", schedule=None):
        task = AnswerOperator(
            task_id="answer",
            spec=toy.spec,
            verdict=verdict.to_json(),
            answer={"chosen_options": [chosen], "responded_by_user": by and {"id": by, "name": by}},
        )
        task >> [EmptyOperator(task_id=each) for each in ("promote", "hold", "again")]
    ti = Ti(task=task, task_id="answer")
    context = {"dag": SimpleNamespace(dag_id="retrain_toy"), "run_id": "run 1", "ti": ti}
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        task.execute(context)  # type: ignore[arg-type]
    (left,) = {"promote", "hold", "again"} - {task_id for task_id, _ in skipped.value.tasks}
    return left, ti.pushed["return_value"]


def test_a_spec_that_wants_an_approval_has_its_tasks_between_verdict_and_promotion(model: Make) -> None:
    toy = model(approval={"users": ["kim", "lee"], "wait": "36h"})
    bag = DagBag(DAG_FILE)
    assert bag.import_errors == {}
    dag = bag.dags["retrain_toy"]
    assert {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks[-7:]} == {
        "evaluate": ["answer", "ask", "hold", "promote"],
        "ask": ["answer"],
        "answer": ["again", "hold", "promote"],
        "again": ["notify"],
        "promote": ["notify"],
        "hold": ["notify"],
        "notify": [],
    }
    assert dag.get_task("evaluate").to_promote == "ask"
    ask = dag.get_task("ask")
    assert (ask.spec, ask.response_timeout, ask.defaults) == (toy.spec, timedelta(hours=36), ["Hold"])
    assert ask.assigned_users == [{"id": "kim", "name": "kim"}, {"id": "lee", "name": "lee"}]
    assert dag.get_task("again").trigger_dag_id == "{{ dag.dag_id }}"
    assert all(task.doc_md for task in dag.tasks)


def test_the_team_hears_where_to_answer_and_the_form_has_the_numbers(
    toy: Model, channel: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HITLOperator, "execute", lambda *_: "waits")
    ask = AskOperator(task_id="ask", spec=toy.spec, verdict=verdict(toy).to_json(), wait=timedelta(days=3))
    ti = Ti(task=ask, task_id="ask")
    for _ in range(2):
        assert ask.execute({"ti": ti}) == "waits"  # type: ignore[arg-type]
    (post,) = channel.posts
    message = post.body
    assert message["headline"].startswith(
        f"{toy.name}: version 2 (linear) waits for an approval. PROMOTE: It is better."
    )
    day = (datetime.now(UTC) + timedelta(days=3)).date()
    assert message["act"].startswith(f"Anyone who may approve: answer in Airflow. Without an answer by {day}")
    ((what, address),) = message["links"]
    assert what == "Answer in Airflow"
    assert address.endswith("/dags/retrain_toy/runs/run 1/tasks/ask/required_actions?map_index=-1")
    assert ask.subject == f"Promote version 2 (linear) of {toy.name}?"
    assert "| difference | \\+0.1" in ask.body


def test_who_is_asked_finds_the_report_which_then_says_what_was_answered(
    model: Make, tracker: ExperimentTracker, channel: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HITLOperator, "execute", lambda *_: "waits")
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example.org")
    toy = model(approval="person", channels=[{"webhook": "team"}])
    toy.feed(1000)
    hook = RetrainHook(toy.spec)
    cycle = hook.cycle_of("retrain_toy", "run 1")
    snapshot = take_snapshot(hook.spec, source=hook.source, snapshots=hook.snapshots, ledger=hook.ledger)
    trained = train(cycle, snapshot, "whole")
    judged = evaluate(cycle, snapshot, [trained], dry_run=False)

    def report() -> str:
        return tracker.download_artifact(trained.parent_run_id, "report/report.md", tmp_path).read_text("utf-8")

    ask = AskOperator(task_id="ask", spec=toy.spec, verdict=judged.to_json(), wait=timedelta(days=3))
    ask.execute({"ti": Ti(task=ask, task_id="ask")})  # type: ignore[arg-type]
    assert "a person is asked whether version 1 takes its place" in report()
    address = f"http://airflow.example.org/api/experiments/runs/{trained.parent_run_id}/report"
    assert [dict(post.body["links"])["Report"] for post in channel.posts] == [address, address]
    answer(toy, judged, "Hold")
    assert "Version 1 does not go into Production, says kim." in report()


@pytest.mark.parametrize(
    ("chosen", "by", "production", "next_", "says"),
    [
        ("Promote", "kim", None, "promote", "version 2 was approved by kim."),
        ("Hold", "kim", None, "hold", "version 2 does not go into Production, says kim."),
        ("Hold", None, None, "hold", "nobody answered in time whether version 2 goes into Production"),
        ("Promote", "kim", "7", "again", "was approved by kim. But Production has changed while it waited"),
        ("Hold", "kim", "7", "hold", "version 2 does not go into Production, says kim."),
    ],
)
def test_what_is_said_is_done_unless_production_has_changed(
    toy: Model, chosen: str, by: str | None, production: str | None, next_: str, says: str
) -> None:
    judged = verdict(toy, production=production)
    for _ in range(2):
        assert answer(toy, judged, chosen, by) == (next_, by)
    (announcement,) = toy.waiting()
    assert says in announcement.headline
    assert announcement.level is (Level.WARNING if by is None or next_ == "again" else Level.INFO)


def test_what_was_frozen_meanwhile_is_held(toy: Model) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    toy.ledger.freeze("a freeze", toy.name, until=until, by="lee", why="연말 동결", announcement=texts.of_freeze)
    assert answer(toy, verdict(toy), "Promote")[0] == "hold"


def test_a_model_without_an_approval_has_none_of_its_tasks(model: Make, tmp_path: Path) -> None:
    model()
    dag = DagBag(DAG_FILE).dags["retrain_toy"]
    assert {"ask", "answer", "again"}.isdisjoint(dag.task_ids)
    assert dag.get_task("evaluate").to_promote == "promote"
