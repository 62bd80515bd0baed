"""dags/retrain.py as Airflow reads it: one DAG for each spec, and a broken spec takes no other down."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable, RetryAction, TriggerRule
from airflow.sdk.exceptions import ParamValidationError
from airflow.sdk.module_loading import import_string
from airflow.serialization.serialized_objects import DagSerialization

from retrain import errors
from retrain.models import training
from retrain.spec import files as spec_files
from retrain_airflow import assets
from retrain_airflow.notifiers.incident import IncidentNotifier
from retrain_airflow.triggers.new_rows import NewRowsTrigger
from tests.airflow.conftest import DAG_FILE, REFUSED_FILE, python, toy_spec

SHIPPED = ["retrain_breast_cancer", "retrain_cover_letters", "retrain_reviews"]
TASKS = ["check", "evaluate", "hold", "promote", "sense", "take", "tell", "train"]


@pytest.fixture(scope="module")
def shipped() -> Iterator[DagBag]:
    """What the specs make that come with Retrain."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("RETRAIN_SPECS", raising=False)
        yield DagBag(DAG_FILE)


@pytest.fixture(params=SHIPPED)
def dag(shipped: DagBag, request: pytest.FixtureRequest) -> DAG:
    return shipped.dags[request.param]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[DagBag, str]]:
    """Reads the DAG files with these specs, each a text or fields; gives what is there, and all errors as one text."""
    monkeypatch.setenv("RETRAIN_SPECS", str(tmp_path))

    def read(**specs: str | dict[str, Any]) -> tuple[DagBag, str]:
        for name, spec in specs.items():
            text = spec if isinstance(spec, str) else yaml.safe_dump(spec)
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        bag, refused = DagBag(DAG_FILE), DagBag(REFUSED_FILE)
        # Airflow neither schedules nor starts a DAG whose file has an import error.
        assert bag.import_errors == {}
        assert refused.dags == {}
        return bag, "\n".join(refused.import_errors.values())

    return read


Read = Callable[..., tuple[DagBag, str]]


# ── what comes with Retrain


def test_each_spec_makes_one_dag_without_error_or_warning(shipped: DagBag) -> None:
    assert sorted(shipped.dags) == SHIPPED
    assert shipped.import_errors == {}
    assert shipped.captured_warnings == {}


def test_a_dag_is_the_line_of_the_design(dag: DAG) -> None:
    assert {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks} == {
        "sense": ["take"],
        "take": ["check", "evaluate", "train"],
        "check": ["train"],
        "train": ["evaluate"],
        "evaluate": ["hold", "promote"],
        "promote": ["tell"],
        "hold": ["tell"],
        "tell": [],
    }


def test_what_is_skipped_before_them_does_not_skip_evaluate_hold_and_tell(dag: DAG) -> None:
    lenient = {task.task_id for task in dag.tasks if task.trigger_rule == TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS}
    strict = {task.task_id for task in dag.tasks if task.trigger_rule == TriggerRule.ALL_SUCCESS}
    assert (lenient, strict) == ({"evaluate", "hold", "tell"}, {"sense", "take", "check", "train", "promote"})


def test_training_takes_of_the_workers_what_the_spec_says(read: Callable[..., tuple[DagBag, str]]) -> None:
    bag, errors = read(toy=toy_spec(workers={"at_once": 2, "pool": "gpu"}), plain=toy_spec())
    assert errors == ""
    limits = {}
    for name in ("toy", "plain"):
        task = bag.dags[f"retrain_{name}"].get_task("train")
        limits[name] = (task.max_active_tis_per_dag, task.pool)
    assert limits == {"toy": (2, "gpu"), "plain": (4, "default_pool")}


def test_each_candidate_is_trained_side_by_side_under_its_name(dag: DAG) -> None:
    train = dag.get_task("train")
    assert train.is_mapped
    assert train.expand_input.value == {"candidate": _names(dag)}
    assert train.partial_kwargs["map_index_template"] == "{{ task.candidate }}"


