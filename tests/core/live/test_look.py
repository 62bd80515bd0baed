"""Production on later rows, look by look, with a real PostgreSQL and a real MLflow server."""

from datetime import timedelta

import pytest

from retrain.ledger.ledger import Ledger
from retrain.live.alarm import judged
from retrain.live.look import look
from retrain.records import VersionId
from retrain.spec.operation import OnDecay
from tests.core.conftest import Cast, Make, World
from tests.core.live.conftest import came, in_production_for_weeks, labelled, observing, week
from tests.killing import killed_at


@pytest.fixture
def model(cast: Cast) -> World:
    return cast(in_production_for_weeks)


def decayed(model: World) -> None:
    """Six good weeks, and then two in which the boundary between the classes is another."""
    for ago in range(8, 2, -1):
        labelled(model, 300, week(ago))
    for ago in (2, 1):
        labelled(model, 300, week(ago), turn=0.8)


def test_a_model_that_keeps_its_promise_raises_no_alarm_and_each_look_can_be_computed_again(model: World) -> None:
    for ago in range(5, 0, -1):
        labelled(model, 300, week(ago))
    looked = look(observing(model))
    assert looked.faults == ()
    assert looked.cycle is None
    assert model.headlines() == []
    assert [(each.scan, each.place, each.alarm) for each in looked.looks] == [
        ("version", 4, False),
        ("anchor", 4, False),
    ]
    made = model.ledger.live_looks(model.model, "version")
    assert [each.place for each in made] == [0, 1, 2, 3, 4]
    assert [each.rows for each in made] == [300] * 5
    assert [[window.cohorts for window in each.windows] for each in made] == [[1], [2], [3], [4], [4, 5]]
    for place in range(5):
        assert judged(made[: place + 1]) == made[place]
    assert look(observing(model)).looks == looked.looks
    assert model.ledger.live_looks(model.model, "version") == made


def test_a_decay_is_told_once_with_what_was_lost_since_when_and_where_to_look(model: World) -> None:
    decayed(model)
    for _ in range(2):
        looked = look(observing(model))
        assert {each.name for each in looked.faults} == {"live/decay/version", "live/decay/anchor"}
        assert all(each.alarm for each in looked.looks)
    first, second = model.headlines()
    assert first.startswith(
        f"{model.model}: version 1, in Production, does worse than was promised when it was promoted"
    )
    assert "promised by the gate's anchor" in second
    (fault, _) = looked.faults
    facts = fault.incident.facts
    assert facts["lost"] > 0.05
    assert facts["rows"] >= 300
    assert "trigger DAG retrain_" in fault.incident.remedy
    assert looked.cycle is None


def test_a_new_version_ends_the_alarm_of_the_one_before(model: World) -> None:
    decayed(model)
    look(observing(model))
    model.feed(3000, turn=0.8)
    model.promote()
    model.headlines()
    look(observing(model))
    assert any("recovered" in each for each in model.headlines())


def test_what_follows_is_the_specs_and_the_same_cycle_is_wanted_until_the_next_cohort(model: World) -> None:
    decayed(model)
    watch = model.spec.watch.model_copy(update={"on_decay": OnDecay.RETRAIN})
    model.spec = model.spec.model_copy(update={"watch": watch})
    first, second = look(observing(model)), look(observing(model))
    assert first.cycle == second.cycle == f"decay__{week(0):%Y-%m-%dT%H:%M:%S}"
    assert "A cycle starts now" in first.faults[0].incident.remedy


@pytest.mark.parametrize("better", [True, False])
def test_a_rollback_is_proposed_only_where_the_version_before_does_better_on_the_same_rows(
    model: World, better: bool
) -> None:
    watch = model.spec.watch.model_copy(update={"on_decay": OnDecay.ASK_ROLLBACK})
    model.spec = model.spec.model_copy(update={"watch": watch})
    model.feed(3000, turn=1.2)  # of another kind than the rows of version 1
    model.promote()
    came(model, "2", week(9))
    for ago in range(4, 0, -1):
        labelled(model, 300, week(ago), turn=-0.2 if better else 2.6)
    model.headlines()
    looked = look(observing(model))
    remedy = looked.faults[0].incident.remedy
    assert ("Version 1 does better on the same rows" in remedy) is better
    assert ("No version from before" in remedy) is not better


def test_the_scores_are_in_mlflow_step_by_step(world: Make) -> None:
    model = in_production_for_weeks(world)
    labelled(model, 300, week(2))
    labelled(model, 300, week(1))
    looked = look(observing(model))
    file = model.ledger.file_of(model.model, model.ledger.production(model.model) or VersionId("1", None))
    assert file is not None
    assert file.run_id is not None
    name = f"later_{model.spec.gate.metric}"
    points = model.tracker.metric_history(file.run_id, name)
    assert [(each.step, each.value) for each in points] == [
        (8, looked.scores[0].score),
        (9, looked.scores[1].score),
    ]  # version 1 came ten weeks ago


def test_few_rows_wait_for_the_next_cohort(model: World) -> None:
    labelled(model, 60, week(3))
    labelled(model, 60, week(2))
    labelled(model, 60, week(1))
    (version, _) = look(observing(model)).looks
    assert (version.place, version.rows, version.cohort) == (0, 120, week(3))


def test_another_margin_begins_another_scan(model: World) -> None:
    for ago in (3, 2):
        labelled(model, 300, week(ago))
    before = look(observing(model)).looks[0]
    watch = model.spec.watch.model_copy(update={"margin": 0.2})
    model.spec = model.spec.model_copy(update={"watch": watch})
    labelled(model, 300, week(1))
    after = look(observing(model)).looks[0]
    assert (before.place, after.place, after.margin) == (1, 0, 0.2)
    assert after.began == before.ends == week(1)
    assert look(observing(model)).looks[0] == after
    assert len(model.ledger.live_looks(model.model, "version")) == 3


def test_a_cohort_that_is_open_is_no_look(model: World) -> None:
    labelled(model, 300, week(1))
    watch = model.spec.watch.model_copy(update={"maturity": timedelta(days=30)})
    model.spec = model.spec.model_copy(update={"watch": watch})
    assert look(observing(model)).looks == ()


@pytest.mark.nightly  # each takes ten seconds
@pytest.mark.parametrize("step", ["save_cohort", "save_looked_at", "save_expected", "save_look", "fail", "end_faults"])
@pytest.mark.parametrize("done", [True, False], ids=["after", "before"])
def test_killed_at_any_step_and_run_again_it_is_as_if_nothing_had_happened(
    model: World, monkeypatch: pytest.MonkeyPatch, step: str, done: bool
) -> None:
    for ago in (3, 2, 1):
        labelled(model, 300, week(ago), turn=0.9)
    with killed_at(monkeypatch, Ledger, step, done=done):
        look(observing(model))
    looked = look(observing(model))
    assert [each.rows for each in model.ledger.cohorts(model.model)] == [300] * 3
    for kind in ("version", "anchor"):
        made = model.ledger.live_looks(model.model, kind)
        assert [each.place for each in made] == [0, 1, 2]
        assert judged(made) == made[-1]
    assert {each.name for each in looked.faults} == {"live/decay/version", "live/decay/anchor"}
    assert len(model.headlines()) == 2
