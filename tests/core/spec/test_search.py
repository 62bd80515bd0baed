"""The section `search` of a candidate."""

import pytest

from retrain.spec.search import Range, Sampler
from retrain.spec.spec import Spec
from tests.core.spec.specs import LINEAR, assert_accepted, assert_refused, spec

C = {"c": {"float": [0.1, 10.0]}}


def searched(**search):
    return {"candidates": [{**LINEAR, "search": search}]}


@pytest.mark.parametrize(
    "fields",
    [
        searched(space=C),
        searched(space={"c": {"float": [0.1, 10], "log": True}, "n": {"int": [1, 9], "step": 2}}, trials=3, time="2h"),
        searched(space={"p": {"choice": ["l1", None, True, 1, 0.5]}, **C}, sampler="cma-es", keep=2, per_task=5),
        searched(space={"p": {"choice": ["l1", "l2"]}, "r": {"float": [0, 1], "when": {"p": ["l1", "l2"]}}}),
        searched(space={"n": {"int": [1, 1]}}, sampler="grid", cv=3),
        searched(function="my_space:space", stop_after=5),
        searched(space=C, pruner={"metric": "validation_binary_logloss", "kind": "hyperband"}),
    ],
    ids=str,
)
def test_what_can_be_searched_is_accepted(fields):
    assert_accepted(fields)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({}, "candidates[0].search = {}: needs one of space and function; write a range for a parameter"),
        ({"space": {}}, "search.space = {}: is empty; name a parameter, or remove search"),
        ({"space": C, "function": "a:b"}, "needs one of space and function"),
        ({"space": {"c": {}}}, "c = {}: needs one of int, float and choice; write for example float: [0.1, 10]"),
        ({"space": {"c": {"float": [0, 1], "int": [0, 1]}}}, "needs one of int, float and choice"),
        ({"space": {"c": {"float": [10, 1]}}}, "holds no value, as 10.0 is above 1.0; write the least first"),
        ({"space": {"c": {"float": [0, 1], "log": True}}}, "log needs values above 0, and the least is 0.0"),
        ({"space": {"c": {"float": [1, 2], "log": True, "step": 1}}}, "log and step exclude each other; remove one"),
        ({"space": {"c": {"int": [1, 2], "step": 0.5}}}, "step of whole numbers must be one; write for example 2"),
        ({"space": {"c": {"int": [1.5, 2]}}}, "c.int[0] = 1.5: input should be a valid integer"),
        ({"space": {"c": {"float": [1]}}}, "c.float[1]: is missing; add it"),
        ({"space": {"c": {"choice": []}}}, "c.choice = []"),
        ({"space": {"c": {"choice": ["a", "a"]}}}, "names a choice twice; name each once"),
        ({"space": {"c": {"choice": ["a"], "log": True}}}, "log and step are for numbers; remove them"),
        ({"space": {"c": {**C["c"], "when": {"p": 1}}}}, "c.when: p does not stand above it"),
        (
            {"space": {"p": {"choice": ["l1"]}, "c": {**C["c"], "when": {"p": "l3"}}}},
            "c.when: p never is 'l3'; name one of its values",
        ),
        (
            {"space": {"p": {"float": [0, 1]}, "c": {**C["c"], "when": {"p": 0.5}}}},
            "c.when: p never is 0.5; name one of its values",
        ),
        ({"space": C, "sampler": "grid"}, "sampler: grid needs a step, and c has none; write one"),
        ({"function": "a:b", "sampler": "grid"}, "sampler: grid needs space; write it, or another sampler"),
        ({"space": C, "trials": 0}, "search.trials = 0"),
        ({"space": C, "cv": 1}, "search.cv = 1"),
        ({"space": C, "time": "0s"}, "leaves no time; write more, as in 3d"),
        ({"space": C, "cv": 3, "pruner": {"metric": "validation_loss"}}, "pruner and cv exclude each other"),
        ({"space": C, "pruner": {"metric": "loss"}}, "search.pruner.metric = \"loss\""),
        ({"space": C, "many": 3}, "search.many"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_searched_is_refused(search, message):
    assert_refused(searched(**search), message)


def test_a_parameter_is_given_or_searched_for_and_not_both():
    fields = {"candidates": [{**LINEAR, "params": {"c": 1}, "search": {"space": C}}]}
    assert_refused(fields, "search: c stands in params as well; remove one of them")


def test_a_function_alone_is_short_for_a_search_by_it():
    (candidate,) = spec(**{"candidates": [{**LINEAR, "search": "my_space:space"}]}).candidates
    assert candidate.search is not None
    assert (candidate.search.function, candidate.search.trials) == ("my_space:space", 20)
    assert candidate.search.sampler is Sampler.TPE


def test_a_spec_is_the_same_after_it_was_written_and_read():
    space = {"p": {"choice": ["l1", None, True, 1]}, "c": {"float": [0, 1], "step": 0.1, "when": {"p": None}}}
    made = spec(**searched(space=space, time="2h", pruner={"metric": "validation_x"}))
    assert Spec.model_validate_json(made.model_dump_json(exclude_defaults=True)) == made


def test_one_value_of_a_condition_is_short_for_a_list():
    space = {"p": {"choice": ["l1", "l2"]}, "r": {"float": [0, 1], "when": {"p": "l1"}}}
    (candidate,) = spec(**searched(space=space)).candidates
    assert candidate.search.space["r"].when == {"p": ("l1",)}


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ({"int": (1, 6), "step": 2.0}, (1, 3, 5)),
        ({"float": (0.0, 0.3), "step": 0.1}, (0.0, 0.1, 0.2, 0.3)),
        ({"float": (0.0, 1.0)}, None),
        ({"choice": ("a", None)}, ("a", None)),
    ],
)
def test_a_range_knows_its_values(fields, values):
    found = Range(**fields).values
    assert found is None if values is None else found == pytest.approx(values) if 0.1 in values else found == values