@pytest.mark.parametrize(
    ("dag_id", "schedule"),
    [("retrain_breast_cancer", None), ("retrain_cover_letters", "*/10 * * * *"), ("retrain_reviews", None)],
)
def test_the_schedule_is_that_of_the_spec(shipped: DagBag, dag_id: str, schedule: str | None) -> None:
    assert shipped.dags[dag_id].schedule == schedule


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
        errors.TrackerError(),
        errors.NoAnswerError(),
        errors.ChannelError(),
        OSError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_pass_is_tried_again(dag: DAG, error: Exception) -> None:
    for task in dag.tasks:
        assert task.retry_policy.evaluate(error, 1, 7).action is RetryAction.DEFAULT


def test_every_error_that_the_policy_names_is_there(dag: DAG) -> None:
    (rule,) = dag.get_task("take").retry_policy.rules
    for name in rule.exception:
        assert issubclass(import_string(name), errors.RetrainError)


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


# ── one's own specs


def test_a_model_more_is_one_yaml_and_one_function(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_own_estimators.py").write_text(
        "from sklearn.dummy import DummyClassifier\n\ndef guess(seed):\n    return DummyClassifier(random_state=seed)\n"
    )
    mine = """
model: Mine
source: {table: rows, key: id, label: label, features: [a]}
candidates:
  - {name: guess, estimator: "my_own_estimators:guess", params: {seed: 7}}
"""
    bag, told = read(mine=mine)
    assert told == ""
    assert sorted(bag.dags) == ["retrain_mine"]
    dag = bag.dags["retrain_mine"]
    assert sorted(dag.task_ids) == TASKS
    assert _names(dag) == ["guess"]
    assert training.build(_spec(dag).candidate("guess")).random_state == 7


def test_a_spec_without_schedule_runs_by_hand_and_one_with_a_preset_by_that(read: Read) -> None:
    bag, told = read(by_hand=toy_spec(), hourly=toy_spec(schedule="@hourly"))
    assert told == ""
    assert {name: dag.schedule for name, dag in bag.dags.items()} == {
        "retrain_by_hand": None,
        "retrain_hourly": "@hourly",
    }


def test_a_spec_that_wakes_on_arrival_is_started_by_its_rows_alone_or_by_the_schedule_as_well(
    read: Read, tmp_path: Path
) -> None:
    bag, told = read(
        rows=toy_spec(model="By Rows", wake="on_arrival"),
        both=toy_spec(model="Both", wake="on_arrival", schedule="*/5 * * * *"),
    )
    assert told == ""
    rows, both = bag.dags["retrain_rows"].schedule, bag.dags["retrain_both"].schedule
    assert isinstance(both, AssetOrTimeSchedule)
    assert both.timetable == CronTriggerTimetable("*/5 * * * *", timezone="UTC")
    for asset, uri, file in (
        (rows, "retrain://By%20Rows/rows", "rows.yaml"),
        (*both.asset_condition.objects, "retrain://Both/rows", "both.yaml"),
    ):
        assert isinstance(asset, Asset)
        assert (asset.name, asset.uri) == (uri, uri)
        (watcher,) = asset.watchers
        assert watcher.trigger.serialize() == NewRowsTrigger(str(tmp_path / file)).serialize()
    for dag in bag.dags.values():
        assert dag.max_active_runs == 1
        DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable.validate()


@pytest.mark.parametrize("preset", ["@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly"])
def test_a_preset_means_the_same_whether_rows_wake_the_dag_or_not(read: Read, preset: str) -> None:
    bag, told = read(one=toy_spec(schedule=preset, wake="schedule"), other=toy_spec(schedule=preset, wake="on_arrival"))
    assert told == ""
    by_time, either = bag.dags["retrain_one"].timetable, bag.dags["retrain_other"].timetable
    assert either.timetable.expression == by_time.expression != preset
    assert str(either.timetable.timezone) == by_time.timezone.name == "UTC"


