"""A search in whole cycles, against a real PostgreSQL and a real MLflow server."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from retrain.cycle import fit_process
from retrain.cycle.choose import choose
from retrain.cycle.context import Cycle
from retrain.cycle.evaluate import evaluate
from retrain.cycle.promote import promote
from retrain.cycle.search import search
from retrain.cycle.train import train
from retrain.cycle.trial import trial
from retrain.cycle.tuned import tuned
from retrain.errors import EndedError, EstimatorError
from retrain.records import Promotion, Snapshot
from retrain.spec.parse import parse
from retrain.tracker.entities import Run
from retrain.tracker.filters import Condition
from tests.core.conftest import Make, World

NAME = "logistic"
SPACE = {"c": {"float": [0.001, 100.0], "log": True}}


def searched(**fields: Any) -> list[dict[str, Any]]:
    """A spec's only candidate, which looks for `c`."""
    parts = {
        "name": NAME,
        "estimator": "tests.core.toys:logistic",
        "params": {"columns": ["a", "b"]},
        "search": {"space": SPACE, "trials": 4, "sampler": "random", **fields},
    }
    return [parts]


def begun(model: World) -> tuple[Cycle, Snapshot]:
    return model.cycle(), model.take()


def all_trials(cycle: Cycle, snapshot: Snapshot, name: str = NAME) -> list[str]:
    return [line for turn in search(cycle, snapshot, [name])[name] for line in trial(cycle, snapshot, name, turn)]


def whole(model: World) -> tuple[list[str], Promotion]:
    """Run a cycle to its promotion; return the names of those that were trained as well."""
    cycle, snapshot = begun(model)
    all_trials(cycle, snapshot)
    names = choose(cycle, snapshot, [NAME])
    verdict = evaluate(cycle, snapshot, [train(cycle, snapshot, name) for name in names], dry_run=False)
    return names, promote(cycle, verdict, force="to have it there")


def runs_of_trials(model: World) -> list[Run]:
    """The runs of all trials, in their order."""
    found = model.tracker.search_runs(
        [model.tracker.create_experiment(model.model)], [Condition("tag", "retrain.trial", "!=", "")]
    )
    return sorted(found, key=lambda run: (run.started_at, int(run.tags["retrain.trial"])))


def tried(model: World, run_id: str) -> list[dict[str, Any]]:
    """What the candidate's run says of its trials."""
    with tempfile.TemporaryDirectory() as folder:
        file = model.tracker.download_artifact(run_id, "study/trials.json", Path(folder))
        return list(json.loads(file.read_text(encoding="utf-8"))["trials"])


def test_the_best_of_the_trials_is_trained_judged_and_promoted(world: Make) -> None:
    model = world(candidates=searched())
    model.feed(600)
    cycle, snapshot = begun(model)

    said = all_trials(cycle, snapshot)
    names = choose(cycle, snapshot, [NAME])
    candidate = train(cycle, snapshot, NAME)
    promotion = promote(cycle, evaluate(cycle, snapshot, [candidate], dry_run=False))

    assert len(said) == 4
    assert names == [NAME]
    assert promotion.to_version == "1"
    trials = tried(model, candidate.run_id)
    best = max(trials, key=lambda each: each["value"])
    assert candidate.validation_score == pytest.approx(best["value"])
    assert model.tracker.get_run(candidate.run_id).params["c"] == str(best["params"]["c"])
    below = runs_of_trials(model)
    assert [run.tags["mlflow.parentRunId"] for run in below] == [candidate.run_id] * 4
    assert [run.params["c"] for run in below] == [str(each["params"]["c"]) for each in trials]
    assert all(run.status == "FINISHED" and "validation_accuracy" in run.metrics for run in below)
    assert "study/study.png" in [each.path for each in model.tracker.list_artifacts(candidate.run_id, "study")]


