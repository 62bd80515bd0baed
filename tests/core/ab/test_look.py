"""Split tests from their beginning to their end, with a real PostgreSQL and a real MLflow server."""

import pytest

from retrain.ab.begin import begin
from retrain.ab.end import stop
from retrain.ab.extend import extend
from retrain.ab.look import look
from retrain.errors import FrozenError, SplitTestError
from retrain.ledger.ledger import Ledger
from retrain.spec.operation import Approval, Mode
from tests.core.ab.world import (
    SLOW,
    begun,
    buying,
    looked,
    since_then,
    split_units,
    stores,
    two_versions,
    waiting,
    wanting,
)
from tests.core.conftest import Cast, World
from tests.killing import killed_at


@pytest.fixture
def model(cast: Cast) -> World:
    return wanting(cast(two_versions))


def test_a_version_that_sells_more_is_promoted_by_the_test_alone(model: World) -> None:
    begun(model)
    split_units(model, 4000)
    buying(model, 0.2, 0.3)
    found = looked(model)
    assert found.end is not None
    assert (found.look.answer if found.look else None, found.end.outcome) == ("promote", "promoted")
    (effect,) = found.look.effects if found.look else ()
    assert effect.difference == pytest.approx(0.1, abs=0.04)
    assert effect.low is not None
    assert effect.low > 0
    production = model.ledger.production(model.model)
    assert production is not None
    assert production.number == "2"
    assert model.tracker.production(model.model) == "2"
    last = model.ledger.history(model.model)[-1]
    assert last.by == f"split test {found.split.id}"
    assert "bought: Staging is +0.1" in last.why
    assert look(stores(model)) is None
    assert model.ledger.splits(model.model) == [(found.split, found.end)]
    began, promoted, ended = model.headlines()
    assert "version 2 is tested against version 1, in Production, on what units do: bought decides" in began
    assert "version 2" in promoted
    assert "has ended, promoted" in ended


@pytest.mark.parametrize(
    ("days", "shares", "staging", "outcome"),
    [
        (20, (0.3, 0.2), 0.5, "dropped"),
        (8, (0.4, 0.2), 0.5, "harm"),
        (20, (0.2, 0.2), 0.4, "invalid"),
        (20, (0.2, 0.2), 0.5, "same"),
        (57, (0.2, 0.24), 0.5, "undecided"),
    ],
)
def test_it_ends_otherwise_and_production_stays(
    model: World, days: int, shares: tuple[float, float], staging: float, outcome: str
) -> None:
    if outcome == "same":
        wanting(model, effect=0.1)
    begun(model, days)
    split_units(model, 600 if outcome == "undecided" else 4000, days=days, staging=staging)
    buying(model, *shares)
    found = looked(model)
    assert found.end is not None
    assert found.end.outcome == outcome
    assert model.tracker.production(model.model) == "1"
    assert model.tracker.staging(model.model) is None
    assert f"has ended, {outcome}" in model.headlines()[-1]


def test_a_guardrail_that_suffers_ends_it_early_although_more_is_sold(model: World) -> None:
    wanting(model, guardrails=[SLOW | {"margin": 0.05, "window": "1d"}])
    begun(model, 8)
    split_units(model, 4000, days=8)
    buying(model, 0.2, 0.3)
    waiting(model, 0.1, 0.3)
    found = looked(model)
    assert found.end is not None
    assert found.end.outcome == "harm"
    assert found.end.why.startswith("Guardrail slow: Staging is +0.2")


def test_it_looks_once_a_day_and_goes_on_to_the_next_phase(model: World) -> None:
    wanting(model, ramp=[{"share": 0.1}, {"share": 0.5}])
    begun(model, 7)
    split_units(model, 400, days=7)
    buying(model, 0.2, 0.2)
    first = looked(model)
    assert (first.look.place if first.look else None, first.end, first.step.phase) == (0, None, 1)
    again = looked(model)
    assert (again.look, again.step) == (first.look, first.step)
    since_then(model, 1)
    assert (after := looked(model)).look is not None
    assert (after.look.place, after.step.phase) == (1, 1)
    assert len(after.look.effects[0].phases) == 2
    assert [step.phase for step in model.ledger.split_steps(first.split.id)] == [0, 1]
    assert sum("share in the split test" in each for each in model.headlines()) == 1


def test_while_it_is_under_way_no_other_version_goes_forward(model: World) -> None:
    split = begun(model)
    freeze = model.ledger.freeze_of(model.model)
    assert freeze is not None
    assert (freeze.why, freeze.split) == (f"split test {split.id} is under way", split.id)
    (verdict,) = (each for _, each, _ in model.ledger.verdicts(model.model, 10) if each.matchup.version == "2")
    with pytest.raises(FrozenError, match="split test"):
        model.ledger.open_promotion(verdict, by="a test", why="")


