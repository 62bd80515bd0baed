"""A search in whole cycles, against a real PostgreSQL and a real MLflow server."""

from retrain.cycle.choose import choose
from retrain.cycle.evaluate import evaluate
from retrain.cycle.promote import promote
from retrain.cycle.search import search
from retrain.cycle.train import train
from retrain.cycle.trial import trial
from tests.core.conftest import Make, World

SPACE = {"space": {"c": {"float": [0.001, 100.0], "log": True}}, "trials": 4}


def searched(**fields):
    return {
        "name": "logistic",
        "estimator": "tests.core.toys:logistic",
        "params": {"columns": ["a", "b"]},
        "search": {**SPACE, **fields},
    }


def tried(model: World, cycle, snapshot, name="logistic"):
    return [line for turn in search(cycle, snapshot, [name])[name] for line in trial(cycle, snapshot, name, turn)]


def test_the_best_of_the_trials_is_trained_judged_and_promoted(world: Make) -> None:
    model = world(candidates=[searched()])
    model.feed(600)
    cycle, snapshot = model.cycle(), model.take()

    said = tried(model, cycle, snapshot)
    names = choose(cycle, snapshot, ["logistic"])

    assert len(said) == 4
    assert names == ["logistic"]
    candidates = [train(cycle, snapshot, name) for name in names]
    verdict = evaluate(cycle, snapshot, candidates, dry_run=False)
    assert promote(cycle, verdict).to_version == "1"
    print(said, candidates)
