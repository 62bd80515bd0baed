"""What makes two candidates the same recipe."""

from importlib import import_module
from pathlib import Path

import pytest

from retrain.models.recipe import recipe_of
from tests.core.spec.specs import spec

FUNCTION = "def made(c=1.0, *, kind='l2', size=object()):\n    return c\n"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write a module with the functions of a user."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, text: str = FUNCTION) -> str:
        (tmp_path / f"{name}.py").write_text(text)
        import_module(name)
        return f"{name}:made"

    return write


def recipe(estimator: str, params=None, **fields):
    candidate = {"name": "only", "estimator": estimator, "params": params or {}}
    return recipe_of(spec(**{"candidates": [candidate], **fields}), "only")


def test_the_same_source_and_arguments_are_the_same_recipe_wherever_the_function_is(module):
    one, other = module("recipe_one"), module("recipe_other")

    assert recipe(one) == recipe(other)
    assert recipe(one) == recipe(one, {"c": 1.0, "kind": "l2"})


@pytest.mark.parametrize("params", [{"c": 2.0}, {"kind": "l1"}])
def test_other_arguments_are_another_recipe(module, params):
    one = module("recipe_three")

    assert recipe(one, params) != recipe(one)


def test_another_source_is_another_recipe(module):
    assert recipe(module("recipe_four")) != recipe(module("recipe_five", FUNCTION.replace("c=1.0", "c=2.0")))


@pytest.mark.parametrize(
    "source", [{"features": ["title"]}, {"label": "other"}, {"features": ["title", "body"], "label_time": None}]
)
def test_other_columns_are_another_recipe(module, source):
    one = module("recipe_six")
    plain = {"table": "t", "key": "id", "label": "label", "label_time": "at", "features": ["body", "title"]}
    assert recipe(one, source=plain | source) != recipe(one, source=plain)


def test_another_window_is_another_recipe(module):
    one = module("recipe_seven")
    source = {"table": "t", "key": "id", "label": "label", "label_time": "at", "features": ["body"]}

    found = {recipe(one, source=source, snapshot=window) for window in ({}, {"window": "30d"}, {"max_rows": 10_000})}

    assert len(found) == 3


def test_what_has_no_source_is_unknown():
    assert recipe("builtins:len") is None
