"""What may be logged, checked without MLflow except for its own rules about names."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import _validate_param_name

from retrain.errors import TrackerError
from retrain.tracker import validation


@settings(deadline=None)
@given(name=st.text(max_size=20) | st.text("ab./ :-", max_size=8))
@example(name="..")
@example(name="..a")
@example(name="a/./b")
@example(name="/a")
@example(name="f1 (macro)")
@example(name="")
def test_mlflow_takes_each_name_that_we_take(name: str) -> None:
    try:
        validation.metrics({name: 1.0})
    except TrackerError:
        # `$` in MLflow's rule lets a line break at the end pass, and nothing else.
        if not name.endswith("\n"):
            with pytest.raises(MlflowException):
                _validate_param_name(name)
    else:
        _validate_param_name(name)


def test_a_refusal_names_the_key_and_the_character() -> None:
    with pytest.raises(TrackerError, match=r"parameter 'a\(b\)': MLflow does not allow '\(' in a name"):
        validation.params({"a(b)": 1})
    with pytest.raises(TrackerError, match=r"tag 'a%': MLflow does not allow '%'"):
        validation.tags({"a%": "x"})


def test_parameters_become_text_and_what_is_no_json_is_refused() -> None:
    given = {"text": "0.5", "number": 0.5, "none": None, "flag": True, "list": (1, "가"), "deep": {"a": [math.inf]}}
    assert validation.params(given) == {
        "text": "0.5",
        "number": "0.5",
        "none": "null",
        "flag": "true",
        "list": '[1, "가"]',
        "deep": '{"a": [Infinity]}',
    }
    with pytest.raises(TrackerError, match=r"parameter 'odd': .* cannot be written as JSON"):
        validation.params({"odd": object()})


def test_points_are_numbered_within_their_sequence() -> None:
    assert validation.metrics({"a": 1, "b": [0.5, np.float32(0.25)], "c": np.int64(3), "d": np.array([2.0])}) == [
        ("a", 0, 1.0),
        ("b", 0, 0.5),
        ("b", 1, 0.25),
        ("c", 0, 3.0),
        ("d", 0, 2.0),
    ]
    assert math.isnan(validation.metrics({"a": math.nan})[0][2])
    assert validation.metrics({"a": []}) == []


@pytest.mark.parametrize("value", [math.inf, -math.inf, np.float32("inf"), [1.0, math.inf], 10**400])
def test_infinity_is_refused(value: float) -> None:
    with pytest.raises(TrackerError, match=r"metric 'a' is .*log NaN"):
        validation.metrics({"a": value})


@pytest.mark.parametrize("value", [None, "x", "0.5", ["1"], object()])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(TrackerError, match=r"metric 'a' is .*not a number"):
        validation.metrics({"a": value})
