"""A Production that somebody else put there is not overlooked, and each model may have aliases of its own."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from retrain.cycle.promote import promote
from retrain.errors import RetrainError, SpecError
from retrain.records import Outcome
from retrain.spec.aliases import Aliases
from retrain.spec.operation import Mode
from retrain.spec.parse import parse
from retrain.tracker.entities import Stage
from tests.airflow.conftest import toy_spec
from tests.core.conftest import Make, World
from tests.core.cycle.looking import quick
from tests.faults import by_hand

PERSON = {"by": "kim", "why": "it serves"}


def stages(model: World) -> dict[str, str]:
    return {each.version: each.stage for each in model.tracker.list_model_versions(model.model)}


@pytest.mark.parametrize(
    ("stage", "aliases", "named"),
    [
        ("Production", ("champion",), "version 1 (stage Production, alias champion)"),
        ("Production", (), "version 1 (stage Production)"),
        ("None", ("champion", "live"), "version 1 (stage None, alias champion, alias live)"),
        ("Archived", ("Production",), "version 1 (stage Archived, alias Production)"),
    ],
)
def test_a_model_that_owns_another_alias_or_the_stage_is_refused_with_the_remedies(
    world: Make, stage: Stage, aliases: tuple[str, ...], named: str
) -> None:
    """A1."""
    model = quick(world)
    by_hand.register(model.tracker, model.model, stage=stage, aliases=aliases)
    model.feed(1000)
    before = stages(model)
    for _ in range(2):
        with pytest.raises(RetrainError) as raised:
            model.judge()
        text = str(raised.value)
        assert named in text
        assert "no version owns alias production" in text
        assert "it gets alias production, is judged" in text
        assert ("aliases: {production: " in text) == bool(aliases)
        assert f"adopt it (`retrain adopt {model.model} 1`, or DAG retrain-adopt)" in text
        assert "move it to stage Archived" in text
    # The refused cycles consumed nothing, replaced nothing, and were told once.
    assert model.ledger.last_consumed(model.model) is None
    assert stages(model) == before
    (headline,) = model.headlines()
    assert named in headline


def test_the_same_is_refused_where_the_verdict_was_made_before(world: Make) -> None:
    """A1."""
    model = quick(world)
    model.feed(1000)
    cycle, verdict = model.judge()
    by_hand.register(model.tracker, model.model, stage="Production")
    with pytest.raises(RetrainError, match=r"version 2 \(stage Production\)"):
        promote(cycle, verdict)
    assert model.tracker.production(model.model) is None
    assert stages(model)["2"] == "Production"


def test_a_person_who_promotes_another_version_does_not_archive_it_unseen(world: Make) -> None:
    """A1."""
    model = quick(world)
    model.feed(1000)
    model.judge()
    theirs = by_hand.register(model.tracker, model.model, stage="Production")
    with pytest.raises(RetrainError, match=r"version 2 \(stage Production\)"):
        model.registry.transition_model_stage(model.model, "1", "Production", expects=None, **PERSON)
    assert stages(model)[theirs] == "Production"


@pytest.mark.parametrize(
    "remedy", ["the alias of the spec", "the alias by hand", "adopt it", "it is none", "it is none, by word"]
)
def test_each_remedy_lets_the_model_go_on(world: Make, remedy: str) -> None:
    """A1."""
    model = quick(world)
    model.feed(1000)
    theirs = by_hand.register(model.tracker, model.model, stage="Production", aliases=("champion",))
    client = model.tracker._client
    if remedy == "the alias of the spec":
        spec = model.spec.model_copy(update={"aliases": Aliases(production="champion")})
        model = replace(model, spec=spec, tracker=model.tracker.with_aliases("champion", "staging"))
        model.adopt(theirs)
    elif remedy == "it is none, by word":
        assert [each.version for each in model.registry.dismiss(model.model, **PERSON)] == [theirs]
    elif remedy == "the alias by hand":
        client.set_registered_model_alias(model.model, "production", theirs)
        model.adopt(theirs)
    elif remedy == "adopt it":
        model.adopt(theirs)
    else:
        model.tracker.transition_model_stage(model.model, theirs, "Archived")
        client.delete_registered_model_alias(model.model, "champion")
    _, verdict = model.judge()
    assert verdict.matchup.production == (None if remedy.startswith("it is none") else theirs)


def test_what_was_replaced_can_be_put_back(world: Make) -> None:
    """A1."""
    model = quick(world)
    model.feed(1000)
    theirs = by_hand.register(model.tracker, model.model, stage="Production", aliases=("production",))
    model.adopt(theirs, trained_before=datetime(2001, 1, 1, tzinfo=UTC))
    model = replace(model, spec=model.spec.model_copy(update={"mode": Mode.ENFORCE}))
    cycle, verdict = model.judge()
    assert promote(cycle, verdict, force="a test", by="kim").from_version == theirs
    row = model.registry.rollback(model.model, expects="2", **PERSON)
    assert (row.to_version, model.tracker.production(model.model)) == (theirs, theirs)
    assert stages(model) == {theirs: "Production", "2": "Archived"}


# ── an alias of its own for each spec


def test_a_spec_has_aliases_of_its_own_and_every_use_goes_by_them(world: Make) -> None:
    """A1."""
    model = quick(world, aliases={"production": "champion", "staging": "challenger"})
    assert model.tracker.alias("Production") == "champion"
    model.feed(1000)
    assert model.promote().to_version == "1"
    model.judge()
    model.registry.transition_model_stage(model.model, "2", "Staging", expects="1", **PERSON)
    owners = model.tracker.get_model(model.model).aliases
    assert owners == {"champion": "1", "challenger": "2"}
    model.tracker._client.set_registered_model_alias(model.model, "champion", "2")
    _, verdict = model.judge()
    assert verdict.matchup.production == "2"


@pytest.mark.parametrize("alias", ["latest", "Latest", "v1", "V22", "", "a b", "a/b", "a@b", "a.b", "x" * 256, "a\n"])
def test_an_alias_that_mlflow_refuses_is_refused_in_the_spec(alias: str) -> None:
    """A1."""
    with pytest.raises(SpecError, match=r"toy.yaml: aliases.production = .* write"):
        parse(toy_spec(aliases={"production": alias}), "toy.yaml")


@pytest.mark.parametrize("alias", ["production", "champion", "운영", "v", "v1a", "-", "x" * 255])
def test_an_alias_that_mlflow_takes_is_taken(alias: str) -> None:
    """A1."""
    from mlflow.utils.validation import _validate_model_alias_name, _validate_model_alias_name_reserved

    spec = parse(toy_spec(aliases={"production": alias}), "toy.yaml")
    assert (spec.aliases.production, spec.aliases.staging) == (alias, "staging")
    _validate_model_alias_name(alias)
    _validate_model_alias_name_reserved(alias)


def test_production_and_staging_cannot_share_an_alias() -> None:
    """A1."""
    fields: Any = {"production": "staging"}
    with pytest.raises(SpecError, match="names staging twice"):
        parse(toy_spec(aliases=fields), "toy.yaml")


def test_an_alias_that_the_spec_gives_up_is_not_a_production_that_is_gone(world: Make) -> None:
    """A1."""
    model = quick(world)
    model.feed(1000)
    model.promote()
    renamed = model.spec.model_copy(update={"aliases": Aliases(production="champion")})
    model = replace(model, spec=renamed, tracker=model.tracker.with_aliases("champion", "staging"))
    with pytest.raises(RetrainError, match=r"version 1 \(stage Production, alias production\)"):
        model.judge()
    model.tracker._client.set_registered_model_alias(model.model, "champion", "1")
    _, verdict = model.judge()
    assert (verdict.matchup.production, verdict.outcome) == ("1", Outcome.HOLD)
