"""A second verdict of one cycle, on the refit of Production's own recipe; against a real PostgreSQL and MLflow."""

import pytest

from retrain.cycle import challenge
from retrain.cycle.context import Cycle
from retrain.cycle.evaluate import announcement, evaluate
from retrain.cycle.promote import promote
from retrain.errors import NoAnswerError, StaleVerdictError
from retrain.records import Candidate, Cause, Outcome, Proof, Snapshot, Verdict
from tests.core.conftest import Cast, Make, World

GATE = {"metric": "accuracy", "floor": 0.7, "round_rows": 100, "margin": 0.05, "min_gain": 0.02}


def rivals(make: Make) -> World:
    """A model with `own` in Production, and `other`, which predicts almost the same; a mould for `cast`."""
    columns = {"columns": ["a", "b"]}
    model = make(
        gate=GATE,
        candidates=[
            {"name": "own", "estimator": "tests.core.toys:logistic", "params": columns},
            {"name": "other", "estimator": "tests.core.toys:neighbours", "params": columns},
        ],
    )
    model.feed(1000)
    cycle, snapshot = model.cycle(), model.take()
    promote(cycle, evaluate(cycle, snapshot, model.train(cycle, snapshot)[:1], dry_run=False))
    model.feed(2000, turn=0.15)
    model.headlines()
    return model


def other_wins(model: World) -> tuple[Cycle, Snapshot, list[Candidate]]:
    """A cycle in which `other` is the best on validation."""
    cycle, snapshot = model.cycle(), model.take()
    own, other = model.train(cycle, snapshot)
    return cycle, snapshot, [own, other.model_copy(update={"validation_score": 1.0})]


def verdicts(model: World) -> list[Verdict]:
    """All verdicts, the oldest first."""
    return [verdict for _, verdict, _ in model.ledger.verdicts(model.model, 10)][::-1]


def test_production_and_its_refit_have_the_same_recipe_and_the_other_has_another(cast: Cast) -> None:
    model = cast(rivals)
    cycle, snapshot, candidates = other_wins(model)

    evaluate(cycle, snapshot, candidates, dry_run=False)

    files = [model.ledger.model_file_of_version(model.model, version) for version in ("1", "2", "3")]
    first, other, own = (file.recipe for file in files if file)
    assert first == own
    assert other not in (None, own)


def test_the_refit_of_productions_recipe_takes_the_next_test_where_another_is_undecided(cast: Cast) -> None:
    model = cast(rivals)
    cycle, snapshot, candidates = other_wins(model)

    returned = evaluate(cycle, snapshot, candidates, dry_run=False)

    _, first, second = verdicts(model)
    assert (first.matchup.candidate, first.proof, first.cause) == ("other", Proof.SUPERIORITY, Cause.UNDECIDED)
    assert (second.matchup.candidate, second.proof) == ("own", Proof.NON_INFERIORITY)
    assert second.outcome is Outcome.PROMOTE
    assert second == returned
    assert (first.matchup.test, second.matchup.test) == (1, 2)
    assert (first.alpha, second.alpha) == (0.025, 0.0125)
    assert model.ledger.tests_spent(model.model, second.matchup.holdout_round) == 2
    assert second.reason.startswith("other is undecided (test 1, difference ")
    assert ", so own, which has Production's recipe, was judged as well: accuracy 0." in second.reason
    (headline,) = model.headlines()
    assert "PROMOTE own" in headline
    assert promote(cycle, returned).to_version == second.matchup.version == "3"
    for verdict in (first, second):
        run = model.tracker.get_run(verdict.matchup.run_id)
        assert (run.status, run.tags["retrain.verdict"]) == ("FINISHED", verdict.outcome)


def test_a_dry_run_judges_both_and_changes_nothing(cast: Cast) -> None:
    model = cast(rivals)
    cycle, snapshot, candidates = other_wins(model)

    returned = evaluate(cycle, snapshot, candidates, dry_run=True)

    assert (returned.matchup.candidate, returned.matchup.test, returned.matchup.version) == ("own", 2, None)
    assert model.ledger.tests_spent(model.model, returned.matchup.holdout_round) == 0
    assert [each.version for each in model.tracker.list_model_versions(model.model)] == ["1"]


def test_what_a_person_forces_is_the_winner(cast: Cast) -> None:
    model = cast(rivals)
    cycle, snapshot, candidates = other_wins(model)

    verdict = evaluate(cycle, snapshot, candidates, dry_run=False, force="we want it")

    assert (verdict.matchup.candidate, verdict.outcome) == ("other", Outcome.HOLD)
    assert promote(cycle, verdict, force="we want it", by="kim").to_version == "2"
    # A person has put it there, so it is the anchor.
    anchor = model.ledger.anchor(model.model, metric="accuracy", positive=None, split_version=1)
    assert anchor == (verdict.matchup.version, verdict.matchup.identity)


def test_killed_between_the_two_the_step_saves_neither_and_then_both(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = cast(rivals)
    cycle, snapshot, candidates = other_wins(model)
    judge, judged = challenge.judge, list[Verdict]()

    def once(*about: object) -> Verdict:
        if judged:
            raise NoAnswerError("killed")
        judged.append(judge(*about))
        return judged[0]

    with monkeypatch.context() as patch:
        patch.setattr(challenge, "judge", once)
        with pytest.raises(NoAnswerError):
            evaluate(cycle, snapshot, candidates, dry_run=False)
    assert len(verdicts(model)) == 1
    assert model.ledger.last_consumed(model.model) != snapshot

    second = evaluate(cycle, snapshot, candidates, dry_run=False)

    assert verdicts(model)[1:] == [*judged, second]
    assert [each.version for each in model.tracker.list_model_versions(model.model)] == ["1", "2", "3"]


def test_run_again_after_both_are_saved_the_step_returns_the_last(cast: Cast) -> None:
    model = cast(rivals)
    cycle, snapshot, candidates = other_wins(model)
    second = evaluate(cycle, snapshot, candidates, dry_run=False)

    assert evaluate(cycle, snapshot, candidates, dry_run=False) == second
    assert len(verdicts(model)) == 3
    assert len(model.headlines()) == 1


def test_of_two_verdicts_the_ledger_has_both_or_neither(cast: Cast) -> None:
    model = cast(rivals)
    cycle, snapshot, candidates = other_wins(model)
    evaluate(cycle, snapshot, candidates, dry_run=False)
    first, second = verdicts(model)[1:]
    stale = [
        each.model_copy(update={"matchup": each.matchup.model_copy(update={"id": name, "test": test})})
        for each, name, test in ((first, "x", 3), (second, "y", 9))
    ]

    with pytest.raises(StaleVerdictError, match="another verdict used test 9"):
        model.ledger.save_verdicts(stale, announcement(cycle, stale[1]))
    assert verdicts(model)[1:] == [first, second]
