"""The DAG `retrain-adopt`: a Production of somebody else's, from a trigger form that asks what the person trusts."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from sklearn.linear_model import LogisticRegression

from retrain.errors import AdoptionError
from retrain.production.mode import mode_of
from retrain.spec.operation import Mode
from retrain.tracker.client import ExperimentTracker
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.operators.adopt import AdoptOperator
from tests.airflow.conftest import DAG_FILE, Model
from tests.faults import by_hand

Make = Callable[..., Model]


def run(toy: Model, run_id: str = "run 1", **form: Any) -> str:
    context = {"dag": SimpleNamespace(dag_id="retrain-adopt"), "run_id": run_id}
    operator = AdoptOperator(task_id="adopt", spec=toy.spec, why="it was here before us", by="kim", **form)
    return operator.execute(context)  # type: ignore[arg-type]


@pytest.fixture
def theirs(model: Make, tracker: ExperimentTracker) -> Model:
    """A model whose version 1 is a pickle in stage Production."""
    toy = model()
    toy.feed(200)
    by_hand.log_pickle(tracker, toy.name, LogisticRegression(), stage="Production")
    return toy


def test_the_form_offers_the_models_and_takes_what_a_person_has_seen(model: Make) -> None:
    toy = model()
    dag = DagBag(DAG_FILE).dags["retrain-adopt"]
    assert dag.is_paused_upon_creation is False
    assert dag.params.get_param("model").schema["enum"] == [toy.name]
    assert dag.params.get_param("format").schema["enum"] == [None, "skops", "cloudpickle", "pickle"]
    assert sorted(dag.task_dict) == ["adopt", "notify"]


def test_the_first_run_says_what_the_files_are_and_the_second_adopts_them(
    theirs: Model, tracker: ExperimentTracker
) -> None:
    with pytest.raises(AdoptionError, match="nothing was adopted yet") as shown:
        run(theirs)
    assert "Loading it can run any code" in str(shown.value)
    (digest,) = re.findall("digest: ([0-9a-f]{64})", str(shown.value))
    with pytest.raises(AdoptionError, match="and that of its files is"):
        run(theirs, format="cloudpickle", digest="0" * 12)
    assert tracker.production(theirs.name) is None
    told = f"version 1 of {theirs.name} is adopted, and is in Production"
    assert run(theirs, "run 2", format="cloudpickle", digest=digest[:12], none="False") == told
    assert run(theirs, "run 2", format="cloudpickle", digest=digest[:12]) == told, "a task that is run again"
    assert tracker.production(theirs.name) == "1"
    (row,) = theirs.ledger.history(theirs.name)
    assert (row.by, row.why) == ("kim in retrain-adopt, run run 2", "it was here before us")
    assert mode_of(RetrainHook(theirs.spec).spec, theirs.ledger) is Mode.OBSERVE


def test_a_person_says_that_it_is_not_production(theirs: Model, tracker: ExperimentTracker) -> None:
    assert run(theirs, none="True").endswith("version 1 (stage Production) does not count as Production")
    assert theirs.ledger.dismissed(theirs.name) != set()
    assert tracker.production(theirs.name) is None
