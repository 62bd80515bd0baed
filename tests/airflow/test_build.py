"""dags/retrain_dags.py as Airflow reads it: all DAGs of a folder of specs, and a broken spec takes no other down."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable
from airflow.sdk.definitions.context import _AIRFLOW_PARSING_CONTEXT_DAG_ID as DAG_OF_TASK
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.file import might_contain_dag

from retrain.errors import SpecError
from retrain.models import training
from retrain.spec import files as spec_files
from retrain_airflow.triggers.new_rows import NewRowsTrigger
from stack.home import SPECS
from tests.airflow.conftest import CYCLE_TASKS as TASKS
from tests.airflow.conftest import DAG_FILE, SHIPPED, python, toy_spec

REFUSED = "retrain-refused-specs"


@pytest.fixture
def parse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, DAG]]:
    """Parses the DAG file with these specs, each a text or fields."""
    monkeypatch.setenv("RETRAIN_SPECS", str(tmp_path))

    def parse(**specs: str | dict[str, Any]) -> dict[str, DAG]:
        for name, spec in specs.items():
            text = spec if isinstance(spec, str) else yaml.safe_dump(spec)
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        bag = DagBag(DAG_FILE)
        # Airflow neither schedules nor starts a DAG whose file has an import error.
        assert bag.import_errors == {}
        return bag.dags

    return parse


Parse = Callable[..., dict[str, DAG]]


@pytest.fixture
def read(parse: Parse) -> Callable[..., tuple[dict[str, DAG], str]]:
    """Returns the DAGs of the specs' cycles, and all faults as one text."""

    def read(**specs: str | dict[str, Any]) -> tuple[dict[str, DAG], str]:
        dags = parse(**specs)
        faults = "\n".join(dags[REFUSED].get_task("refuse").faults) if REFUSED in dags else ""
        return {name: dag for name, dag in dags.items() if name.startswith("retrain_")}, faults

    return read


Read = Callable[..., tuple[dict[str, DAG], str]]


# ── one file


def test_the_file_is_enough_for_all_dags(parse: Parse) -> None:
    assert sorted(parse(toy=toy_spec())) == [
        "retrain-adopt",
        "retrain-freeze",
        "retrain-outbox",
        "retrain-rollback",
        "retrain-watch",
        "retrain_toy",
    ]


def test_the_file_looks_to_airflow_like_one_that_has_dags() -> None:
    assert might_contain_dag(str(DAG_FILE), safe_mode=True)


READS_AGAIN = """
import os, sys
from pathlib import Path
import retrain_airflow.dags.build
from airflow.dag_processing.dagbag import DagBag
for name in ("one", "two"):
    (Path(os.environ["RETRAIN_SPECS"]) / f"{name}.yaml").write_text(sys.argv[1].replace("NAME", name))
    if os.fork() == 0:
        print(sorted(id for id in DagBag(sys.argv[2]).dags if id.startswith("retrain_")), flush=True)
        os._exit(0)
    os.wait()
"""


def test_a_new_spec_is_a_dag_at_the_next_parse_in_a_process_that_has_imported_us_before(tmp_path: Path) -> None:
    spec = yaml.safe_dump(toy_spec(model="NAME"))
    printed = python(READS_AGAIN, spec, str(DAG_FILE), RETRAIN_SPECS=str(tmp_path))
    found = [line for line in printed.splitlines() if line.startswith("[")]  # Airflow's log stands between them
    assert found == ["['retrain_one']", "['retrain_one', 'retrain_two']"]


