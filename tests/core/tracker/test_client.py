"""What only MLflow itself can show; what a tracker promises is in contract/."""

import math
import socket
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from retrain.errors import NoAnswerError, TrackerError, UntrustedModelError
from retrain.records import Snapshot
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import LoggedModel
from stack.local import Running
from tests.core import toys
from tests.inbox import Inbox
from tests.tap import Tap

ROWS = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [1.0, 0.0, 1.0, 0.0]})
LABELS = pd.Series(["no", "no", "yes", "yes"])


@pytest.fixture
def key() -> str:
    return uuid4().hex


@pytest.fixture
def run(tracker: ExperimentTracker, key: str) -> str:
    return tracker.start_run(tracker.create_experiment(key), "test", key=key)


@pytest.fixture
def logged(tracker: ExperimentTracker, run: str, key: str) -> LoggedModel:
    return tracker.log_model(run, "toy", _fitted(), ROWS, key=key)


def _fitted() -> Pipeline:
    return toys.logistic(["a"]).fit(ROWS, LABELS)


def test_an_experiment_that_somebody_else_makes_meanwhile_is_taken(
    tracker: ExperimentTracker, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, find = tracker.create_experiment(key), tracker._client.get_experiment_by_name
    not_yet = [None]
    monkeypatch.setattr(
        tracker._client, "get_experiment_by_name", lambda name: not_yet.pop() if not_yet else find(name)
    )
    assert tracker.create_experiment(key) == theirs


def test_runs_that_come_and_go_between_pages_make_no_other_come_twice_or_not_at_all(
    tracker: ExperimentTracker, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = tracker.create_experiment(key)

    def start(time: int) -> str:
        return str(tracker._client.create_run(experiment, start_time=time).info.run_id)

    # Of the 38, twelve were started in one millisecond: more than fill a page.
    stay = [start(time) for time in [*range(1000, 1013), *[1013] * 12, *range(1014, 1027)]]
    page, served = ExperimentTracker._page, []

    def busy_page(*args: Any) -> Any:
        found = page(*args)
        if len(served) < 6:
            # Somebody deletes what was just served, and starts another; MLflow's tokens would skip as many.
            gone = [each.info.run_id for each in found if each.info.run_id in stay][:2]
            for run_id in gone:
                tracker.delete_run(run_id)
                stay.remove(run_id)
            start(2000 + len(served))
            served.extend(gone)
        return found

    monkeypatch.setattr("retrain.tracker.runs.PAGE", 5)
    monkeypatch.setattr(ExperimentTracker, "_page", busy_page)
    found = [run.id for run in tracker.search_runs([experiment])]
    assert len(served) == 6
    assert len(found) == len(set(found)) == 38 + 3
    assert set(found) >= {*stay, *served}


def test_all_steps_are_sent_in_one_batch(tracker: ExperimentTracker, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, send = [], tracker._client.log_batch

    def log_batch(*args: Any, **what: Any) -> None:
        sent.append(len(what["metrics"]))
        send(*args, **what)

    monkeypatch.setattr(tracker._client, "log_batch", log_batch)
    tracker.log_metrics(run, {"loss": list(range(499)), "f1": list(range(499))})
    assert sent == [998]


def test_infinity_that_others_logged_is_read_as_such_and_never_wins(
    tracker: ExperimentTracker, run: str, key: str
) -> None:
    experiment = tracker.create_experiment(key)
    for value in (math.inf, -math.inf):
        tracker._client.log_metric(run, "f1", value)
        tracker.end_run(run)
        assert tracker.get_run(run).metrics == {"f1": value}
        assert tracker.get_best_run(experiment, "f1", ascending=value < 0) is None
        assert tracker.experiment_stats(experiment) == {}
    assert sorted(point.value for point in tracker.metric_history(run, "f1")) == [-math.inf, math.inf]


def test_a_file_is_put_where_it_was_asked_to_be(tracker: ExperimentTracker, run: str, tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text("fine")
    tracker.log_artifact(run, tmp_path / "report.txt", "reports")
    (file,) = tracker._client.list_artifacts(run, "reports")
    assert (file.path, file.file_size) == ("reports/report.txt", 4)


def test_files_go_to_the_server_of_the_tracker_that_was_asked(
    tracker: ExperimentTracker, run: str, key: str, mlflow_server: Running, tmp_path: Path
) -> None:
    """MLflow's client knows a run's store by the run's id: it would send to where another address led once."""
    (tmp_path / "a.txt").write_text("a")
    with Tap() as tap:
        tap.upstream = mlflow_server.ports.mlflow
        by_another_address = ExperimentTracker(f"http://127.0.0.1:{tap.port}")
        by_another_address.log_artifact(run, tmp_path / "a.txt", "first")
        by_another_address.log_model(run, "toy", _fitted(), ROWS, key=key)
    tracker.log_artifact(run, tmp_path / "a.txt", "second")
    assert [each.path for each in tracker.list_artifacts(run)] == ["first", "second"]
    assert tracker.has_files(tracker.log_model(run, "toy", _fitted(), ROWS, key=key).uri)


def test_a_model_whose_files_are_gone_is_not_asked_for_again(tracker: ExperimentTracker, run: str, key: str) -> None:
    model = tracker._client.create_logged_model(tracker.create_experiment(key), "toy", run)
    with pytest.raises(TrackerError, match="its files are gone") as raised:
        tracker.load_model(f"models:/{model.model_id}", "0")
    assert not isinstance(raised.value, NoAnswerError)


def test_the_data_set_carries_our_own_digest(tracker: ExperimentTracker, run: str, key: str) -> None:
    snapshot = Snapshot(
        id=key, model="toy", uri="file:///x.parquet", watermark=None, rows=4, new_rows=4, subsets={}, holdout_round=1
    )
    tracker.log_dataset(run, snapshot)
    tracker.log_dataset(run, snapshot)
    (logged,) = tracker._client.get_run(run).inputs.dataset_inputs
    assert (logged.dataset.digest, logged.dataset.source_type) == (key, "local")


def test_a_model_has_a_signature_and_belongs_to_its_run(
    tracker: ExperimentTracker, run: str, logged: LoggedModel, tmp_path: Path
) -> None:
    found = tracker._client.get_run(run)
    assert [output.model_id for output in found.outputs.model_outputs] == [logged.uri.removeprefix("models:/")]
    location = tracker._client.get_logged_model(logged.uri.removeprefix("models:/")).artifact_location
    from mlflow.artifacts import download_artifacts
    from mlflow.models import Model

    path = download_artifacts(location, dst_path=str(tmp_path), tracking_uri=tracker._uri)
    signature = Model.load(path).signature
    assert signature.inputs.input_names() == ["a", "b"]


def test_an_upload_that_was_begun_is_gone_on_with_under_the_same_id(
    tracker: ExperimentTracker, run: str, logged: LoggedModel, key: str
) -> None:
    again = tracker.log_model(run, "toy", _fitted(), ROWS, key=key)
    assert again.uri == logged.uri
    tracker.load_model(again.uri, again.digest)


def test_types_beyond_the_list_are_refused_until_a_spec_trusts_them(
    tracker: ExperimentTracker, run: str, key: str
) -> None:
    odd = toys.odd().fit(ROWS, LABELS)
    with pytest.raises(UntrustedModelError, match="add what you trust") as raised:
        tracker.log_model(run, "odd", odd, ROWS, key=key)
    named = tuple(str(raised.value).split("holds ")[1].split(";")[0].split(", "))
    logged = tracker.log_model(run, "odd", odd, ROWS, key=key, trust=named)
    with pytest.raises(UntrustedModelError, match="does not trust"):
        tracker.load_model(logged.uri, logged.digest)
    assert len(tracker.load_model(logged.uri, logged.digest, trust=named).predict(ROWS)) == len(ROWS)


def test_the_alias_of_production_can_have_another_name(
    tracker: ExperimentTracker, run: str, key: str, logged: LoggedModel
) -> None:
    name = f"toy-{key}"
    tracker.register_model(run, name, logged.uri, key=key)
    champion = tracker.with_aliases("champion", "staging")
    champion.set_production(name, "1")
    assert champion.production(name) == "1"
    assert tracker.production(name) is None


def test_a_server_that_is_down_is_told_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        tracker = ExperimentTracker(f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(NoAnswerError):
            tracker.create_experiment("test")


def test_a_server_that_never_answers_is_given_up_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        tracker = ExperimentTracker(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(NoAnswerError):
            tracker.create_experiment("test")


def test_a_run_has_a_page_that_a_person_can_open(tracker: ExperimentTracker, run: str, mlflow_server: Running) -> None:
    experiment = tracker.get_run(run).experiment_id
    assert tracker.page_of_run(run) == f"{mlflow_server.mlflow_url}/#/experiments/{experiment}/runs/{run}"


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_a_search_that_the_server_stumbles_over_is_sent_once_more(failures: int) -> None:
    """As MLflow does where several searches at once import its login, which is not installed."""
    with Inbox(body=b"{}", stumbles=failures) as server:
        tracker = ExperimentTracker(server.url)
        with pytest.raises(NoAnswerError) if failures == 2 else nullcontext():
            assert tracker.search_runs(["1"]) == []
    assert [post.path for post in server.posts] == ["/api/2.0/mlflow/runs/search"] * min(failures + 1, 2)
    assert server.posts[0].raw == server.posts[-1].raw