def test_a_trial_whose_task_was_killed_is_tried_again_with_its_parameters(
    world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = world(candidates=searched(sampler="tpe"))
    model.feed(600)
    cycle, snapshot = begun(model)
    turns = search(cycle, snapshot, [NAME])[NAME]

    def killed(*_: Any, **__: Any) -> None:
        raise EndedError("ended from outside")

    for turn in turns:
        with monkeypatch.context() as patch:
            patch.setattr(fit_process, "fit", killed)
            with pytest.raises(EndedError):
                trial(cycle, snapshot, NAME, turn)
        trial(cycle, snapshot, NAME, turn)
        trial(cycle, snapshot, NAME, turn)  # once more, when it is done
    choose(cycle, snapshot, [NAME])

    done = tried(model, train(cycle, snapshot, NAME).run_id)
    assert [each["state"] for each in done] == ["done"] * 4
    assert [each["given"] for each in done] == ["a lost trial's"] * 4
    lost = [run for run in runs_of_trials(model) if run.status != "FINISHED"]
    assert [run.params["c"] for run in lost] == [str(each["params"]["c"]) for each in done]


def test_a_trial_that_was_fitted_and_not_told_is_told_and_not_fitted_again(
    world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = world(candidates=searched(trials=1))
    model.feed(600)
    cycle, snapshot = begun(model)
    (turn,) = search(cycle, snapshot, [NAME])[NAME]
    with monkeypatch.context() as patch:
        patch.setattr("retrain.tuning.study.Study.tell", lambda *_, **__: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            trial(cycle, snapshot, NAME, turn)

    with monkeypatch.context() as patch:
        patch.setattr(fit_process, "fit", lambda *_, **__: pytest.fail("it is fitted again"))
        said = trial(cycle, snapshot, NAME, turn)

    assert said[0].startswith("trial 0: 0.")
    assert choose(cycle, snapshot, [NAME]) == [NAME]
    assert len(runs_of_trials(model)) == 1


def test_a_trial_that_cannot_be_fitted_leaves_the_others(world: Make) -> None:
    space = {"c": {"float": [-3.0, 3.0], "step": 2.0}}  # half of them are below 0
    model = world(candidates=searched(space=space, sampler="grid"))
    model.feed(600)
    cycle, snapshot = begun(model)

    said = all_trials(cycle, snapshot)
    choose(cycle, snapshot, [NAME])

    assert sum("InvalidParameterError" in line for line in said) == 2
    found = runs_of_trials(model)
    assert sorted(run.status for run in found) == ["FAILED", "FAILED", "FINISHED", "FINISHED"]
    assert all("cannot be fitted" in run.tags["retrain.error"] for run in found if run.status == "FAILED")
    assert train(cycle, snapshot, NAME).validation_score > 0.7


def test_without_any_score_the_run_says_so_and_the_others_are_trained(world: Make) -> None:
    other = {"name": "half", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a"]}}
    model = world(candidates=[*searched(space={"c": {"float": [-3.0, -1.0]}}, trials=2), other])
    model.feed(600)
    cycle, snapshot = begun(model)
    all_trials(cycle, snapshot)

    assert choose(cycle, snapshot, [NAME, "half"]) == ["half"]
    verdict = evaluate(cycle, snapshot, [train(cycle, snapshot, "half")], dry_run=False)

    assert "none of its 2 trials has a score (2 failed)" in verdict.untrained[NAME]
    with pytest.raises(EstimatorError, match="no trial of logistic has a score"):
        choose(cycle, snapshot, [NAME])


def test_the_next_cycle_begins_with_what_was_found_and_trains_productions_beside(world: Make) -> None:
    model = world(candidates=searched(trials=3))
    model.feed(600)
    whole(model)
    first = model.tracker.get_run(runs_of_trials(model)[0].tags["mlflow.parentRunId"]).params["c"]
    model.feed(600)

    cycle, snapshot = begun(model)
    all_trials(cycle, snapshot)
    names = choose(cycle, snapshot, [NAME])

    assert runs_of_trials(model)[3].params["c"] == first
    candidates = {each.name: each for each in (train(cycle, snapshot, name) for name in names)}
    file = model.ledger.model_file_of_version(model.model, "1")
    assert file is not None
    own = candidates.get("logistic-production", candidates[NAME])
    assert own.recipe == file.recipe
    assert model.tracker.get_run(own.run_id).params["c"] == first


def test_without_warm_start_what_was_found_is_tried_first_only_if_it_is_in_production(world: Make) -> None:
    model = world(candidates=searched(trials=1, warm_start=False))
    model.feed(600)
    cycle, snapshot = begun(model)
    all_trials(cycle, snapshot)
    choose(cycle, snapshot, [NAME])
    train(cycle, snapshot, NAME)  # and is not promoted
    model.feed(600)
    spec = model.spec
    (candidate,) = spec.candidates
    other = candidate.model_copy(update={"search": candidate.search.model_copy(update={"seed": 5})})
    model = replace(model, spec=spec.model_copy(update={"candidates": (other,)}))

    cycle, snapshot = begun(model)
    all_trials(cycle, snapshot)

    one, two = (run.params["c"] for run in runs_of_trials(model))
    assert one != two


def test_several_of_the_best_may_go_on(world: Make) -> None:
    model = world(candidates=searched(keep=2))
    model.feed(600)
    cycle, snapshot = begun(model)
    all_trials(cycle, snapshot)

    names = choose(cycle, snapshot, [NAME])

    assert names == [NAME, "logistic-2"]
    both = [train(cycle, snapshot, name) for name in names]
    assert both[0].recipe != both[1].recipe
    assert evaluate(cycle, snapshot, both, dry_run=False).matchup.candidate in names


def test_folds_score_a_trial_by_their_mean(world: Make) -> None:
    model = world(candidates=searched(trials=2, cv=3))
    model.feed(600)
    cycle, snapshot = begun(model)

    all_trials(cycle, snapshot)

    for run in runs_of_trials(model):
        folds = [run.metrics[f"fold_{place}_accuracy"] for place in range(3)]
        assert run.metrics["validation_accuracy"] == pytest.approx(sum(folds) / 3)
        assert len(set(folds)) > 1
    assert choose(cycle, snapshot, [NAME]) == [NAME]


def test_a_pruned_trial_is_a_killed_run_with_its_curve(world: Make) -> None:
    boosted = {
        "name": "boosted",
        "estimator": "tests.core.toys:slow_booster",
        "search": {
            "space": {"rate": {"choice": [0.01, 0.0101, 0.00001]}},
            "sampler": "grid",
            "trials": 3,
            "pruner": {"metric": "validation_binary_logloss", "after_trials": 2, "after_steps": 20},
        },
    }
    model = world(candidates=[boosted])
    model.feed(600)
    cycle, snapshot = begun(model)

    said = all_trials(cycle, snapshot, "boosted")

    assert ["pruned" in line for line in said] == [False, False, True]
    *_, last = runs_of_trials(model)
    assert last.status == "KILLED"
    curve = model.tracker.metric_history(last.id, "validation_binary_logloss")
    assert 20 <= len(curve) < 400
    assert choose(cycle, snapshot, ["boosted"]) == ["boosted"]


def test_a_study_that_is_over_makes_no_trial(world: Make) -> None:
    model = world(candidates=searched(stop_after=1, trials=6, space={"c": {"choice": [1.0, 2.0]}}))
    model.feed(600)
    cycle, snapshot = begun(model)

    said = all_trials(cycle, snapshot)

    assert said[-1] == "1 trials in a row were not better than the best"
    assert len(runs_of_trials(model)) < 6


def test_a_task_may_make_several_trials(world: Make) -> None:
    model = world(candidates=searched(trials=5, per_task=2))
    model.feed(600)
    cycle, snapshot = begun(model)

    turns = search(cycle, snapshot, [NAME])[NAME]
    made = [len(trial(cycle, snapshot, NAME, turn)) for turn in turns]

    assert turns == [0, 1, 2]
    assert len(runs_of_trials(model)) == 5
    assert made == [2, 2, 2]  # the last one says that it is over


def test_a_candidate_that_has_changed_has_another_study(world: Make) -> None:
    model = world(candidates=searched(trials=1))
    model.feed(600)
    cycle, snapshot = begun(model)
    all_trials(cycle, snapshot)
    data = model.spec.model_dump(mode="json", exclude_defaults=True)
    data["candidates"][0]["search"]["space"]["c"]["float"] = [1.0, 2.0]
    changed = replace(cycle, spec=parse(data, "toy.yaml"))

    said = all_trials(changed, snapshot)

    assert said[0].startswith("trial 0: ")
    assert 1 <= float(runs_of_trials(model)[-1].params["c"]) <= 2


def test_what_is_not_tuned_yet_cannot_be_trained(world: Make) -> None:
    model = world(candidates=searched())
    model.feed(600)
    cycle, snapshot = begun(model)
    assert tuned(cycle, snapshot) is cycle
    with pytest.raises(EstimatorError, match=r"trials look for its parameters \(search\), and none were found yet"):
        train(cycle, snapshot, NAME)


def test_choosing_again_gives_the_same(world: Make) -> None:
    model = world(candidates=searched(trials=2))
    model.feed(600)
    cycle, snapshot = begun(model)
    turns = search(cycle, snapshot, [NAME])[NAME]
    trial(cycle, snapshot, NAME, turns[0])
    first = choose(cycle, snapshot, [NAME]), tuned(cycle, snapshot).spec

    trial(cycle, snapshot, NAME, turns[1])  # a task that comes too late

    assert (choose(cycle, snapshot, [NAME]), tuned(cycle, snapshot).spec) == first