def test_a_change_of_production_makes_it_void(model: World) -> None:
    begun(model)
    model.feed(600)
    model.judge()
    model.tracker.set_production(model.model, "3")
    found = looked(model)
    assert found.end is not None
    assert (found.end.outcome, found.look) == ("void", None)
    assert found.end.why.startswith("Production has changed: version 3 is there")
    assert model.ledger.open_split(model.model) is None


@pytest.mark.parametrize("fields", [{"approval": Approval()}, {"mode": Mode.OBSERVE}])
def test_where_a_person_must_approve_it_asks_once_and_a_promotion_ends_it(
    model: World, fields: dict[str, object]
) -> None:
    model.spec = model.spec.model_copy(update=fields)
    begun(model)
    split_units(model, 4000)
    buying(model, 0.2, 0.3)
    for _ in range(2):
        assert looked(model).end is None
    asked = [each for each in model.headlines() if "Nothing changes by itself" in each]
    assert len(asked) == 1
    model.registry.promote(model.model, "2", expects="1", by="Kim", why="it sells")
    assert (found := looked(model)).end is not None
    assert (found.end.outcome, found.end.why) == ("promoted", "it sells")


def test_a_person_stops_it_once(model: World) -> None:
    begun(model)
    with pytest.raises(SplitTestError, match="why is empty; write why the test is stopped"):
        stop(stores(model), key="run 2", by="Lee", why=" ")
    end = stop(stores(model), key="run 2", by="Lee", why="the shop is closed")
    assert (end.outcome, end.by, end.why) == ("stopped", "Lee", "the shop is closed")
    assert stop(stores(model), key="run 2", by="Lee", why="the shop is closed") == end
    assert model.tracker.staging(model.model) is None
    with pytest.raises(SplitTestError, match="no split test is under way; start one"):
        stop(stores(model), key="run 3", by="Lee", why="again")


def test_it_is_extended_before_its_end_is_reached_and_not_after(model: World) -> None:
    split = begun(model, 50)
    step = extend(stores(model), 2, key="run 2", by="Lee", why="holidays")
    assert extend(stores(model), 2, key="run 2", by="Lee", why="holidays") == step
    assert (step.ends - split.ends).days == 14
    since_then(model, 21)
    with pytest.raises(SplitTestError, match=r"has reached its end; start a new one"):
        extend(stores(model), 1, key="run 3", by="Lee", why="more")


def test_what_cannot_begin_says_why(model: World) -> None:
    how = {"by": "Kim", "why": "to see"}
    with pytest.raises(SplitTestError, match="version 1 is in Production; name another one"):
        begin(stores(model), key="run 1", version="1", **how)
    model.tracker.transition_model_stage(model.model, "2", "None")
    with pytest.raises(SplitTestError, match="no version is in Staging; name the version to be tested"):
        begin(stores(model), key="run 1", **how)
    split = begin(stores(model), key="run 1", version="2", **how)
    assert begin(stores(model), key="run 1", version="2", **how) == split
    assert model.tracker.staging(model.model) == "2"
    with pytest.raises(SplitTestError, match=r"is under way since .*; stop it, or let it end"):
        begin(stores(model), key="run 2", version="2", **how)
    model.spec = model.spec.model_copy(update={"ab": None})
    with pytest.raises(SplitTestError, match="the spec has no section `ab`"):
        begin(stores(model), key="run 3", **how)


def test_exposures_that_were_told_over_http_count_where_there_is_no_table(model: World) -> None:
    wanting(model, exposures=None)
    split = begun(model)
    for place in range(400):
        arm = ("production", "staging")[place % 2]
        model.ledger.save_exposure(split.id, f"u{place:03}", arm)
        model.ledger.save_exposure(split.id, f"u{place:03}", arm)
    model.execute("UPDATE retrain.exposures SET at = at - interval '5 days'")
    assert sum(len(each) for each in model.ledger.exposures(split.id, 7)) == 400
    model.execute(
        "INSERT INTO did SELECT unit, at + interval '1 hour', 1 FROM retrain.exposures "
        "WHERE arm = 'staging' OR right(unit, 1) = '0'"
    )
    found = looked(model)
    assert found.look is not None
    assert (found.look.counts.exposed, found.look.counts.matured) == (400, 400)
    assert found.look.effects[0].difference == pytest.approx(0.8, abs=0.05)


@pytest.mark.nightly
@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("step", ["save_split_look", "end_split", "lock_production", "open_split"])
def test_killed_at_any_step_and_run_again_it_concludes_once(
    model: World, monkeypatch: pytest.MonkeyPatch, step: str, done: bool
) -> None:
    split = begun(model)
    split_units(model, 4000)
    buying(model, 0.2, 0.3)
    model.headlines()
    with killed_at(monkeypatch, Ledger, step, done=done):
        looked(model)
    look(stores(model))
    ((_, end),) = model.ledger.splits(model.model)
    assert end is not None
    assert end.outcome == "promoted"
    assert [each.place for each in model.ledger.split_looks(split.id)] == [0]
    assert [each.to_version for each in model.ledger.history(model.model)] == ["1", "2"]
    assert sum("has ended, promoted" in each for each in model.headlines()) == 1
