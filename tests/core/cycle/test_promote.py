"""The verb `promote`, against a real PostgreSQL and a real MLflow server."""

from dataclasses import replace

import pytest

from retrain.cycle.promote import may_promote, promote
from retrain.errors import RetrainError, StaleVerdictError
from retrain.records import Outcome
from retrain.spec.operation import Mode
from stack.local import Running
from tests.core.conftest import Cast, Make
from tests.core.cycle.looking import asking_for_gain, promoted, quick


def test_a_first_model_that_reaches_the_floor_is_promoted(world: Make) -> None:
    model = world()
    model.feed(2000)
    cycle, verdict = model.judge()
    assert verdict.outcome is Outcome.PROMOTE
    assert verdict.matchup.candidate == "whole"
    assert verdict.matchup.production is None
    promotion = promote(cycle, verdict)
    assert (promotion.seq, promotion.from_version, promotion.to_version) == (1, None, "1")
    assert promotion.applied_at is not None
    assert model.tracker.production(model.model) == "1"
    assert model.tracker.stage(model.model, "1") == "Production"


def test_a_better_model_replaces_the_first_when_the_world_has_changed(cast: Cast) -> None:
    model = cast(promoted)
    model.feed(4000, turn=1.2)
    cycle, verdict = model.judge()
    assert verdict.outcome is Outcome.PROMOTE, verdict.reason
    assert verdict.matchup.production == "1"
    assert verdict.matchup.holdout_round == 2
    assert verdict.production_score is not None
    assert promote(cycle, verdict).to_version == "2"
    assert model.tracker.production(model.model) == "2"
    assert model.tracker.stage(model.model, "1") == "Archived"
    assert model.tracker.stage(model.model, "2") == "Production"


def test_a_model_that_is_no_better_is_held_and_the_team_is_told(cast: Cast) -> None:
    model = asking_for_gain(cast(promoted))
    model.feed(600)
    cycle, verdict = model.judge()
    assert verdict.outcome is Outcome.HOLD
    assert not may_promote(model.cycle(), verdict)
    with pytest.raises(RetrainError, match="promotes nothing"):
        promote(cycle, verdict)
    assert model.tracker.production(model.model) == "1"
    (headline,) = model.headlines()
    assert "HOLD" in headline


def test_a_model_that_is_only_observed_is_judged_and_never_promoted(world: Make) -> None:
    model = quick(world, mode="observe")
    model.feed(2000)
    cycle, verdict = model.judge()
    assert verdict.outcome is Outcome.PROMOTE
    with pytest.raises(RetrainError, match="observe"):
        promote(cycle, verdict)


def test_a_verdict_made_against_another_production_is_refused(world: Make) -> None:
    model = quick(world)
    model.feed(2000)
    one, first = model.judge()
    other, second = model.judge()
    assert first.matchup.production is None
    assert second.matchup.production is None
    promote(one, first)
    with pytest.raises(StaleVerdictError, match="Production is version 1"):
        promote(other, second)
    assert model.tracker.production(model.model) == "1"


def test_a_production_that_cannot_be_loaded_is_replaced_only_by_force(cast: Cast, mlflow_server: Running) -> None:
    model = cast(promoted)
    file = model.ledger.model_file_of_version(model.model, "1")
    assert file is not None
    (stored,) = mlflow_server.home.artifacts.rglob(f"{file.uri.removeprefix('models:/')}/**/model.skops")
    content = stored.read_bytes()
    stored.write_bytes(b"not a model")
    try:
        model.feed(600)
        cycle, verdict = model.judge()
    finally:
        stored.write_bytes(content)  # other tests are cast from the same mould
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "version 1: " in verdict.reason
    assert verdict.score is not None
    with pytest.raises(RetrainError, match="INCONCLUSIVE in mode enforce promotes nothing"):
        promote(cycle, verdict)
    promotion = promote(cycle, verdict, force="its files are broken", by="kim")
    assert (promotion.to_version, promotion.by) == ("2", f"kim in {cycle}")
    assert promotion.why.startswith("forced: its files are broken; the verdict was INCONCLUSIVE: version 1: ")


def test_what_misses_the_floor_is_not_promoted_by_force_either(world: Make) -> None:
    model = quick(world, gate={"metric": "accuracy", "floor": 0.99})
    model.feed(2000)
    cycle, verdict = model.judge()
    with pytest.raises(RetrainError, match="HOLD in mode enforce promotes nothing"):
        promote(cycle, verdict, force="now", by="kim")
    observed = replace(model, spec=model.spec.model_copy(update={"mode": Mode.OBSERVE}))
    assert not may_promote(observed.cycle(), verdict.model_copy(update={"outcome": Outcome.PROMOTE}), force="now")
