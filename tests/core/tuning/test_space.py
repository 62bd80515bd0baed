"""The space of a search: what is asked of a trial, its corners, its grid."""

import json
from importlib import import_module

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrain.errors import EstimatorError
from retrain.spec.search import Search
from retrain.tuning.space import corners, fits, grid, suggested
from tests.docs.blocks import blocks_of

WHOLE = {
    "c": {"float": [0.01, 10.0], "log": True},
    "depth": {"int": [1, 9], "step": 2},
    "penalty": {"choice": ["l1", "l2", None, True, 1]},
    "ratio": {"float": [0.0, 1.0], "step": 0.1, "when": {"penalty": ["l1", "l2"]}},
    "deep": {"int": [1, 4], "log": True, "when": {"depth": [7, 9], "penalty": "l1"}},
}


def search(**fields):
    return Search.model_validate_json(json.dumps({"space": WHOLE, **fields}))


def asked(of, number=1, seed=0):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [suggested(study.ask(), of) for _ in range(number)]


@given(st.integers(0, 10_000))
def test_whatever_is_asked_for_is_a_point_of_the_space(seed):
    (params,) = asked(search(), seed=seed)

    assert fits(params, search())
    assert ("ratio" in params) == (params["penalty"] in ("l1", "l2"))
    assert ("deep" in params) == (params["depth"] in (7, 9) and params["penalty"] == "l1")


def test_corners_are_points_with_each_end_and_each_choice():
    found = corners(search())

    assert all(fits(params, search()) for params in found)
    assert {params["c"] for params in found} == {0.01, 10.0}
    assert {params["depth"] for params in found} == {1, 9}
    assert [params["penalty"] for params in found] == ["l1", "l2", None, True, 1]


def test_a_grid_has_each_point_once_and_no_value_that_is_not_used():
    space = {"a": {"choice": ["x", "y"]}, "b": {"int": [1, 3], "when": {"a": "x"}}}
    of = search(sampler="grid", trials=100, space=space)

    assert grid(of) == [{"a": "x", "b": 1}, {"a": "x", "b": 2}, {"a": "x", "b": 3}, {"a": "y"}]
    fewer = grid(of.model_copy(update={"trials": 2}))
    assert len(fewer) == 2
    assert fewer == grid(of.model_copy(update={"trials": 2}))


@pytest.mark.parametrize(
    "strange",
    [
        {"c": 1.0, "depth": 2, "penalty": None},  # between two steps
        {"c": 11.0, "depth": 1, "penalty": None},
        {"c": 1.0, "depth": 1, "penalty": "l3"},
        {"c": 1.0, "depth": 1, "penalty": "l1"},  # without its ratio
        {"c": 1.0, "depth": 1, "penalty": None, "ratio": 0.5},
        {"c": 1.0, "depth": True, "penalty": None},
        {"c": "1", "depth": 1, "penalty": None},
    ],
)
def test_what_is_no_point_is_known_for_it(strange):
    assert not fits(strange, search())


def test_a_function_may_make_parameters_of_what_it_asks_for():
    of = search(space=None, function="tests.core.toys:columns_of_a_trial")

    found = asked(of, 20)

    assert {tuple(params["columns"]) for params in found} == {("a",), ("a", "b")}
    assert corners(of)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("tests.core.toys:absent", "has no function absent"),
        ("tests.core.toys:logistic", "logistic returned Pipeline; let it return parameters by name"),
        ("tests.core.toys:failing_space", "failing_space failed: ZeroDivisionError"),
    ],
)
def test_a_function_that_gives_no_parameters_is_named(function, message):
    with pytest.raises(EstimatorError, match=message):
        asked(search(space=None, function=function))


def test_the_function_of_the_page_gives_what_its_estimator_takes(monkeypatch, tmp_path):
    (block,) = [each.text for each in blocks_of("docs/search.md") if each.begins == "# my_space.py"]
    (tmp_path / "my_space.py").write_text(block, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    for params in asked(search(space=None, function="my_space:space"), 10):
        network = import_module("my_space").network(**params)
        assert list(network.hidden_layer_sizes) == params["sizes"]
        assert 1 <= len(params["sizes"]) <= 3
