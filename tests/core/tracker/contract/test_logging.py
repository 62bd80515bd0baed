"""What a tracker promises about parameters, metrics and tags of a run."""

import math
import time
from datetime import UTC, datetime

from retrain.tracker.entities import LoggedModel, MetricPoint
from tests.core.tracker.contract.samples import Tracker, refused


def test_parameters_that_are_no_text_become_json_and_none_changes(tracker: Tracker, run: str) -> None:
    for _ in range(2):
        tracker.log_params(run, {"text": "plain", "list": [1, 2], "deep": {"가": None}, "number": 0.5})
    kept = {"text": "plain", "list": "[1, 2]", "deep": '{"가": null}', "number": "0.5"}
    assert tracker.get_run(run).params == kept
    refused(lambda: tracker.log_params(run, {"number": 0.6}), "'number' is '0.5' and cannot become '0.6'")
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
    refused(lambda: tracker.log_params(run, {"fine": "x", "words": "x" * 6001}), "'words' has 6,001 characters")
    refused(lambda: tracker.set_tags(run, {"fine": "x", "note": "x" * 8001}), "'note' has 8,001 characters")
    for text in ("a\0b", "a\ud800b"):
        refused(lambda text=text: tracker.log_params(run, {"fine": "x", "odd": text}), "'odd' holds")
        refused(lambda text=text: tracker.set_tags(run, {"fine": "x", "odd": text}), "'odd' holds")
        refused(lambda text=text: tracker.start_run(experiment, text), "holds")
        refused(lambda text=text: tracker.start_run(experiment, "run", note=text), "holds")
        refused(lambda text=text: tracker.create_experiment(text), "holds")
        refused(lambda text=text: tracker.register_model(run, text, logged.uri, key="ab12"), "holds")
    refused(lambda: tracker.start_run(experiment, "x" * 251), "251 characters")
    refused(lambda: tracker.create_experiment("x" * 251), "251 characters")
    refused(lambda: tracker.register_model(run, "x" * 251, logged.uri, key="ab12"), "251 characters")
    assert tracker.get_run(run) == before
    tracker.log_params(run, {"words": "가" * 6000})
    tracker.set_tags(run, {"note": "가" * 8000})
    assert tracker.get_run(tracker.start_run(experiment, "x" * 250)).name == "x" * 250


def test_who_logs_can_set_tags_in_the_same_call(tracker: Tracker, run: str) -> None:
    tracker.log_params(run, {"c": 1}, tags={"by": "kim"})
    tracker.log_metrics(run, {"f1": 0.5}, tags={"by": "lee", "also": "x"})
    found = tracker.get_run(run)
    assert (found.tags["by"], found.tags["also"]) == ("lee", "x")
    refused(lambda: tracker.log_metrics(run, {"loss": 1.0}, tags={"note": "x" * 8001}), "8,001 characters")
    assert "loss" not in tracker.get_run(run).metrics


def test_a_point_that_is_logged_again_with_its_time_is_there_once(tracker: Tracker, run: str) -> None:
    time_of_it = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    for _ in range(2):
        tracker.log_metrics(run, {"loss": [0.5, 0.25]}, step=3, at=time_of_it)
    assert tracker.metric_history(run, "loss") == [MetricPoint(3, 0.5, time_of_it), MetricPoint(4, 0.25, time_of_it)]


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
        ({"precision (weighted)": 0.5}, r"not allow '\(' in a name"),
        ({"a//b": 0.5}, "nor an empty part"),
        ({"x" * 251: 0.5}, "not 251"),
    ):
        refused(lambda wrong=wrong: tracker.log_metrics(run, {"fine": 1, **wrong}), says)
    assert tracker.get_run(run).metrics == {"loss": 0.05, "f1": 0.8}
    tracker.log_metrics(run, {"f1": math.nan}, step=4)
    assert math.isnan(tracker.get_run(run).metrics["f1"])
