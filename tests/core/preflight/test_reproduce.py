"""A version fitted again from the ledger alone, against a real PostgreSQL and a real MLflow server."""

import json

import pytest

from retrain.cli.reproduce import _says
from retrain.errors import NotInLedgerError
from retrain.preflight.reproduce import Reproduced, reproduce
from tests.core.conftest import Make, World


def says(found: Reproduced) -> str:
    return f"{found.same}{_says(found)}"


def with_version(world: Make, estimator: str = "tests.core.toys:logistic") -> World:
    candidate = {"name": "whole", "estimator": estimator, "params": {"columns": ["a", "b"]}}
    # A forest of two trees may be poor; what is asked is whether it is the same.
    model = world(candidates=[candidate], gate={"metric": "accuracy", "floor": 0.5, "round_rows": 100})
    model.feed(600)
    model.promote()
    return model


def test_what_learns_without_chance_predicts_the_same(world: Make) -> None:
    model = with_version(world)
    assert (
        says(reproduce(model, "1")) == "True (whole), fitted again, predicts the same for all 600 rows of its snapshot"
    )


def test_it_is_fitted_by_the_spec_of_then(world: Make) -> None:
    model = with_version(world)
    later = model.spec.model_copy(update={"candidates": ()})
    model.spec = later
    assert reproduce(model, "1").same


def test_what_draws_numbers_predicts_otherwise(world: Make) -> None:
    model = with_version(world, "tests.core.models.own:drawing")
    found = reproduce(model, "1")
    assert found.furthest > 0
    assert says(found).startswith("False (whole), fitted again, predicts otherwise for ")
    assert "its function or a library is not deterministic" in says(found)


def test_what_draws_from_the_common_generators_predicts_the_same(world: Make) -> None:
    assert reproduce(with_version(world, "tests.core.models.own:unseeded"), "1").same


def test_a_function_that_is_another_one_now_is_named(world: Make) -> None:
    model = with_version(world)
    model.execute("UPDATE retrain.model_files SET recipe = 'of before'")
    assert reproduce(model, "1").changed == ("its function is another one now",)


def test_rows_that_are_gone_are_named(world: Make) -> None:
    model = with_version(world)
    file = model.ledger.model_file_of_version(model.model, "1")
    assert file is not None
    model.snapshots.delete(model.ledger.snapshot(model.model, str(file.snapshot)).uri)
    assert says(reproduce(model, "1")).startswith("False cannot be fitted again. Gone: its rows: file://")


def test_of_an_adopted_version_nothing_is_known(world: Make) -> None:
    model = with_version(world)
    model.execute("UPDATE retrain.model_files SET spec = NULL")
    assert "a person adopted it" in says(reproduce(model, "1"))


def test_a_version_that_the_ledger_does_not_know_is_refused(world: Make) -> None:
    model = with_version(world)
    with pytest.raises(NotInLedgerError, match="version 7 is not in the ledger"):
        reproduce(model, "7")


def test_the_ledger_holds_the_spec_that_a_model_was_fitted_by(world: Make) -> None:
    model = with_version(world)
    file = model.ledger.model_file_of_version(model.model, "1")
    assert file is not None
    spec = json.loads(str(model.ledger.fitted_by(file)))
    assert spec["candidates"] == [
        {"name": "whole", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}}
    ]