def test_a_wake_that_is_none_is_told_with_file_field_value_and_remedy(read: Read) -> None:
    _, told = read(bad=toy_spec(wake="always"))
    assert "bad.yaml: wake = \"always\": input should be 'schedule' or 'on_arrival'" in told


def test_a_broken_spec_is_told_with_file_field_value_and_remedy_and_the_good_one_is_there(read: Read) -> None:
    bag, told = read(
        good=toy_spec(), bad=toy_spec(threshold={"rows": "many"}, mood="enforce"), worse="model: 3\n", worst="{"
    )
    assert sorted(bag.dags) == ["retrain_good"]
    assert 'bad.yaml: threshold.rows = "many": input should be a valid integer' in told
    assert 'bad.yaml: mood = "enforce": is not a field; did you mean mode?' in told
    assert "worse.yaml: source: is missing; add it" in told
    assert "worst.yaml: is not YAML" in told
    assert "good.yaml" not in told


@pytest.mark.parametrize("wake", ["schedule", "on_arrival"])
@pytest.mark.parametrize("schedule", ["61 * * * *", "* * * *", "@never", ""])
def test_a_schedule_that_is_none_is_told_likewise(read: Read, schedule: str, wake: str) -> None:
    bag, told = read(good=toy_spec(), bad=toy_spec(schedule=schedule, wake=wake))
    assert sorted(bag.dags) == ["retrain_good"]
    assert f"bad.yaml: schedule = {schedule!r}: " in told
    assert "write a cron expression, or e.g. @hourly" in told


def test_a_file_name_that_makes_no_dag_id_is_told_likewise(read: Read) -> None:
    bag, told = read(**{"good": toy_spec(), "my model": toy_spec()})
    assert sorted(bag.dags) == ["retrain_good"]
    assert "my model.yaml: The key 'retrain_my model' has to be made of alphanumeric characters" in told


def test_two_specs_of_one_model_make_one_dag_and_the_other_is_told(read: Read) -> None:
    spec = toy_spec(model="Twin")
    bag, told = read(one=spec, two=spec)
    assert sorted(bag.dags) == ["retrain_one"]
    assert "two.yaml: model = 'Twin': one.yaml keeps this model already; rename one" in told


def test_the_longest_name_that_a_spec_may_have_makes_a_dag(read: Read) -> None:
    bag, told = read(long=toy_spec(model="m" * 200))
    assert told == ""
    assert sorted(bag.dags) == ["retrain_long"]


def test_a_folder_of_specs_that_is_not_there_is_told(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRAIN_SPECS", str(tmp_path / "spesc"))
    _, told = read()
    assert "spesc" in told


def test_nothing_slow_is_imported_when_the_file_is_read(tmp_path: Path) -> None:
    for name in SHIPPED:
        spec = toy_spec(wake="on_arrival")
        (tmp_path / f"{name.removeprefix('retrain_')}.yaml").write_text(yaml.safe_dump(spec))
    code = (
        f"import runpy, sys; read = runpy.run_path({str(DAG_FILE)!r}); "
        f"print(*sorted(read.keys() & {set(SHIPPED)})); "
        "slow = {'matplotlib', 'mlflow', 'pandas', 'psycopg2', 'pyarrow', 'scipy', 'sklearn', 'skops'}; "
        "print(slow & sys.modules.keys())"
    )
    for specs in ("", str(tmp_path)):
        assert python(code, RETRAIN_SPECS=specs).splitlines()[-2:] == [" ".join(SHIPPED), "set()"]


def _spec(dag: DAG) -> Any:
    return spec_files.load(dag.get_task("take").spec).spec


def _names(dag: DAG) -> list[str]:
    return [candidate.name for candidate in _spec(dag).candidates]


def _fill_in(dag: DAG, field: str, value: object) -> dict[str, Any]:
    """As Airflow checks what came from the form."""
    form = deepcopy(dag.params)
    form[field] = value
    return dict(form.validate())