def test_a_task_that_is_run_finds_its_dag_and_waits_for_no_other(parse: Parse, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = {"one": toy_spec(model="One"), "two": toy_spec(model="Two"), "bad": "{"}
    every = parse(**specs)
    assert {"retrain_one", "retrain-watch", REFUSED} < every.keys()
    for dag_id in every:
        monkeypatch.setenv(DAG_OF_TASK, dag_id)
        found = parse()
        assert dag_id in found
        if dag_id.endswith("_one"):
            assert "retrain_two" not in found


def test_nothing_slow_is_imported_when_the_file_is_read(tmp_path: Path) -> None:
    for name in SHIPPED:
        spec = toy_spec(wake="on_arrival")
        (tmp_path / f"{name.removeprefix('retrain_')}.yaml").write_text(yaml.safe_dump(spec))
    code = (
        # As in `python dags/retrain_dags.py`: no file there may shadow a package.
        f"import runpy, sys; sys.path.insert(0, {str(DAG_FILE.parent)!r}); read = runpy.run_path({str(DAG_FILE)!r}); "
        f"print(*sorted(read.keys() & {set(SHIPPED)})); "
        "slow = {'matplotlib', 'mlflow', 'pandas', 'psycopg2', 'pyarrow', 'scipy', 'sklearn', 'skops'}; "
        "print(slow & sys.modules.keys())"
    )
    for specs in (str(SPECS), str(tmp_path)):
        assert python(code, RETRAIN_SPECS=specs).splitlines()[-2:] == [" ".join(SHIPPED), "set()"]


# ── one's own specs


def test_training_takes_of_the_workers_what_the_spec_says(read: Read) -> None:
    dags, faults = read(toy=toy_spec(workers={"at_once": 2}, run_on={"pool": "gpu"}), plain=toy_spec())
    assert faults == ""
    limits = {}
    for name in ("toy", "plain"):
        train, evaluate = (dags[f"retrain_{name}"].get_task(task) for task in ("train", "evaluate"))
        limits[name] = (train.max_active_tis_per_dag, train.pool, evaluate.pool)
    assert limits == {"toy": (2, "gpu", "gpu"), "plain": (4, "default_pool", "default_pool")}


@pytest.mark.parametrize("fields", [{"share_steps": False}, {"candidates": toy_spec()["candidates"][:1]}])
def test_without_anything_to_share_no_task_prepares(read: Read, fields: dict[str, Any]) -> None:
    dags, faults = read(toy=toy_spec(**fields))
    assert faults == ""
    assert dags["retrain_toy"].get_task("check").downstream_task_ids == {"train"}


def test_where_training_runs_is_told_to_the_executor(read: Read) -> None:
    config = {"KubernetesExecutor": {"request_memory": "8Gi"}}
    dags, faults = read(toy=toy_spec(run_on={"queue": "big", "executor_config": config}))
    assert faults == ""
    tasks = {task.task_id: (task.queue, task.executor_config) for task in dags["retrain_toy"].tasks}
    assert tasks["prepare"] == tasks["train"] == tasks["evaluate"] == ("big", config)
    assert tasks["snapshot"] == ("default", {})


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
    dags, faults = read(mine=mine)
    assert faults == ""
    assert sorted(dags) == ["retrain_mine"]
    dag = dags["retrain_mine"]
    assert sorted(dag.task_ids) == [task for task in TASKS if task != "prepare"]  # one candidate shares nothing
    spec = spec_files.load(dag.get_task("snapshot").spec).spec
    assert [candidate.name for candidate in spec.candidates] == ["guess"]
    assert training.build(spec.candidate("guess")).random_state == 7


def test_a_spec_without_schedule_runs_by_hand_and_one_with_a_preset_by_that(read: Read) -> None:
    dags, faults = read(by_hand=toy_spec(), hourly=toy_spec(schedule="@hourly"))
    assert faults == ""
    assert dags["retrain_by_hand"].schedule is None
    hourly = dags["retrain_hourly"].schedule
    assert isinstance(hourly, CronTriggerTimetable)
    assert (hourly.expression, str(hourly.timezone)) == ("0 * * * *", "UTC")


def test_a_spec_that_wakes_on_arrival_is_started_by_its_rows_alone_or_by_the_schedule_as_well(
    read: Read, tmp_path: Path
) -> None:
    dags, faults = read(
        rows=toy_spec(model="By Rows", wake="on_arrival"),
        both=toy_spec(model="Both", wake="on_arrival", schedule="*/5 * * * *"),
    )
    assert faults == ""
    rows, both = dags["retrain_rows"].schedule, dags["retrain_both"].schedule
    assert isinstance(both, AssetOrTimeSchedule)
    assert (both.timetable.expression, str(both.timetable.timezone)) == ("*/5 * * * *", "UTC")
    for asset, uri, file in (
        (rows, "retrain://By%20Rows/rows", "rows.yaml"),
        (*both.asset_condition.objects, "retrain://Both/rows", "both.yaml"),
    ):
        assert isinstance(asset, Asset)
        assert (asset.name, asset.uri) == (uri, uri)
        (watcher,) = asset.watchers
        assert watcher.trigger.serialize() == NewRowsTrigger(str(tmp_path / file)).serialize()
    for dag in dags.values():
        assert dag.max_active_runs == 1
        DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable.validate()


@pytest.mark.parametrize("preset", ["@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly"])
def test_a_preset_means_the_same_whether_rows_wake_the_dag_or_not(read: Read, preset: str) -> None:
    dags, faults = read(
        one=toy_spec(schedule=preset, wake="schedule"), other=toy_spec(schedule=preset, wake="on_arrival")
    )
    assert faults == ""
    by_time, either = dags["retrain_one"].timetable, dags["retrain_other"].timetable
    assert either.timetable.expression == by_time.expression != preset
    assert str(either.timetable.timezone) == str(by_time.timezone) == "UTC"


def test_a_wake_that_is_none_is_told_with_file_field_value_and_remedy(read: Read) -> None:
    _, faults = read(bad=toy_spec(wake="always"))
    assert "bad.yaml: wake = \"always\": input should be 'schedule' or 'on_arrival'" in faults


# ── specs that make no DAG


def test_a_broken_spec_is_told_with_file_field_value_and_remedy_and_the_good_one_is_there(read: Read) -> None:
    dags, faults = read(
        good=toy_spec(), bad=toy_spec(threshold={"rows": "many"}, mood="enforce"), worse="model: 3\n", worst="{"
    )
    assert sorted(dags) == ["retrain_good"]
    assert 'bad.yaml: threshold.rows = "many": input should be a valid integer' in faults
    assert 'bad.yaml: mood = "enforce": is not a field; did you mean mode?' in faults
    assert "worse.yaml: source: is missing; add it" in faults
    assert "worst.yaml: is not YAML" in faults
    assert "good.yaml" not in faults


@pytest.mark.parametrize("wake", ["schedule", "on_arrival"])
@pytest.mark.parametrize("schedule", ["61 * * * *", "* * * *", "@never", ""])
def test_a_schedule_that_is_none_is_told_likewise(read: Read, schedule: str, wake: str) -> None:
    dags, faults = read(good=toy_spec(), bad=toy_spec(schedule=schedule, wake=wake))
    assert sorted(dags) == ["retrain_good"]
    assert f"bad.yaml: schedule = {json.dumps(schedule)}: " in faults
    assert "; write " in faults


def test_a_file_name_that_makes_no_dag_id_is_told_likewise(read: Read) -> None:
    dags, faults = read(**{"good": toy_spec(), "my model": toy_spec()})
    assert sorted(dags) == ["retrain_good"]
    assert "my model.yaml: the name becomes the id of a DAG: rename the file to at most 200 letters" in faults


def test_two_specs_of_one_model_make_one_dag_and_the_other_is_told(read: Read) -> None:
    spec = toy_spec(model="Twin")
    dags, faults = read(one=spec, two=spec)
    assert sorted(dags) == ["retrain_one"]
    assert "two.yaml: model = 'Twin': one.yaml keeps this model already; rename one" in faults


def test_the_longest_name_that_a_spec_may_have_makes_a_dag(read: Read) -> None:
    dags, faults = read(long=toy_spec(model="m" * 200))
    assert faults == ""
    assert sorted(dags) == ["retrain_long"]


def test_a_folder_of_specs_that_is_not_there_is_told(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRAIN_SPECS", str(tmp_path / "spesc"))
    _, faults = read()
    assert "spesc" in faults


def test_specs_that_are_refused_turn_a_dag_of_their_own_red_until_they_are_right(parse: Parse) -> None:
    dag = parse(good=toy_spec(), bad="{", worse="model: 3\n")[REFUSED]
    assert (dag.is_paused_upon_creation, dag.catchup, dag.max_active_runs) == (False, False, 1)
    assert "Specs that make no DAG: 2. The first: bad.yaml: is not YAML" in dag.description
    assert "    worse.yaml: source: is missing; add it" in dag.doc_md.splitlines()
    (task,) = dag.tasks
    assert task.doc_md
    assert task.retries == 0
    with pytest.raises(SpecError, match=r"(?s)bad\.yaml: is not YAML.*worse\.yaml: source: is missing; add it"):
        task.execute({})
    DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert REFUSED not in parse(bad=toy_spec(model="Bad"), worse=toy_spec(model="Worse"))


def test_a_spec_of_the_name_of_the_refusals_hides_none(parse: Parse) -> None:
    assert {"retrain_refused_specs", REFUSED} < parse(refused_specs=toy_spec(), bad="{").keys()
