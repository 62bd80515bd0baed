"""The section `candidates`."""

import pytest

from retrain.errors import SpecError
from retrain.spec.candidates import Format
from retrain.spec.spec import Spec
from tests.core.spec.specs import LINEAR, SOURCE, assert_accepted, assert_refused, refusal, spec


@pytest.mark.parametrize(
    "fields",
    [
        {"candidates": [{**LINEAR, "fit": {"verbose": False}, "sample_weight": "balanced", "early_stopping": 0.1}]},
        {"candidates": [{**LINEAR, "passes": 3, "stream": True}], "share_steps": False},
        {"candidates": [{"name": "own", "train": "my_models.torch:train", "params": {"epochs": 3}}]},
        {"candidates": [{**LINEAR, "format": ["skops", "onnx"]}]},
        {"candidates": [{**LINEAR, "params": {"columns": ["a"], "c": 0.5, "deep": {"on": None}}}]},
    ],
    ids=str,
)
def test_what_can_run_is_accepted(fields):
    assert_accepted(fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"candidates": []}, "candidates = []: is empty; add a candidate"),
        ({"candidates": [LINEAR, LINEAR]}, "names linear more than once; name each once"),
        ({"candidates": LINEAR}, "input should be a valid array"),
        (
            {"candidates": [{**LINEAR, "early_stopping": 1}]},
            "candidates[0].early_stopping = 1: input should be less than 1",
        ),
        ({"candidates": [{"name": "none"}]}, "candidates[0].train = null: needs one of estimator and train"),
        ({"candidates": [{**LINEAR, "train": "a:b"}]}, 'candidates[0].train = "a:b": needs one of estimator and train'),
        (
            {"candidates": [{"name": "own", "train": "a:b", "early_stopping": 0.1}]},
            "early_stopping: is for estimator; let the function do it",
        ),
        (
            {"candidates": [{"name": "own", "train": "a:b", "passes": 2}]},
            "passes: is for estimator; let the function do it",
        ),
        ({"candidates": [{**LINEAR, "passes": 0}]}, "candidates[0].passes = 0: input should be greater than or equal"),
        (
            {"candidates": [{**LINEAR, "early_stopping": 0.1, "stream": True}]},
            "early_stopping is for boosters, which have no passes; remove one of them",
        ),
        (
            {"candidates": [{**LINEAR, "format": "onnx"}]},
            "lacks skops, from which Retrain loads it; write [skops, onnx]",
        ),
        ({"candidates": [{**LINEAR, "format": ["skops", "skops"]}]}, "names skops more than once; name each once"),
        ({"candidates": [{**LINEAR, "format": ["skops", "pmml"]}]}, "input should be 'skops' or 'onnx'"),
        (
            {"candidates": [{**LINEAR, "sample_weight": "pay"}]},
            "linear.sample_weight = pay: is not read; add it to source.also_read",
        ),
    ],
)
def test_a_fault_is_refused_with_file_field_value_and_remedy(fields, message):
    assert_refused(fields, message)


def test_a_candidate_is_found_by_its_name():
    both = spec(candidates=[LINEAR, {**LINEAR, "name": "strict", "params": {"c": 0.1}}])

    assert both.candidate("strict").params == {"c": 0.1}


def test_a_candidate_that_the_spec_does_not_name_is_refused_with_those_that_it_does():
    both = spec(candidates=[LINEAR, {**LINEAR, "name": "strict"}])

    with pytest.raises(SpecError, match=r"^Letters: there is no candidate 'boosted'; the spec names linear, strict$"):
        both.candidate("boosted")


def test_a_fault_in_the_only_candidate_is_not_reported_as_a_missing_candidate():
    text = refusal(candidates=[{**LINEAR, "estimator": "estimators.text.logistic"}])

    assert text == (
        'letters.yaml: candidates[0].estimator = "estimators.text.logistic": '
        r"string should match pattern '^[A-Za-z_][\w.]*:[A-Za-z_]\w*$'"
    )


def test_weights_are_a_column_that_is_read():
    weighed = [{**LINEAR, "sample_weight": "pay"}]

    assert spec(candidates=weighed, source={**SOURCE, "also_read": ["pay"]}).candidates[0].sample_weight == "pay"


def test_numbers_have_no_classes_to_balance():
    text = refusal(
        candidates=[{**LINEAR, "sample_weight": "balanced"}], task="regression", gate={"metric": "mae", "ceiling": 1}
    )

    assert "linear.sample_weight: balanced is for classification; name a column" in text


def test_a_format_comes_through_json_as_the_process_that_fits_gets_it():
    both = spec(candidates=[{**LINEAR, "format": ["skops", "onnx"]}])

    again = Spec.model_validate_json(both.model_dump_json(exclude_defaults=True))

    assert again.candidate("linear").format == (Format.SKOPS, Format.ONNX)
    assert spec(candidates=[{**LINEAR, "format": "skops"}]) == spec(candidates=[LINEAR])
