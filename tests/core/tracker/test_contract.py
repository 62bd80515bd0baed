"""What a tracker promises, kept alike by the fake in memory, MLflow on SQLite, and an MLflow server on PostgreSQL."""

import inspect
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from retrain.errors import NoAnswerError, NotFoundError, TrackerError, UntrustedModelError
from retrain.models import files as model_files
from retrain.records import Snapshot
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import Artifact, LoggedModel, MetricPoint
from retrain.tracker.filters import Condition, Order
from stack.local import Running
from tests.core import toys
from tests.fake_tracker import FakeTracker

Tracker = ExperimentTracker | FakeTracker

ROWS = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [1.0, 0.0, 1.0, 0.0]})
LABELS = pd.Series(["no", "no", "yes", "yes"])
SNAPSHOT = Snapshot(
    id="1", model="toy", uri="file:///x", watermark=None, rows=4, new_rows=4, subsets={}, holdout_round=1
)
NOWHERE = "0" * 32

pytestmark = [
    # MLflow's store, opened in this process, asks SQLAlchemy for what it has announced to drop.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
    # Said aloud, as the order of the tests goes by who wants it.
    pytest.mark.usefixtures("mlflow_server"),
]


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    return FakeTracker(tmp_path_factory.mktemp("memory"))


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    return ExperimentTracker(f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/mlflow.db")


@pytest.fixture(scope="module")
def server(mlflow_server: Running) -> Tracker:
    return ExperimentTracker(mlflow_server.mlflow_url)


@pytest.fixture(params=["memory", "sqlite", "server"])
def tracker(request: pytest.FixtureRequest) -> Tracker:
    return request.getfixturevalue(request.param)


@pytest.fixture
def name() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
def where(tracker: Tracker, tmp_path: Path) -> str | None:
    """A place for artifacts; the server has its own."""
    return None if "http" in repr(tracker) else str(tmp_path / "artifacts")


@pytest.fixture
def experiment(tracker: Tracker, name: str, where: str | None) -> str:
    return tracker.create_experiment(name, {"team": "tests"}, where)


@pytest.fixture
def run(tracker: Tracker, experiment: str) -> str:
    return tracker.start_run(experiment, "run")


@pytest.fixture
def finished(tracker: Tracker, experiment: str) -> Callable[..., str]:
    """Makes a finished run, started later than those before."""

    def make(name: str = "run", **metrics: Any) -> str:
        time.sleep(0.002)
        made = tracker.start_run(experiment, name)
        tracker.log_metrics(made, metrics)
        tracker.end_run(made)
        return made

    return make


@pytest.fixture
def logged(tracker: Tracker, run: str) -> LoggedModel:
    return tracker.log_model(run, "toy", toys.logistic(["a"]).fit(ROWS, LABELS), ROWS, key="ab12")


@pytest.fixture
def registered(tracker: Tracker, run: str, logged: LoggedModel, name: str) -> str:
    """A model with versions 1, 2 and 3, for keys a1, a2 and a3."""
    for version in ("1", "2", "3"):
        assert tracker.register_model(run, name, logged.uri, key=f"a{version}") == version
    return name


def _refused(call: Callable[[], object], says: str | None = None) -> None:
    """By MLflow or by us, and not because nobody answered: that would be asked again."""
    with pytest.raises(TrackerError, match=says) as raised:
        call()
    assert not isinstance(raised.value, NoAnswerError)


def test_the_fake_has_the_methods_of_the_tracker() -> None:
    theirs, ours = (
        {
            name: inspect.signature(method)
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }
        for kind in (ExperimentTracker, FakeTracker)
    )
    assert theirs == ours


# ── experiments


def test_an_experiment_is_made_once_and_is_as_it_was_made(
    tracker: Tracker, experiment: str, name: str, where: str | None
) -> None:
    tracker.check()
    assert tracker.create_experiment(name, {"team": "other"}) == experiment
    made = tracker.get_experiment(experiment)
    assert (made.name, made.deleted, made.tags["team"]) == (name, False, "tests")
    assert where is None or made.artifact_location == where
    assert made in tracker.list_experiments()
    assert tracker.find_experiment(name) == experiment
    assert tracker.find_experiment(f"{name} 2") is None


def test_a_deleted_experiment_is_listed_as_such_holds_its_name_and_takes_no_runs(
    tracker: Tracker, experiment: str, run: str, name: str
) -> None:
    tracker.delete_experiment(experiment)
    for view, there in (("ACTIVE", False), ("DELETED", True), ("ALL", True)):
        assert (experiment in {each.id for each in tracker.list_experiments(view)}) == there
    assert tracker.get_experiment(experiment).deleted
    assert tracker.find_experiment(name) is None
    assert tracker.get_run(run).deleted
    assert tracker.search_runs([experiment]) == []
    _refused(lambda: tracker.create_experiment(name), "held by a deleted experiment; restore")
    _refused(lambda: tracker.start_run(experiment, "late"))
    _refused(lambda: tracker.delete_experiment(experiment))


# ── runs


def test_a_run_is_as_it_was_started_and_is_found_by_its_key(tracker: Tracker, experiment: str, run: str) -> None:
    key = uuid4().hex
    child = tracker.start_run(experiment, "child", {"who": "me"}, key=key, parent=run, note="why")
    found = tracker.get_run(child)
    assert (found.name, found.experiment_id, found.status, found.ended_at) == ("child", experiment, "RUNNING", None)
    assert found.tags.items() >= {"who": "me", "mlflow.parentRunId": run, "mlflow.note.content": "why"}.items()
    assert tracker.find_run(experiment, key) == child
    assert tracker.find_run(experiment, "ab12") is None
    _refused(lambda: tracker.find_run(experiment, "x' OR tags.`a` = 'b"), "is no key")


def test_a_run_ends_and_is_taken_up_again(tracker: Tracker, run: str) -> None:
    for status in ("FAILED", "RUNNING", "FINISHED", "KILLED"):
        tracker.end_run(run, status)
        found = tracker.get_run(run)
        assert (found.status, found.ended_at is None) == (status, status == "RUNNING")
    _refused(lambda: tracker.end_run(run, "DONE"), "'DONE' is no status")


def test_a_deleted_run_is_kept_and_neither_found_nor_changed(tracker: Tracker, experiment: str, run: str) -> None:
    tracker.delete_run(run)
    assert tracker.get_run(run).deleted
    assert tracker.search_runs([experiment]) == []
    _refused(lambda: tracker.log_params(run, {"a": 1}))
    _refused(lambda: tracker.log_metrics(run, {"a": 1}))
    _refused(lambda: tracker.set_tags(run, {"a": "1"}))
    _refused(lambda: tracker.log_dataset(run, SNAPSHOT))
    _refused(lambda: tracker.end_run(run))


def test_an_unknown_run_is_refused_by_all(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    model = toys.logistic(["a"]).fit(ROWS, LABELS)
    calls: list[Callable[[], object]] = [
        lambda: tracker.page_of_run(NOWHERE),
        lambda: tracker.get_run(NOWHERE),
        lambda: tracker.end_run(NOWHERE),
        lambda: tracker.delete_run(NOWHERE),
        lambda: tracker.log_params(NOWHERE, {"a": 1}),
        lambda: tracker.log_metrics(NOWHERE, {"a": 1}),
        lambda: tracker.set_tags(NOWHERE, {"a": "1"}),
        lambda: tracker.log_dataset(NOWHERE, SNAPSHOT),
        lambda: tracker.log_artifact(NOWHERE, tmp_path / "file"),
        lambda: tracker.log_model(NOWHERE, "toy", model, ROWS, key="ab12"),
    ]
    for call in calls:
        _refused(call)


# ── searching


def test_conditions_find_what_they_say_whatever_is_in_their_values(
    tracker: Tracker, experiment: str, finished: Callable[..., str]
) -> None:
    texts = ["it's", 'say "x" AND', "a` = 'b", "같다", "two\nlines; --", ""]
    for place, text in enumerate(texts):
        tracker.set_tags(made := finished(f"run {place}", score=place / 10), {"said by": text})
        tracker.log_params(made, {"text": text})
    tracker.end_run(open_ := finished("open", score=math.nan), "RUNNING")

    def names(*conditions: Condition) -> list[str]:
        return [each.name.removeprefix("run ") for each in tracker.search_runs([experiment], conditions)]

    for place, text in enumerate(texts):
        assert names(Condition("tag", "said by", "=", text)) == [str(place)]
        assert names(Condition("param", "text", "=", text)) == [str(place)]
    assert names(Condition("param", "text", "!=", "it's")) == ["1", "2", "3", "4", "5"]
    assert names(Condition("metric", "score", ">=", 0.3)) == ["3", "4", "5"]
    assert names(Condition("metric", "score", "<", 1e-05)) == ["0"]
    assert names(Condition("metric", "score", ">", -1.5e300)) == ["0", "1", "2", "3", "4", "5"]
    assert names(Condition("metric", "score", "!=", 0)) == ["1", "2", "3", "4", "5", "open"]
    assert names(Condition("metric", "none", "!=", 0)) == []
    assert names(Condition("attribute", "status", "=", "RUNNING")) == ["open"]
    assert names(Condition("attribute", "run_id", "=", open_)) == ["open"]
    assert names(Condition("metric", "score", ">", 0.1), Condition("attribute", "run_name", "!=", "run 3")) == list(
        "245"
    )
    started = tracker.get_run(open_).started_at.timestamp() * 1000
    assert "open" not in names(Condition("attribute", "start_time", "<", round(started)))


def test_runs_come_in_the_order_asked_and_without_the_field_last(
    tracker: Tracker, experiment: str, finished: Callable[..., str]
) -> None:
    for place, score in enumerate([{"f1": 0.5}, {}, {"f1": math.nan}, {"f1": 0.9}, {"f1": 0.5}]):
        finished(str(place), **score)

    def names(*order: Order, first: int = 10) -> str:
        return "".join(each.name for each in tracker.search_runs([experiment], (), order, first))

    assert names() == "01234"
    assert names(Order("metric", "f1"), Order("attribute", "start_time")) == "04321"
    assert names(Order("metric", "f1", ascending=False), Order("attribute", "start_time", ascending=False)) == "34021"
    assert names(Order("attribute", "run_name", ascending=False), first=2) == "43"
    assert tracker.search_runs([], max_results=5) == tracker.search_runs([experiment], max_results=0) == []
    assert len(tracker.search_runs([experiment, "987654321"])) == 5
    _refused(lambda: tracker.search_runs([experiment], (), [Order("metric", "f1")]), "sort here")


def test_all_runs_come_once_whatever_the_size_of_a_page(
    tracker: Tracker, experiment: str, finished: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrain.tracker.runs.PAGE", 3)
    made = [finished() for _ in range(9)]
    assert [each.id for each in tracker.search_runs([experiment])] == made
    assert [each.id for each in tracker.search_runs([experiment], max_results=7)] == made[:7]


# ── logging


def test_parameters_that_are_no_text_become_json_and_none_changes(tracker: Tracker, run: str) -> None:
    for _ in range(2):
        tracker.log_params(run, {"text": "plain", "list": [1, 2], "deep": {"가": None}, "number": 0.5})
    kept = {"text": "plain", "list": "[1, 2]", "deep": '{"가": null}', "number": "0.5"}
    assert tracker.get_run(run).params == kept
    _refused(lambda: tracker.log_params(run, {"number": 0.6}), "'number' is '0.5' and cannot become '0.6'")
    assert tracker.get_run(run).params == kept


def test_any_number_of_parameters_tags_and_points_is_taken(tracker: Tracker, run: str) -> None:
    many = {f"name {i}": str(i) for i in range(230)}
    tracker.log_params(run, many)
    tracker.set_tags(run, many)
    tracker.log_metrics(run, {"loss": [1 / (1 + i) for i in range(1100)]})
    found = tracker.get_run(run)
    assert found.params == many
    assert found.tags.items() >= many.items()
    assert len(tracker.metric_history(run, "loss")) == 1100


def test_what_a_backend_would_cut_off_or_break_on_is_refused_before_anything_is_sent(
    tracker: Tracker, experiment: str, run: str, logged: LoggedModel
) -> None:
    before = tracker.get_run(run)
    _refused(lambda: tracker.log_params(run, {"fine": "x", "words": "x" * 6001}), "'words' has 6,001 characters")
    _refused(lambda: tracker.set_tags(run, {"fine": "x", "note": "x" * 8001}), "'note' has 8,001 characters")
    for text in ("a\0b", "a\ud800b"):
        _refused(lambda text=text: tracker.log_params(run, {"fine": "x", "odd": text}), "'odd' holds")
        _refused(lambda text=text: tracker.set_tags(run, {"fine": "x", "odd": text}), "'odd' holds")
        _refused(lambda text=text: tracker.start_run(experiment, text), "holds")
        _refused(lambda text=text: tracker.start_run(experiment, "run", note=text), "holds")
        _refused(lambda text=text: tracker.create_experiment(text), "holds")
        _refused(lambda text=text: tracker.register_model(run, text, logged.uri, key="ab12"), "holds")
    _refused(lambda: tracker.start_run(experiment, "x" * 251), "251 characters")
    _refused(lambda: tracker.create_experiment("x" * 251), "251 characters")
    _refused(lambda: tracker.register_model(run, "x" * 251, logged.uri, key="ab12"), "251 characters")
    assert tracker.get_run(run) == before
    tracker.log_params(run, {"words": "가" * 6000})
    tracker.set_tags(run, {"note": "가" * 8000})
    assert tracker.get_run(tracker.start_run(experiment, "x" * 250)).name == "x" * 250


def test_who_logs_can_set_tags_in_the_same_call(tracker: Tracker, run: str) -> None:
    tracker.log_params(run, {"c": 1}, tags={"by": "kim"})
    tracker.log_metrics(run, {"f1": 0.5}, tags={"by": "lee", "also": "x"})
    found = tracker.get_run(run)
    assert (found.tags["by"], found.tags["also"]) == ("lee", "x")
    _refused(lambda: tracker.log_metrics(run, {"loss": 1.0}, tags={"note": "x" * 8001}), "8,001 characters")
    assert "loss" not in tracker.get_run(run).metrics


def test_a_point_that_is_logged_again_with_its_time_is_there_once(tracker: Tracker, run: str) -> None:
    time_of_it = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    for _ in range(2):
        tracker.log_metrics(run, {"loss": [0.5, 0.25]}, step=3, at=time_of_it)
    assert tracker.metric_history(run, "loss") == [MetricPoint(3, 0.5, time_of_it), MetricPoint(4, 0.25, time_of_it)]


def test_artifacts_are_listed_folder_by_folder(tracker: Tracker, run: str, tmp_path: Path) -> None:
    file = tmp_path / "보고서.txt"
    file.write_text("하나")
    tracker.log_artifact(run, file)
    tracker.log_artifact(run, file, "a/b")
    assert tracker.list_artifacts(run) == [Artifact("a", True, None), Artifact("보고서.txt", False, 6)]
    assert tracker.list_artifacts(run, "a") == [Artifact("a/b", True, None)]
    assert tracker.list_artifacts(run, "a/b") == [Artifact("a/b/보고서.txt", False, 6)]
    assert tracker.list_artifacts(run, "none") == []
    _refused(lambda: tracker.list_artifacts(NOWHERE))


def test_an_artifact_is_downloaded_as_it_was_logged_last(tracker: Tracker, run: str, tmp_path: Path) -> None:
    file = tmp_path / "보고서.txt"
    for text in ("첫째", "둘째"):
        file.write_text(text, encoding="utf-8")
        tracker.log_artifact(run, file, "a/b")
    folder = tmp_path / "there"
    folder.mkdir()
    here = tracker.download_artifact(run, "a/b/보고서.txt", folder)
    assert here.read_text("utf-8") == "둘째"
    assert folder in here.parents
    for missing in ("a/b/none.txt", "a/b", "보고서.txt", "none/보고서.txt"):
        with pytest.raises(NotFoundError):
            tracker.download_artifact(run, missing, folder)
    _refused(lambda: tracker.download_artifact(NOWHERE, "a", folder))


def test_experiments_come_in_pages(tracker: Tracker, name: str) -> None:
    made = [tracker.create_experiment(f"{name}-{number}") for number in range(5)]
    found, token = list[str](), None
    while True:
        page = tracker.page_of_experiments("ACTIVE", 2, token)
        assert len(page.items) <= 2
        found += [each.id for each in page.items]
        token = page.next
        if token is None:
            break
    assert [each for each in found if each in made] == made
    assert found == [each.id for each in tracker.list_experiments()]


def test_runs_come_in_pages_in_the_order_that_was_asked_for(
    tracker: Tracker, experiment: str, finished: Callable[..., str]
) -> None:
    runs = [finished(f1=value) for value in (0.3, 0.1, 0.5, 0.4, 0.2)]
    best_first = [Order("metric", "f1", ascending=False)]
    good = [Condition("metric", "f1", ">", 0.15)]
    first = tracker.page_of_runs([experiment], good, best_first, 3)
    second = tracker.page_of_runs([experiment], good, best_first, 3, first.next)
    assert [each.id for each in first.items + second.items] == [runs[2], runs[3], runs[0], runs[4]]
    assert second.next is None
    assert [each.id for each in tracker.page_of_runs([experiment], size=2).items] == runs[:2]
    assert tracker.page_of_runs([]).items == ()


def test_an_experiment_keeps_tags_until_it_is_deleted(tracker: Tracker, experiment: str) -> None:
    tracker.set_experiment_tags(experiment, {"team": "자소서", "more": "x"})
    assert tracker.get_experiment(experiment).tags.items() >= {("team", "자소서"), ("more", "x")}
    tracker.delete_experiment(experiment)
    _refused(lambda: tracker.set_experiment_tags(experiment, {"team": "y"}))


def test_metrics_have_steps_take_nan_and_refuse_what_mlflow_would_twist(tracker: Tracker, run: str) -> None:
    tracker.log_metrics(run, {"loss": [0.5, 0.25], "f1": 0.8}, step=3)
    tracker.log_metrics(run, {"loss": 0.1}, step=9)
    tracker.log_metrics(run, {"loss": 0.2}, step=8)
    points = [(point.step, point.value) for point in tracker.metric_history(run, "loss")]
    assert points == [(3, 0.5), (4, 0.25), (8, 0.2), (9, 0.1)]
    assert tracker.metric_history(run, "none") == []
    time.sleep(0.002)
    tracker.log_metrics(run, {"loss": 0.05}, step=9)
    for wrong, says in (
        ({"inf": math.inf}, "'inf' is inf"),
        ({"low": [0.1, -math.inf]}, "'low' is -inf"),
        ({"precision (weighted)": 0.5}, r"no '\(' in a name"),
        ({"a//b": 0.5}, "no empty part"),
        ({"x" * 251: 0.5}, "not 251"),
    ):
        _refused(lambda wrong=wrong: tracker.log_metrics(run, {"fine": 1, **wrong}), says)
    assert tracker.get_run(run).metrics == {"loss": 0.05, "f1": 0.8}
    tracker.log_metrics(run, {"f1": math.nan}, step=4)
    assert math.isnan(tracker.get_run(run).metrics["f1"])


def test_a_file_that_is_not_there_is_refused(tracker: Tracker, run: str, tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text("fine")
    tracker.log_artifact(run, tmp_path / "report.txt", "reports")
    _refused(lambda: tracker.log_artifact(run, tmp_path / "none.txt"), "none.txt")


def test_a_model_comes_back_as_it_was_and_no_other_in_its_place(
    tracker: Tracker, run: str, logged: LoggedModel
) -> None:
    loaded = tracker.load_model(logged.uri, logged.digest)
    assert list(loaded.predict(ROWS)) == list(LABELS)
    other = tracker.log_model(run, "toy", toys.logistic(["b"]).fit(ROWS, LABELS), ROWS, key="ab12")
    assert other.uri == logged.uri
    with pytest.raises(UntrustedModelError, match="not the ones that were logged"):
        tracker.load_model(logged.uri, logged.digest)
    _refused(lambda: tracker.load_model(f"models:/m-{NOWHERE}", logged.digest))


def test_types_that_nobody_trusts_are_not_logged(tracker: Tracker, run: str) -> None:
    forest = RandomForestClassifier(n_estimators=2, random_state=0).fit(ROWS, LABELS)
    with pytest.raises(UntrustedModelError, match="add what you trust"):
        tracker.log_model(run, "forest", forest, ROWS, key="ab12")
    logged = tracker.log_model(run, "forest", forest, ROWS, key="ab12", trust=("pickle",))
    with pytest.raises(UntrustedModelError, match="is a pickle"):
        tracker.load_model(logged.uri, logged.digest)
    assert len(tracker.load_model(logged.uri, logged.digest, ("pickle",)).predict(ROWS)) == len(ROWS)


# ── analysis


def test_the_best_run_is_finished_has_the_metric_and_came_first(
    tracker: Tracker, experiment: str, finished: Callable[..., str]
) -> None:
    assert tracker.get_best_run(experiment, "f1") is None
    finished(f1=math.nan)
    finished(other=9.0)
    for status in ("FAILED", "KILLED", "RUNNING"):
        tracker.end_run(finished(f1=2.0), status)
    tracker.delete_run(finished(f1=3.0))
    assert tracker.get_best_run(experiment, "f1") is None
    worst, best, _, _ = finished(f1=-0.5), finished(f1=0.5), finished(f1=0.5), finished(f1=-0.5)
    for ascending, expected in ((False, best), (True, worst)):
        found = tracker.get_best_run(experiment, "f1", ascending)
        assert found is not None
        assert found.id == expected
    ranked = tracker.get_best_runs([experiment], "f1", 3)
    assert [run.metrics["f1"] for run in ranked] == [0.5, 0.5, -0.5]
    assert [run.id for run in ranked][::2] == [best, worst]
    _refused(lambda: tracker.get_best_run(experiment, "f1` > 0 AND metrics.`x"), "cannot be the name")


def test_runs_are_compared_in_the_order_asked(
    tracker: Tracker, run: str, where: str | None, finished: Callable[..., str]
) -> None:
    elsewhere = tracker.start_run(tracker.create_experiment(f"other-{uuid4().hex}", None, where), "elsewhere")
    tracker.log_params(elsewhere, {"depth": 3})
    first, gone = finished(f1=0.5, loss=2.0), finished(f1=0.25)
    tracker.delete_run(gone)
    table = tracker.compare_runs([gone, elsewhere, first, gone])
    assert list(table.columns) == ["run_id", "metric_f1", "metric_loss", "param_depth"]
    assert list(table.run_id) == [gone, elsewhere, first, gone]
    assert np.array_equal(table.metric_f1, [0.25, math.nan, 0.5, 0.25], equal_nan=True)
    assert list(table.param_depth.isna()) == [True, False, True, True]
    assert list(tracker.compare_runs([first], ["loss", "none"]).columns) == ["run_id", "metric_loss", "metric_none"]
    assert tracker.compare_runs([]).empty
    _refused(lambda: tracker.compare_runs([first, NOWHERE, "it's"]), f"no run {NOWHERE}, it's")


def test_statistics_are_over_finished_runs_and_finite_values(
    tracker: Tracker, experiment: str, finished: Callable[..., str]
) -> None:
    made = [finished(f1=value) for value in (0.5, 0.75, 0.25, 0.75)]
    finished(f1=math.nan)
    finished(loss=4.0)
    tracker.end_run(finished(f1=99.0), "FAILED")
    found = tracker.experiment_stats(experiment)
    f1, loss = found["f1"], found["loss"]
    assert list(found) == ["f1", "loss"]
    assert (f1.count, f1.mean, f1.min, f1.max, f1.best_run) == (4, 0.5625, 0.25, 0.75, made[1])
    assert f1.quartiles == (0.4375, 0.625, 0.75)
    assert f1.standard_deviation == pytest.approx(0.239357)
    assert (loss.count, loss.standard_deviation) == (1, 0.0)
    assert tracker.experiment_stats(experiment, smaller_is_better={"f1"})["f1"].best_run == made[2]


# ── registry


def test_versions_are_listed_and_found_by_key_number_and_stage(tracker: Tracker, registered: str, run: str) -> None:
    assert [each.version for each in tracker.list_model_versions(registered)] == ["1", "2", "3"]
    found = tracker.get_model_version(registered, "2")
    assert (found.model, found.version, found.stage, found.aliases, found.run_id) == (registered, "2", "None", (), run)
    assert tracker.get_model_version(registered, stage="None").version == "3"
    _refused(lambda: tracker.get_model_version(registered), "either which version or which stage")
    _refused(lambda: tracker.get_model_version(registered, "4"))
    _refused(lambda: tracker.get_model_version(registered, "one"))
    _refused(lambda: tracker.get_model_version(registered, stage="Production"), "no version")


def test_a_version_is_registered_once_for_its_key_and_by_itself_once_for_its_run(
    tracker: Tracker, registered: str, run: str, logged: LoggedModel, experiment: str
) -> None:
    assert tracker.register_model(run, registered, logged.uri, key="a2") == "2"
    assert tracker.register_model(run, registered) == "4"
    assert tracker.register_model(run, registered) == "4"
    assert tracker.register_model(run, registered, logged.uri) == "4"
    tracker.log_model(run, "other", toys.logistic(["a"]).fit(ROWS, LABELS), ROWS, key="cd34")
    _refused(lambda: tracker.register_model(run, registered), "has logged 2 models; name the one to register")
    empty = tracker.start_run(experiment, "empty")
    _refused(lambda: tracker.register_model(empty, registered), "has logged 0 models")
    assert len(tracker.list_model_versions(registered)) == 4


def test_a_version_is_downloaded_as_what_it_was_registered_from(
    tracker: Tracker, registered: str, logged: LoggedModel, tmp_path: Path
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    assert tracker.has_files(f"models:/{registered}/2")
    assert model_files.digest(tracker.download_model(f"models:/{registered}/2", folder)) == logged.digest
    for use in (tracker.has_files, lambda uri: tracker.download_model(uri, folder)):
        _refused(lambda use=use: use(f"models:/{registered}/4"))


def test_an_unknown_model_has_no_versions_and_no_production(tracker: Tracker, run: str, name: str) -> None:
    assert tracker.production(name) is None
    _refused(lambda: tracker.list_model_versions(name))
    _refused(lambda: tracker.get_model_version(name, "1"))
    _refused(lambda: tracker.set_production(name, "1"))
    _refused(lambda: tracker.transition_model_stage(name, "1", "Staging"))
    _refused(lambda: tracker.register_model(run, name, f"models:/m-{NOWHERE}", key="ab12"))
    _refused(lambda: tracker.register_model(run, "a/b", f"models:/m-{NOWHERE}", key="ab12"))


def test_stages_archive_their_owner_and_staging_takes_its_alias_along(tracker: Tracker, registered: str) -> None:
    def now() -> list[tuple[str, tuple[str, ...]]]:
        return [(each.stage, each.aliases) for each in tracker.list_model_versions(registered)]

    for version, stage, expected in (
        ("1", "Staging", [("Staging", ("staging",)), ("None", ()), ("None", ())]),
        ("2", "Staging", [("Archived", ()), ("Staging", ("staging",)), ("None", ())]),
        ("1", "Production", [("Production", ()), ("Staging", ("staging",)), ("None", ())]),
        ("2", "Production", [("Archived", ()), ("Production", ()), ("None", ())]),
        ("3", "Archived", [("Archived", ()), ("Production", ()), ("Archived", ())]),
        ("2", "None", [("Archived", ()), ("None", ()), ("Archived", ())]),
    ):
        tracker.transition_model_stage(registered, version, stage)
        assert now() == expected
    tracker.transition_model_stage(registered, "1", "Staging")
    tracker.transition_model_stage(registered, "3", "Staging", archive_existing_versions=False)
    assert now() == [("Staging", ()), ("None", ()), ("Staging", ("staging",))]
    assert tracker.get_model_version(registered, stage="Staging").version == "3"
    _refused(lambda: tracker.transition_model_stage(registered, "1", "Production", False), "two versions")
    _refused(lambda: tracker.transition_model_stage(registered, "1", "Live"), "'Live' is no stage")
    _refused(lambda: tracker.transition_model_stage(registered, "4", "Staging"))


def test_the_alias_of_production_has_one_owner_and_stays_with_it(tracker: Tracker, registered: str) -> None:
    assert tracker.production(registered) is None
    for version in ("1", "2"):
        tracker.set_production(registered, version)
        assert tracker.production(registered) == version
        assert tracker.stage(registered, version) == "None"
    assert tracker.get_model_version(registered, "1").aliases == ()
    tracker.transition_model_stage(registered, "2", "Staging")
    assert tracker.get_model_version(registered, "2").aliases == ("production", "staging")
    _refused(lambda: tracker.set_production(registered, "4"))
    assert tracker.production(registered) == "2"


def test_a_model_says_who_owns_its_aliases_and_is_found_page_by_page(tracker: Tracker, registered: str) -> None:
    tracker.set_production(registered, "2")
    tracker.transition_model_stage(registered, "1", "Staging")
    found = tracker.get_model(registered)
    assert (found.name, found.production, found.staging) == (registered, "2", "1")
    listed, token = list[str](), None
    while True:
        page = tracker.page_of_models(1, token)
        listed += [each.name for each in page.items]
        token = page.next
        if token is None:
            break
    assert listed == sorted(listed)
    assert listed.count(registered) == 1
    _refused(lambda: tracker.get_model("none"))


def test_a_version_keeps_tags(tracker: Tracker, registered: str) -> None:
    tracker.set_version_tags(registered, "2", {"retrain.stage_why": "이유"})
    assert tracker.get_model_version(registered, "2").tags["retrain.stage_why"] == "이유"
    _refused(lambda: tracker.set_version_tags(registered, "4", {"a": "b"}))
