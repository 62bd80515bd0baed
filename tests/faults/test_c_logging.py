"""What is logged never stops a cycle: odd values, long values, long texts of errors."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrain.cycle import runs
from retrain.errors import EstimatorError, SpecError, TrackerError
from retrain.gate import judge as gate_judge
from retrain.models import training
from retrain.records import Verdict
from retrain.spec.candidates import CandidateSpec
from retrain.spec.parse import parse
from retrain.text import one_line
from retrain.tracker import validation
from retrain.tracker.client import ExperimentTracker
from tests.core.conftest import Make

# ── C11

_UNFIT = "is not a name for a model; use printable characters, without a blank at its ends or two dots first"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("a\\b", "holds a backslash, which MLflow cannot search for; remove it"),
        ('it\'s "new"', "holds both kinds of quotes, which MLflow cannot search for; remove it"),
        *((name, _UNFIT) for name in ("a\nb", "a\u200bb", "..a", "model ")),
    ],
)
def test_a_model_name_that_mlflow_cannot_search_for_is_refused_in_the_spec(name: str, what: str) -> None:
    """C11."""
    with pytest.raises(SpecError) as refused:
        parse(_spec(name), "letters.yaml")
    assert str(refused.value).startswith('letters.yaml: model = "')
    assert str(refused.value).endswith(f'": {what}')


@pytest.mark.parametrize("name", ["it's", 'a "new" one', "자기소개서 분류", "v1.2 (beta)", ".a"])
def test_a_model_name_that_the_spec_takes_can_be_registered_and_searched_for(
    tracker: ExperimentTracker, name: str
) -> None:
    """C11."""
    assert parse(_spec(name), "letters.yaml").model == name
    tracker._client.create_registered_model(name)
    assert tracker.production(name) is None
    assert tracker.list_model_versions(name) == []


def _spec(name: str) -> dict[str, object]:
    return {
        "model": name,
        "source": {"table": "letters", "key": "id", "label": "label", "features": ["text"]},
        "candidates": [{"name": "linear", "estimator": "estimators.text:linear"}],
    }


# ── C12


def test_numpy_scalars_and_arrays_without_dimensions_are_taken(tracker: ExperimentTracker) -> None:
    """C12."""
    run = tracker.start_run(tracker.create_experiment("numpy"), "run")
    tracker.log_params(
        run,
        {
            "whole": np.int64(3),
            "float": np.float32(0.5),
            "flag": np.bool_(True),
            "text": np.str_("가"),
            "none": np.array(7),
            "array": np.array([[1, 2], [3, 4]]),
            "deep": {np.int64(0): np.float64(0.25), "list": [np.int8(1), (np.array(2.5),)]},
        },
    )
    tracker.log_metrics(
        run,
        {
            "none": np.array(0.5),
            "flag": np.bool_(True),
            "list": [np.array(1.0), np.float16(2)],
            "nan": np.array(np.nan),
        },
    )
    logged = tracker.get_run(run)
    assert logged.params == {
        "whole": "3",
        "float": "0.5",
        "flag": "true",
        "text": "가",
        "none": "7",
        "array": "[[1, 2], [3, 4]]",
        "deep": '{"0": 0.25, "list": [1, [2.5]]}',
    }
    assert math.isnan(logged.metrics["nan"])
    assert {name: value for name, value in logged.metrics.items() if name != "nan"} == {
        "none": 0.5,
        "flag": 1,
        "list": 2,
    }


@pytest.mark.parametrize("value", [np.array(np.inf), np.array("0.5"), np.array([[1.0]]), np.datetime64("2026-01-01")])
def test_arrays_that_hold_no_number_are_refused(value: object) -> None:
    """C12."""
    with pytest.raises(TrackerError, match="metric 'a' is "):
        validation.metrics({"a": value})  # type: ignore[dict-item]


def test_a_value_that_holds_itself_is_refused() -> None:
    """C12."""
    value: list[object] = []
    value.append(value)
    with pytest.raises(TrackerError, match=r"parameter 'a': .* cannot be written as JSON"):
        validation.params({"a": value})


# ── C5


def test_a_parameter_too_long_for_mlflow_is_its_digest_and_whole_in_a_file(world: Make, tmp_path: Path) -> None:
    """C5."""
    columns = ["a", "b", *(f"measurement_number_{each}_of_three_hundred" for each in range(300))]
    params = {"columns": columns, "remark": "a\x85b", "of (all)": 1}
    model = world(candidates=[{"name": "wide", "estimator": "tests.faults.estimators:wide", "params": params}])
    model.feed(600)
    (candidate,) = model.train(model.cycle(), model.take())
    logged = model.tracker.get_run(candidate.run_id).params
    digest = hashlib.sha256(json.dumps(columns, sort_keys=True).encode()).hexdigest()
    assert logged == {
        "estimator": "tests.faults.estimators:wide",
        "columns": f"sha256:{digest}",
        "remark": "a\x85b",
    }
    file = model.tracker.download_artifact(candidate.run_id, "params.json", tmp_path)
    assert {**params, "estimator": "tests.faults.estimators:wide"} == json.loads(file.read_text("utf-8"))


# ── C7


def test_the_text_of_an_exception_is_bounded_where_it_enters() -> None:
    """C7."""
    text = one_line(ValueError("first\n" + "x\0\ud800 " * 5000 + "last"))
    assert len(text) == 1_000
    assert text.startswith("first x\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} x")
    assert text.endswith("last")


def test_an_exception_of_a_candidate_is_quoted_in_bounds() -> None:
    """C7."""
    with pytest.raises(EstimatorError) as failed:
        training.build(CandidateSpec(name="a", estimator="tests.faults.estimators:lengthy"))
    assert str(failed.value).startswith("candidate 'a': tests.faults.estimators:lengthy failed: ValueError: how long")
    assert len(str(failed.value)) < 1_200


def test_a_long_reason_is_cut_in_the_tag_and_whole_in_the_file(
    world: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C7."""
    reason = "version 1: " + "how long " * 1_212

    def judge(*arguments: Any) -> Verdict:
        return gate_judge.judge(*arguments).model_copy(update={"reason": reason})

    monkeypatch.setattr("retrain.cycle.challenge.judge", judge)
    model = world()
    model.feed(2000)
    _, verdict = model.judge()
    run = model.tracker.get_run(verdict.matchup.run_id)
    assert run.status == "FINISHED"
    assert run.tags["retrain.reason"] == reason[:7_999] + "…"
    file = model.tracker.download_artifact(run.id, "verdict/verdict.json", tmp_path)
    assert json.loads(file.read_text("utf-8"))["reason"] == reason


def test_a_tag_holds_what_mlflow_can_store() -> None:
    """C7."""
    assert runs.retrain_tags({"reason": "a\0b\ud800"}) == {
        "retrain.reason": "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    }
