"""The ledger and MLflow part when one of them is restored to another time, or a registered model is made anew."""

from collections.abc import Callable

import pytest

from retrain.preflight.reconcile import Kind, look, mend
from retrain.production.apply import apply
from retrain.records import Move
from tests.core.conftest import Build, Make, World
from tests.core.cycle.looking import replaced
from tests.faults import by_hand

PERSON = {"by": "kim", "why": "MLflow was restored"}


@pytest.fixture
def two(cast: Callable[[Build], World]) -> World:
    """A model whose second version has replaced the first."""
    return cast(replaced)


def found(model: World) -> list[tuple[Kind, str | None, str | None]]:
    return [(each.kind, each.version, each.now) for each in look(model.model, model.ledger, model.tracker)]


def mended(model: World) -> list[str]:
    return [*mend(look(model.model, model.ledger, model.tracker), model.registry, **PERSON)]


def made_anew_in_reverse(model: World) -> None:
    """Delete the registered model and register its versions again, the last one first."""
    files = [model.ledger.model_file_of_version(model.model, number) for number in ("2", "1")]
    by_hand.delete(model.tracker, model.model)
    for number, file in enumerate(files, 1):
        assert file is not None
        assert file.run_id is not None
        assert model.tracker.register_model(file.run_id, model.model, file.uri) == str(number)


def test_nothing_is_said_where_the_two_agree(two: World) -> None:
    assert found(two) == []
    assert mended(two) == []


def test_versions_that_were_registered_in_another_order_are_known_by_their_new_numbers(two: World) -> None:
    made_anew_in_reverse(two)
    two.tracker._client.set_registered_model_alias(two.model, "production", "1")
    assert found(two) == [(Kind.RENUMBERED, "1", "2"), (Kind.RENUMBERED, "2", "1")]

    said = mended(two)

    assert said == [f"{two.model}: version 1 is known as version 2", f"{two.model}: version 2 is known as version 1"]
    assert found(two) == []
    assert apply(two.model, two.ledger, two.tracker) == "1"
    back = two.registry.rollback(two.model, expects="1", **PERSON)
    assert (back.kind, back.to_version) == (Move.ROLLBACK, "2")
    assert len(two.ledger.model_files_in_use()) >= 1


def test_the_files_of_renumbered_versions_stay_in_use(two: World) -> None:
    before = {file.uri for file in two.ledger.model_files_in_use()}
    made_anew_in_reverse(two)
    mended(two)
    assert {file.uri for file in two.ledger.model_files_in_use()} == before


def test_what_was_rolled_back_stays_so_under_its_new_number(two: World) -> None:
    file = two.ledger.model_file_of_version(two.model, "2")
    assert file is not None
    assert file.recipe and file.snapshot  # noqa: PT018 - one thing
    two.registry.rollback(two.model, expects="2", **PERSON)
    made_anew_in_reverse(two)
    mended(two)
    assert two.ledger.rolled_back(two.model, file.recipe, file.snapshot) == "1"


def test_versions_that_were_in_production_are_registered_again_from_their_logged_models(two: World) -> None:
    by_hand.delete(two.tracker, two.model)
    gone = [(Kind.GONE, "1", None), (Kind.GONE, "2", None), (Kind.PRODUCTION, "2", None)]
    assert found(two) == gone

    assert len(mended(two)) == 2

    (left,) = look(two.model, two.ledger, two.tracker)
    assert (left.kind, left.now) == (Kind.PRODUCTION, "2")
    assert f"`retrain promote {two.model} 2 --why …` puts it back" in left.remedy
    assert mended(two) == []
    apply(two.model, two.ledger, two.tracker)
    two.registry.promote(two.model, "2", expects=None, **PERSON)
    assert found(two) == []


def test_a_version_whose_logged_model_is_gone_as_well_stays_away(world: Make) -> None:
    two = replaced(world)
    file = two.ledger.model_file_of_version(two.model, "1")
    assert file is not None
    two.tracker._client.delete_model_version(two.model, "1")
    two.tracker._client.delete_logged_model(file.identity)
    (line,) = mended(two)
    assert line.startswith(f"{two.model}: version 1 stays away: ")
    assert found(two) == [(Kind.GONE, "1", None)]


def test_mlflow_that_was_restored_to_the_time_before_a_promotion_is_found_and_put_right(two: World) -> None:
    two.tracker._client.set_registered_model_alias(two.model, "production", "1")
    (found_,) = look(two.model, two.ledger, two.tracker)
    assert (found_.kind, found_.version, found_.now) == (Kind.PRODUCTION, "2", "2")
    assert "version 1 owns alias production" in found_.says
    assert "if version 1 is to stay, nothing is to be done" in found_.remedy
    apply(two.model, two.ledger, two.tracker)  # as `retrain-watch` does ten minutes later: still the same
    assert found(two) == [(Kind.PRODUCTION, "2", "2")]
    two.registry.promote(two.model, "2", expects="1", **PERSON)
    assert found(two) == []


def test_a_ledger_that_was_restored_to_a_time_before_a_version_says_that_verdicts_are_forgotten(two: World) -> None:
    for statement in (
        "DELETE FROM retrain.promotions WHERE to_version = '2'",
        "DELETE FROM retrain.model_files WHERE version = '2'",
    ):
        two.execute(statement)
    unknown, production = look(two.model, two.ledger, two.tracker)
    assert (unknown.kind, unknown.version) == (Kind.UNKNOWN, "2")
    assert "it forgot verdicts too" in unknown.remedy
    assert f"`retrain adopt {two.model} 2`" in unknown.remedy
    assert (production.kind, production.version) == (Kind.PRODUCTION, "1")
    assert mended(two) == []
