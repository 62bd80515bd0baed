"""The tracker against a real MLflow server."""

import socket
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from retrain.errors import NoAnswerError, TrackerError, UntrustedModelError
from retrain.nouns import Snapshot
from retrain.tracker import ExperimentTracker, LoggedModel
from stack.local import Running
from tests.core import toys

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


def test_an_experiment_is_made_once(tracker: ExperimentTracker, key: str) -> None:
    assert tracker.create_experiment(key) == tracker.create_experiment(key)


def test_the_name_of_a_deleted_experiment_is_said_to_be_held_by_it(tracker: ExperimentTracker, key: str) -> None:
    tracker._client.delete_experiment(tracker.create_experiment(key))
    with pytest.raises(TrackerError, match="held by a deleted experiment; restore"):
        tracker.create_experiment(key)


def test_a_run_is_found_by_its_key_and_by_no_other(tracker: ExperimentTracker, run: str, key: str) -> None:
    experiment = tracker.create_experiment(key)
    assert tracker.find_run(experiment, key) == run
    assert tracker.find_run(experiment, "0" * 64) is None


def test_a_key_cannot_add_a_clause_to_a_filter(tracker: ExperimentTracker, key: str) -> None:
    with pytest.raises(TrackerError, match="is no key"):
        tracker.find_run(tracker.create_experiment(key), "x' OR tags.`a` = 'b")


def test_a_failed_run_is_taken_up_again(tracker: ExperimentTracker, run: str) -> None:
    for status in ("FAILED", "RUNNING", "FINISHED"):
        tracker.end_run(run, status)
        assert tracker.get_run(run).status == status


def test_parameters_that_are_no_text_become_json(tracker: ExperimentTracker, run: str) -> None:
    tracker.log_params(run, {"text": "plain", "list": [1, 2], "deep": {"a": None}, "number": 0.5})
    assert tracker._client.get_run(run).data.params == {
        "text": "plain",
        "list": "[1, 2]",
        "deep": '{"a": null}',
        "number": "0.5",
    }


def test_a_parameter_that_mlflow_would_cut_off_is_refused_by_name(tracker: ExperimentTracker, run: str) -> None:
    with pytest.raises(TrackerError, match="'words' has 6,001 characters"):
        tracker.log_params(run, {"words": "x" * 6001})


def test_the_data_set_carries_our_own_digest(tracker: ExperimentTracker, run: str, key: str) -> None:
    snapshot = Snapshot(id=key, model="toy", uri="file:///x.parquet", reach=None, rows=4, new_rows=4, sides={}, epoch=1)
    tracker.log_dataset(run, snapshot)
    tracker.log_dataset(run, snapshot)
    (logged,) = tracker._client.get_run(run).inputs.dataset_inputs
    assert (logged.dataset.digest, logged.dataset.source_type) == (key, "local")


def test_a_model_comes_back_as_it_was(tracker: ExperimentTracker, logged: LoggedModel) -> None:
    loaded = tracker.load_model(logged.uri, logged.digest)
    assert np.array_equal(loaded.predict(ROWS), _fitted().predict(ROWS))


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


def test_files_that_are_not_the_ones_that_were_logged_are_not_loaded(
    tracker: ExperimentTracker, run: str, key: str, logged: LoggedModel
) -> None:
    other = toys.logistic(["b"]).fit(ROWS, LABELS)
    tracker.log_model(run, "toy", other, ROWS, key=key)
    with pytest.raises(UntrustedModelError, match="not the ones that were logged"):
        tracker.load_model(logged.uri, logged.digest)


def test_types_beyond_the_list_are_refused_until_a_spec_trusts_them(
    tracker: ExperimentTracker, run: str, key: str
) -> None:
    forest = RandomForestClassifier(n_estimators=2, random_state=0).fit(ROWS, LABELS)
    with pytest.raises(UntrustedModelError, match="add what you trust") as raised:
        tracker.log_model(run, "forest", forest, ROWS, key=key)
    named = tuple(str(raised.value).split("holds ")[1].split(";")[0].split(", "))
    logged = tracker.log_model(run, "forest", forest, ROWS, key=key, trust=named)
    with pytest.raises(UntrustedModelError, match="does not trust"):
        tracker.load_model(logged.uri, logged.digest)
    assert len(tracker.load_model(logged.uri, logged.digest, trust=named).predict(ROWS)) == len(ROWS)


def test_a_version_is_found_by_its_key(tracker: ExperimentTracker, run: str, key: str, logged: LoggedModel) -> None:
    name = f"toy-{key}"
    assert tracker.production(name) is None
    assert tracker.register_model(run, name, logged.uri, key=key) == "1"
    assert tracker.find_model_version(name, key) == "1"
    assert tracker.find_model_version(name, "0") is None
    assert tracker.production(name) is None


def test_alias_and_stage_of_production_agree(
    tracker: ExperimentTracker, run: str, key: str, logged: LoggedModel
) -> None:
    name = f"toy-{key}"
    for version in ("1", "2"):
        assert tracker.register_model(run, name, logged.uri, key=key) == version
        tracker.set_production(name, version)
        tracker.transition_model_stage(name, version, "Production")
    assert tracker.production(name) == "2"
    assert (tracker.stage(name, "1"), tracker.stage(name, "2")) == ("Archived", "Production")


def test_the_alias_of_production_can_have_another_name(
    mlflow_server: Running, tracker: ExperimentTracker, run: str, key: str, logged: LoggedModel
) -> None:
    name = f"toy-{key}"
    tracker.register_model(run, name, logged.uri, key=key)
    champion = ExperimentTracker(mlflow_server.mlflow_url, production_alias="champion")
    champion.set_production(name, "1")
    assert champion.production(name) == "1"
    assert tracker.production(name) is None


def test_two_versions_in_production_are_refused(tracker: ExperimentTracker) -> None:
    with pytest.raises(TrackerError, match="two versions"):
        tracker.transition_model_stage("toy", "1", "Production", archive_existing_versions=False)


def test_a_refusal_is_no_lost_answer(tracker: ExperimentTracker) -> None:
    with pytest.raises(TrackerError) as raised:
        tracker.get_run("0" * 32)
    assert not isinstance(raised.value, NoAnswerError)


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
