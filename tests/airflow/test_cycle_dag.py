"""The DAG of a cycle, for the specs that come with Retrain: its tasks, retries and trigger form."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, RetryAction, TriggerRule
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization

from retrain import errors
from retrain.spec import files as spec_files
from retrain_airflow import assets
from retrain_airflow.notifiers.incident import IncidentNotifier
from stack.home import SPECS
from tests.airflow.conftest import CYCLE_TASKS as TASKS
from tests.airflow.conftest import DAG_FILE, SHIPPED


@pytest.fixture(scope="module")
def shipped() -> Iterator[DagBag]:
    """The DAGs of the specs that come with Retrain."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RETRAIN_SPECS", str(SPECS))
        yield DagBag(DAG_FILE)


@pytest.fixture(params=SHIPPED)
def dag(shipped: DagBag, request: pytest.FixtureRequest) -> DAG:
    return shipped.dags[request.param]


# ── tasks


def test_each_spec_makes_its_dags_without_error_or_warning(shipped: DagBag) -> None:
    once = ["retrain-adopt", "retrain-freeze", "retrain-outbox", "retrain-rollback", "retrain-watch"]
    assert sorted(shipped.dags) == [*once, *SHIPPED]
    assert shipped.import_errors == {}
    assert shipped.captured_warnings == {}


def test_a_dag_is_the_line_of_the_design(dag: DAG) -> None:
    assert {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks} == {
        "sense": ["snapshot"],
        "snapshot": ["check", "prepare", "train"],
        "check": ["prepare"],
        "prepare": ["train"],
        "train": ["evaluate"],
        "evaluate": ["hold", "promote"],
        "promote": ["notify"],
        "hold": ["notify"],
        "notify": [],
    }


def test_what_is_skipped_or_failed_before_them_does_not_skip_evaluate_hold_and_tell(dag: DAG) -> None:
    assert dag.get_task("evaluate").trigger_rule == TriggerRule.ALL_DONE_MIN_ONE_SUCCESS
    lenient = {task.task_id for task in dag.tasks if task.trigger_rule == TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS}
    strict = {task.task_id for task in dag.tasks if task.trigger_rule == TriggerRule.ALL_SUCCESS}
    assert (lenient, strict) == ({"hold", "notify"}, {"sense", "snapshot", "check", "prepare", "train", "promote"})


def test_each_candidate_is_trained_side_by_side_under_its_name(dag: DAG) -> None:
    train = dag.get_task("train")
    assert train.is_mapped
    (argument,) = train.expand_input.value.values()
    assert (argument.operator.task_id, argument.key) == ("prepare", "return_value")
    assert train.partial_kwargs["map_index_template"] == "{{ task.candidate }}"


@pytest.mark.parametrize(
    ("dag_id", "schedule"),
    [("retrain_breast_cancer", None), ("retrain_cover_letters", "*/10 * * * *"), ("retrain_reviews", None)],
)
def test_the_schedule_is_that_of_the_spec(shipped: DagBag, dag_id: str, schedule: str | None) -> None:
    found = shipped.dags[dag_id].schedule
    assert getattr(found, "expression", None) == schedule


def test_runs_come_one_at_a_time_and_missed_ones_are_not_made_up_for(dag: DAG) -> None:
    assert dag.max_active_runs == 1
    assert dag.catchup is False


def test_whoever_is_on_call_reads_beside_each_task_what_to_do(dag: DAG) -> None:
    texts = {task.task_id: task.doc_md for task in dag.tasks}
    assert sorted(texts) == TASKS
    assert len({text for text in texts.values() if text}) == len(TASKS)
    spec = _spec(dag)
    assert spec.description in dag.doc_md
    assert f"`{spec.source.table or spec.source.query}`" in dag.doc_md
    assert str(spec.threshold) in dag.doc_md
    assert "{" not in dag.doc_md
    assert dag.tags == {"retrain", spec.model}


def test_what_is_in_production_is_an_outlet_of_promote_alone(dag: DAG) -> None:
    outlets = {task.task_id: task.outlets for task in dag.tasks if task.outlets}
    assert outlets == {"promote": [assets.production(_spec(dag).model)]}


