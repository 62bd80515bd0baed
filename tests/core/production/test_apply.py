"""Rule 1: the ledger decides, MLflow follows; after a kill at any point the next caller goes on."""

from collections.abc import Callable

import pytest

from retrain.cycle.promote import may_promote, promote
from retrain.errors import NoAnswerError
from retrain.production.apply import apply
from retrain.tracker.client import ExperimentTracker
from tests.core.conftest import Build, Make, World


class Killed(BaseException):
    """The process ends here: nothing after it is run, and no `except Exception` sees it."""


def _decided(world: Make) -> World:
    """A model whose first promotion stands in the ledger and is not applied yet."""
    model = world()
    model.feed(1000)
    cycle, verdict = model.judge()
    model.ledger.open_promotion(verdict, by=str(cycle), why="test")
    model.headlines()
    return model


@pytest.fixture
def decided(cast: Callable[[Build], World]) -> World:
    return cast(_decided)


def _kill_at(monkeypatch: pytest.MonkeyPatch, verb: str, *, after: bool) -> None:
    real = getattr(ExperimentTracker, verb)

    def killed(self: ExperimentTracker, *arguments: str) -> None:
        if after:
            real(self, *arguments)
        raise Killed

    monkeypatch.setattr(ExperimentTracker, verb, killed)


@pytest.mark.parametrize("verb", ["set_production", "transition_model_stage"])
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_on_either_side_of_either_write_is_made_good(
    decided: World, monkeypatch: pytest.MonkeyPatch, verb: str, after: bool
) -> None:
    with monkeypatch.context() as patch:
        _kill_at(patch, verb, after=after)
        with pytest.raises(Killed):
            apply(decided.model, decided.ledger, decided.tracker)
    assert apply(decided.model, decided.ledger, decided.tracker) == "1"
    assert decided.tracker.production(decided.model) == "1"
    assert decided.tracker.stage(decided.model, "1") == "Production"
    with decided.ledger.lock_production(decided.model) as production:
        assert production.pending() is None
        assert production.head() == "1"
    assert len(decided.headlines()) == 1
    assert apply(decided.model, decided.ledger, decided.tracker) == "1"
    assert decided.headlines() == []


def test_an_answer_that_is_lost_after_the_write_is_looked_up(decided: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ExperimentTracker.set_production

    def lost(self: ExperimentTracker, *arguments: str) -> None:
        real(self, *arguments)
        raise NoAnswerError("the answer was lost")

    monkeypatch.setattr(ExperimentTracker, "set_production", lost)
    assert apply(decided.model, decided.ledger, decided.tracker) == "1"


def test_a_write_that_never_lands_leaves_the_promotion_decided(decided: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(self: ExperimentTracker, *arguments: str) -> None:
        raise NoAnswerError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(ExperimentTracker, "set_production", lost)
        patch.setattr("retrain.production.apply.DEADLINE", 1)
        with pytest.raises(NoAnswerError):
            apply(decided.model, decided.ledger, decided.tracker)
    with decided.ledger.lock_production(decided.model) as production:
        assert production.pending() is not None
    assert apply(decided.model, decided.ledger, decided.tracker) == "1"


def test_a_change_by_hand_is_recorded_and_told_and_never_overwritten(world: Make) -> None:
    model = world()
    model.feed(1000)
    model.promote()
    _, second = model.judge()
    model.headlines()
    assert second.matchup.version == "2"
    model.tracker.set_production(model.model, "2")
    assert apply(model.model, model.ledger, model.tracker) == "2"
    with model.ledger.lock_production(model.model) as production:
        assert production.head() == "2"
    (headline,) = model.headlines()
    assert "by somebody, outside of Retrain" in headline
    assert apply(model.model, model.ledger, model.tracker) == "2"
    assert model.headlines() == []


def test_a_promotion_is_superseded_by_a_change_by_hand(world: Make) -> None:
    model = world()
    model.feed(1000)
    model.promote()
    model.judge()
    model.feed(2000, turn=1.2)
    cycle, third = model.judge()
    assert may_promote(model.cycle(), third), third.reason
    model.ledger.open_promotion(third, by=str(cycle), why="test")
    model.headlines()
    model.tracker.set_production(model.model, "2")
    assert apply(model.model, model.ledger, model.tracker) == "2"
    assert model.tracker.production(model.model) == "2"
    superseded, by_hand = model.headlines()
    assert "version 3 was not put into Production" in superseded
    assert "version 2 is in Production" in by_hand
    assert promote(cycle, third).superseded_at is not None


def test_production_taken_away_by_hand_is_recorded(world: Make) -> None:
    model = world()
    model.feed(1000)
    model.promote()
    model.headlines()
    model.tracker._client.delete_registered_model_alias(model.model, "production")
    assert apply(model.model, model.ledger, model.tracker) is None
    (headline,) = model.headlines()
    assert "nothing is in Production" in headline


def test_a_target_that_was_deleted_is_given_up_and_does_not_hold_the_model_for_ever(decided: World) -> None:
    decided.tracker._client.delete_model_version(decided.model, "1")
    for _ in range(2):
        assert apply(decided.model, decided.ledger, decided.tracker) is None
    (headline,) = decided.headlines()
    assert "version 1 was not put into Production: somebody changed it by hand meanwhile" in headline
