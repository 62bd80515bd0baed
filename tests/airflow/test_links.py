"""Links beside a task lead to the cycle's report and to its runs, also while a person is asked."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.bases.operatorlink import BaseOperatorLink
from airflow.serialization.serialized_objects import OperatorSerialization

from retrain.cycle.evaluate import evaluate
from retrain.cycle.runs import made_of_cycle
from retrain.cycle.snapshot import take_snapshot
from retrain.cycle.train import train
from retrain.tracker.client import ExperimentTracker
from retrain_airflow.api.app import PREFIX
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.links import ReportLink, RunLink
from retrain_airflow.operators.answer import AnswerOperator
from retrain_airflow.operators.ask import AskOperator
from retrain_airflow.operators.check import CheckDataOperator
from retrain_airflow.operators.evaluate import EvaluateOperator
from retrain_airflow.operators.promote import PromoteOperator
from retrain_airflow.operators.train import TrainCandidateOperator
from tests.airflow.conftest import Model, Ti

Make = Callable[..., Model]
BASE = "https://airflow.example.org/team"


@pytest.fixture(autouse=True)
def _base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", f"{BASE}/")


def link(of: type[BaseOperatorLink], operator: Any) -> str:
    return of().get_link(operator, ti_key=Ti())  # type: ignore[arg-type]


def test_each_task_of_a_cycle_leads_to_what_it_made(model: Make, tracker: ExperimentTracker) -> None:
    toy = model()
    toy.feed(1000)
    hook = RetrainHook(toy.spec)
    cycle = hook.cycle({"dag": SimpleNamespace(dag_id="retrain_toy"), "run_id": "run 1"})  # type: ignore[typeddict-item]
    snapshot = take_snapshot(hook.spec, source=hook.source, snapshots=hook.snapshots, ledger=hook.ledger)
    candidate = train(cycle, snapshot, "whole")
    verdict = evaluate(cycle, snapshot, [candidate], dry_run=False)
    report = f"{BASE}{PREFIX}/runs/{candidate.parent_run_id}/report"
    assert made_of_cycle(cycle, snapshot.id) == candidate.parent_run_id
    known = {"task_id": "t", "spec": toy.spec}
    judging = EvaluateOperator(**known, snapshot=snapshot.to_json(), candidates=[candidate.to_json()])
    for operator in (
        judging,
        PromoteOperator(**known, verdict=verdict.to_json()),
        AnswerOperator(**known, verdict=verdict.to_json(), answer={}),
        AskOperator(**known, verdict=verdict.to_json(), wait=cycle.spec.watch.late),
    ):
        assert link(ReportLink, operator) == report
    training = TrainCandidateOperator(**known, candidate="whole", snapshot=snapshot.to_json())
    assert link(RunLink, training) == tracker.page_of_run(candidate.run_id)
    for operator in (CheckDataOperator(**known, snapshot=snapshot.to_json()), judging):
        assert link(RunLink, operator) == tracker.page_of_run(candidate.parent_run_id)


def test_what_is_not_there_yet_is_no_link(model: Make, tracker: ExperimentTracker) -> None:
    toy = model()
    before = TrainCandidateOperator(task_id="train", spec=toy.spec, candidate="whole", snapshot={"id": "s1"})
    assert link(RunLink, before) == ""
    unfilled = EvaluateOperator(task_id="evaluate", spec=toy.spec, snapshot=None, candidates=[])
    assert link(ReportLink, unfilled) == ""
    gone = CheckDataOperator(task_id="check", spec="gone.yaml", snapshot={"id": "s1"})
    assert link(RunLink, gone) == ""


@pytest.mark.parametrize(
    ("operator", "names"),
    [
        (CheckDataOperator, {"Run in MLflow"}),
        (TrainCandidateOperator, {"Run in MLflow"}),
        (EvaluateOperator, {"Report", "Run in MLflow"}),
        (AskOperator, {"Report"}),
        (AnswerOperator, {"Report"}),
        (PromoteOperator, {"Report", "Run in MLflow"}),
    ],
)
def test_airflow_offers_the_links_without_importing_them(operator: Any, names: set[str]) -> None:
    written = OperatorSerialization._serialize_operator_extra_links(operator.operator_extra_links)
    assert written.keys() == names
    read = OperatorSerialization._deserialize_operator_extra_links(written)
    assert {each.name for each in read.values()} == names


def test_the_pages_of_a_cycle_are_airflows(model: Make, tracker: ExperimentTracker) -> None:
    cycle = RetrainHook(model().spec).cycle_of("retrain_toy", "run 1/2")
    assert cycle.page == f"{BASE}/dags/retrain_toy/runs/run%201/2"
    assert cycle.api == BASE + PREFIX
    assert cycle.rollback == ("retrain-rollback", f"{BASE}/dags/retrain-rollback")
