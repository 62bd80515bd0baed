"""Trials of Staging against Production on later labels, with a real PostgreSQL and a real MLflow server."""

from datetime import timedelta
from typing import Any

import pytest

from retrain.errors import EstimatorError
from retrain.ledger.ledger import Ledger
from retrain.live.look import look
from retrain.live.trial import Tried
from retrain.live.trial_begin import becomes_trial
from retrain.messages import texts
from retrain.records import Cause, Guard, Outcome, Proof, Verdict
from retrain.spec.candidates import CandidateSpec
from retrain.spec.operation import Approval, Mode
from retrain.spec.trial import On, TrialSpec
from tests.core.conftest import Cast, Make, World
from tests.core.cycle.looking import quick
from tests.core.live.conftest import observing
from tests.core.toys import START
from tests.killing import killed_at

WHOLE = {"name": "whole", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}}


def of_one_column(make: Make) -> World:
    """Version 1, in Production, knows one column of two; a mould for `cast`."""
    half = {"name": "half", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a"]}}
    model = make(
        candidates=[half], gate={"metric": "accuracy", "floor": 0.6, "round_rows": 100, "proof": "superiority"}
    )
    model.feed(2000)
    model.promote()
    model.headlines()
    return model


def challenged(make: Make) -> World:
    """A far better version has passed the gate, and is a trial; a mould for `cast`."""
    model = of_one_column(make)
    model.spec = model.spec.model_copy(
        update={"candidates": (CandidateSpec.model_validate(WHOLE),), "trial": TrialSpec(max_rows=2000, when=On.ALWAYS)}
    )
    model.feed(600)
    _, verdict = model.judge()
    assert verdict.outcome is Outcome.PROMOTE
    return model


def refitted(make: Make) -> World:
    """A version that is as good as Production is a trial; a mould for `cast`."""
    model = quick(make, gate={"metric": "accuracy", "floor": 0.7, "round_rows": 100, "proof": "superiority"})
    model.feed(2000)
    model.promote()
    model.spec = model.spec.model_copy(update={"trial": TrialSpec(max_rows=2000)})
    model.feed(600)
    _, verdict = model.judge()
    assert verdict.cause is Cause.UNDECIDED
    return model


def later(model: World, rows: int, **how: Any) -> None:
    """Add rows that are labelled now."""
    first = model._rows
    model.feed(rows, start=START, **how)
    model.execute(f"UPDATE rows SET labelled_at = clock_timestamp() WHERE id >= {first}")


def tried(model: World) -> Tried:
    (found,) = look(observing(model)).trials
    return found


def ends(model: World) -> list[str | None]:
    return [end.outcome if end else None for _, end in model.ledger.trials(model.model)]


def test_a_challenger_that_passes_waits_in_staging_and_is_promoted_by_later_labels(cast: Cast) -> None:
    model = cast(challenged)
    began, verdict = model.headlines()
    assert "PROMOTE" in verdict or "PROMOTE" in began
    assert any(
        "version 2 (whole) is held against version 1, in Production, on labels that come later" in each
        for each in (began, verdict)
    )
    assert model.tracker.production(model.model) == "1"
    assert tried(model).end is None
    assert model.tracker.staging(model.model) == "2"
    for rows in (150, 300, 500):
        later(model, rows)
        if tried(model).end is not None:
            break
    assert ends(model) == ["promoted"]
    assert model.tracker.production(model.model) == "2"
    last = model.ledger.history(model.model)[-1]
    assert last.by == "a trial on later labels"
    assert "rows that were labelled later" in last.why
    assert look(observing(model)).trials == ()
    assert model.ledger.anchor(model.model, metric="accuracy", positive=None, split_version=1) == last.came


def test_rows_that_one_of_the_two_knows_do_not_count(cast: Cast) -> None:
    model = cast(challenged)
    model.execute("UPDATE rows SET labelled_at = clock_timestamp()")
    later(model, 150)
    (only,) = tried(model).looks
    assert only.rows == 150


def test_a_version_that_is_no_better_is_given_up_or_held_at_the_end(cast: Cast) -> None:
    model = cast(refitted)
    model.headlines()
    for _ in range(10):
        later(model, 250)
        if tried(model).end is not None:
            break
    assert ends(model)[0] in ("dropped", "held")
    assert model.tracker.production(model.model) == "1"
    assert model.tracker.staging(model.model) is None
    (headline,) = model.headlines()
    assert f"the trial of version 2 (whole) has ended, {ends(model)[0]}" in headline


def test_without_new_rows_there_is_no_look(cast: Cast) -> None:
    model = cast(refitted)
    assert tried(model).looks == ()
    later(model, 150)
    assert [each.rows for each in tried(model).looks] == [150]
    assert [each.rows for each in tried(model).looks] == [150]


def test_too_few_rows_give_no_answer_and_its_time_ends_a_trial(cast: Cast) -> None:
    model = cast(refitted)
    later(model, 50)
    first = tried(model)
    assert first.end is None
    assert first.looks[0].production is None
    model.execute("""UPDATE retrain.trials SET body = jsonb_set(body, '{deadline}', '"2026-01-01T00:00:00Z"')""")
    assert "too few rows" in (tried(model).end or pytest.fail("it goes on")).why
    assert ends(model) == ["held"]


def test_any_change_of_production_makes_a_trial_void(cast: Cast) -> None:
    model = cast(refitted)
    tried(model)
    model.tracker.set_production(model.model, "2")
    assert tried(model).end is not None
    assert ends(model) == ["void"]


def test_another_metric_makes_a_trial_void(cast: Cast) -> None:
    model = cast(refitted)
    gate = model.spec.gate.model_copy(update={"metric": "balanced_accuracy"})
    model.spec = model.spec.model_copy(update={"gate": gate})
    assert tried(model).end is not None
    assert ends(model) == ["void"]


def test_a_version_that_cannot_be_asked_ends_a_trial_when_its_time_is_up(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = cast(refitted)
    later(model, 150)

    def gone(*_: object) -> None:
        raise EstimatorError("its files are gone")

    monkeypatch.setattr(type(model.tracker), "download_model", gone)
    with pytest.raises(EstimatorError, match="its files are gone"):
        look(observing(model))
    assert ends(model) == [None]
    model.execute("""UPDATE retrain.trials SET body = jsonb_set(body, '{deadline}', '"2026-01-01T00:00:00Z"')""")
    with pytest.raises(EstimatorError):  # the cohort of those rows still cannot be scored
        look(observing(model))
    assert ends(model) == ["held"]


def test_many_corrected_labels_make_a_trial_void_and_few_are_counted_as_they_were(cast: Cast) -> None:
    model = cast(refitted)
    first = model._rows
    # So long that it is not given up meanwhile.
    model.execute("UPDATE retrain.trials SET body = jsonb_set(body, '{max_rows}', '100000')")
    later(model, 200)
    before = tried(model).looks[-1]
    flip = "UPDATE rows SET label = CASE label WHEN 'yes' THEN 'no' ELSE 'yes' END"
    model.execute(f"{flip} WHERE id >= {first} AND id < {first + 5}")
    later(model, 50)
    after = tried(model)
    assert (after.looks[-1].rows, after.looks[-1].corrected, after.end) == (250, 5, None)
    assert before.corrected == 0
    model.execute(f"{flip} WHERE id >= {first + 5} AND id < {first + 40}")
    later(model, 50)
    assert "labels were corrected" in (tried(model).end or pytest.fail("it goes on")).why


@pytest.mark.parametrize("how", ["approval", "observe"])
def test_where_a_person_decides_the_trial_asks_once_and_looks_no_more(cast: Cast, how: str) -> None:
    model = cast(challenged)
    changed = {"approval": Approval()} if how == "approval" else {"mode": Mode.OBSERVE}
    model.spec = model.spec.model_copy(update=changed)
    later(model, 1000)
    model.headlines()
    seen = tried(model)
    later(model, 300)
    assert tried(model).looks == seen.looks
    (headline,) = model.headlines()
    assert "more than chance. Nothing changes by itself" in headline
    assert model.tracker.production(model.model) == "1"


def test_while_production_is_frozen_a_trial_waits_with_its_answer(cast: Cast) -> None:
    model = cast(challenged)
    until = model.ledger.now() + timedelta(days=1)
    model.ledger.freeze("key", model.model, until=until, by="kim", why="a fair", announcement=texts.of_freeze)
    later(model, 1000)
    assert tried(model).end is None
    model.execute("UPDATE retrain.freezes SET ended_at = now()")
    assert tried(model).end is not None
    assert ends(model) == ["promoted"]


def test_what_a_trial_needs_is_kept(cast: Cast) -> None:
    model = cast(refitted)
    assert "2" in {model.ledger.version_of(each.uri, model.model) for each in model.ledger.model_files_in_use()}


def test_which_verdicts_become_trials(cast: Cast) -> None:
    model = cast(refitted)
    held = model.ledger.verdict(model.ledger.trials(model.model)[0][0].id)
    assert held is not None
    spent = Guard(name="holdout_round", passed=False, says="its tests are spent", computed=False)
    failed = Guard(name="rows", passed=False, says="too few", computed=False)
    inconclusive = {"outcome": Outcome.INCONCLUSIVE, "cause": None}

    def becomes(when: On = On.UNDECIDED, **changed: object) -> bool:
        trial = TrialSpec(when=when)
        return becomes_trial(model.spec.model_copy(update={"trial": trial}), _changed(held, changed))

    assert becomes()
    assert becomes(**inconclusive, guards=(spent,))
    assert becomes(On.ALWAYS, outcome=Outcome.PROMOTE, cause=None)
    assert not becomes(outcome=Outcome.PROMOTE, cause=None)
    assert not becomes(cause=Cause.WORSE)
    assert not becomes(cause=Cause.GUARD)
    assert not becomes(**inconclusive, guards=(spent, failed))
    assert not becomes_trial(model.spec.model_copy(update={"trial": None}), held)
    matchup = held.matchup
    assert not becomes(matchup=matchup.model_copy(update={"dry_run": True}))
    assert not becomes(matchup=matchup.model_copy(update={"production": None}))
    assert held.proof is Proof.SUPERIORITY


def _changed(verdict: Verdict, changed: dict[str, object]) -> Verdict:
    return verdict.model_copy(update=changed)


@pytest.mark.nightly  # each takes ten seconds
@pytest.mark.parametrize("step", ["save_trial_look", "open_promotion", "end_trial"])
@pytest.mark.parametrize("done", [True, False], ids=["after", "before"])
def test_killed_at_any_step_of_its_end_and_run_again_it_promotes_once(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, step: str, done: bool
) -> None:
    model = cast(challenged)
    later(model, 1000)
    model.headlines()
    with killed_at(monkeypatch, Ledger, step, done=done):
        tried(model)
    look(observing(model))
    assert ends(model) == ["promoted"]
    ((trial, _),) = model.ledger.trials(model.model)
    assert [each.place for each in model.ledger.trial_looks(trial.id)] == [0]
    assert [each.to_version for each in model.ledger.history(model.model)] == ["1", "2"]
    assert len([each for each in model.headlines() if "version 2" in each]) == 1