def test_a_failure_is_told_by_every_task(dag: DAG) -> None:
    for task in dag.tasks:
        (notifier,) = task.on_failure_callback
        assert isinstance(notifier, IncidentNotifier)
        assert spec_files.load(notifier.spec).dag_id == dag.dag_id


def test_a_file_that_is_read_again_makes_no_new_version(shipped: DagBag) -> None:
    again = DagBag(DAG_FILE)
    assert again.dags.keys() == shipped.dags.keys()
    for name, dag in shipped.dags.items():
        assert DagSerialization.to_dict(dag) == DagSerialization.to_dict(again.dags[name])


# ── retries


def test_tasks_outlast_an_outage_of_half_an_hour_and_never_wait_long_after_it(dag: DAG) -> None:
    for task in dag.tasks:
        waits = [
            min(task.retry_delay * task.retry_exponential_backoff**tried, task.max_retry_delay)
            for tried in range(task.retries)
        ]
        assert waits[0] == timedelta(seconds=30)
        assert max(waits) == timedelta(minutes=5)
        assert timedelta(minutes=30) <= sum(waits, timedelta()) < timedelta(minutes=35)


@pytest.mark.parametrize(
    "name",
    [
        "SettingsError",
        "SpecError",
        "SourceMismatchError",
        "BlockedDataError",
        "EstimatorError",
        "UntrustedModelError",
        "StaleVerdictError",
        "RollbackError",
    ],
)
def test_what_no_retry_can_help_fails_at_once(dag: DAG, name: str) -> None:
    error = getattr(errors, name)("it is as it is")
    for task in dag.tasks:
        assert task.retry_policy.evaluate(error, 1, 7).action is RetryAction.FAIL


@pytest.mark.parametrize(
    "error",
    [
        errors.LedgerError(),
        errors.SourceError(),
        errors.SnapshotError(),
        errors.NoAnswerError(),
        errors.ChannelError(),
        OSError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_pass_is_tried_again(dag: DAG, error: Exception) -> None:
    for task in dag.tasks:
        assert task.retry_policy.evaluate(error, 1, 7).action is RetryAction.DEFAULT


# ── the trigger form


def test_the_trigger_form_asks_five_things_and_the_defaults_are_a_whole_cycle(dag: DAG) -> None:
    fields = {name: (param.value, param.schema["type"]) for name, param in dag.params.items()}
    assert fields == {
        "ignore_threshold": (False, "boolean"),
        "dry_run": (False, "boolean"),
        "candidates": (_names(dag), "array"),
        "note": (None, ["null", "string"]),
        "force": (None, ["null", "string"]),
    }
    assert all(param.schema["title"] for _, param in dag.params.items())
    # With examples, Airflow offers the names to tick instead of a field for JSON.
    assert dag.params.get_param("candidates").schema["examples"] == _names(dag)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("candidates", ["nobody"]),
        ("candidates", []),
        ("candidates", None),
        ("candidates", "words"),
        ("note", "x" * 1001),
        ("note", 3),
        ("force", ""),
        ("force", True),
        ("dry_run", "yes"),
        ("dry_run", None),
        ("ignore_threshold", 1),
    ],
)
def test_the_trigger_form_refuses(dag: DAG, field: str, value: object) -> None:
    with pytest.raises(ParamValidationError):
        _fill_in(dag, field, value)


def test_the_trigger_form_takes_some_of_the_candidates_and_a_note(dag: DAG) -> None:
    some = _names(dag)[1:]
    assert _fill_in(dag, "candidates", some)["candidates"] == some
    assert _fill_in(dag, "note", "x" * 1000)["note"] == "x" * 1000


def _spec(dag: DAG) -> Any:
    return spec_files.load(dag.get_task("snapshot").spec).spec


def _names(dag: DAG) -> list[str]:
    return [candidate.name for candidate in _spec(dag).candidates]


def _fill_in(dag: DAG, field: str, value: object) -> dict[str, Any]:
    """As Airflow checks what came from the form."""
    form = deepcopy(dag.params)
    form[field] = value
    return dict(form.validate())
