"""What candidates have in common is fitted once, and changes no result."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from retrain.cycle import retention
from retrain.cycle.evaluate import evaluate
from retrain.cycle.prepare import prepare, shared_by
from retrain.cycle.train import train
from retrain.models import files as model_files
from retrain.records import Candidate, Subset
from tests.core.conftest import Make, World
from tests.core.slow import fits

NAMES = ["logistic", "bayes"]


def candidates(file: Path, **step: Any) -> list[dict[str, Any]]:
    return [
        {"name": name, "estimator": "tests.core.slow:pipeline", "params": {"kind": name, "file": str(file), **step}}
        for name in NAMES
    ]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where each fit of the slow step is written down."""
    return tmp_path / "fits.txt"


@pytest.fixture
def model(world: Make, file: Path) -> World:
    model = world(candidates=candidates(file), trust=["tests.core.slow.Slow"])
    model.feed(600)
    return model


def prepared(model: World) -> list[Path]:
    return [path for path in Path(model.snapshots.uri.removeprefix("file://")).rglob("prepared/*/*") if path.is_file()]


def digests(model: World, trained: list[Candidate]) -> list[str]:
    return [model.ledger.model_file(each.id).digest for each in trained]


def test_a_first_step_that_two_candidates_have_in_common_is_fitted_once(model: World, file: Path) -> None:
    cycle, snapshot = model.cycle(), model.take()
    (step,) = prepare(cycle, snapshot, NAMES)
    assert step.candidates == ("logistic", "bayes")
    trained = [train(cycle, snapshot, name) for name in NAMES]
    assert fits(file) == 1
    assert [each.name for each in trained] == NAMES


def test_a_second_try_fits_nothing_again(model: World, file: Path) -> None:
    cycle, snapshot = model.cycle(), model.take()
    first = prepare(cycle, snapshot, NAMES)
    assert prepare(cycle, snapshot, NAMES) == first
    assert fits(file) == 1


def test_models_and_scores_are_those_of_a_cycle_that_shares_nothing(model: World, file: Path) -> None:
    snapshot, found = model.take(), []
    for shares in (True, False):
        cycle = model.cycle()
        if shares:
            prepare(cycle, snapshot, NAMES)
        trained = [train(cycle, snapshot, name) for name in NAMES]
        scores = [(each.train_score, each.validation_score) for each in trained]
        models = [
            model.tracker.load_model(each.id, digest, model.spec.trust)
            for each, digest in zip(trained, digests(model, trained), strict=True)
        ]
        rows = model.snapshots.read(snapshot, [Subset.HOLDOUT]).features
        found.append((scores, [each.predict_proba(rows).tobytes() for each in models]))
    assert found[0] == found[1]
    assert fits(file) == 3


@pytest.mark.parametrize("how", ["gone", "changed"])
def test_where_a_file_is_gone_or_changed_each_candidate_fits_its_own(model: World, file: Path, how: str) -> None:
    cycle, snapshot = model.cycle(), model.take()
    prepare(cycle, snapshot, NAMES)
    for path in prepared(model):
        path.unlink() if how == "gone" else path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert train(cycle, snapshot, "bayes").validation_score > 0.5
    assert fits(file) == 2


def test_a_candidate_that_has_a_step_of_its_own_shares_none(
    world: Make, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    own = candidates(file)
    own[1]["params"]["seconds"] = 1.2
    model = world(candidates=own, trust=["tests.core.slow.Slow"])
    model.feed(600)
    cycle, snapshot = model.cycle(), model.take()
    assert prepare(cycle, snapshot, NAMES) == []
    assert shared_by(cycle, snapshot, "bayes") is None
    assert fits(file) == 0
    assert "No two candidates begin with the same step." in caplog.text
    assert not [each for each in caplog.records if each.levelname == "WARNING"]


@pytest.mark.parametrize(
    ("step", "trust", "says"),
    [
        ({"seconds": 0.0}, ["tests.core.slow.Slow"], "each candidate fits its own"),
        ({"draws": True}, ["tests.core.slow.Slow"], "draws random numbers"),
        ({}, [], "cannot be stored"),
    ],
)
def test_what_is_fast_or_random_or_not_to_be_stored_is_left_to_each(
    world: Make, file: Path, step: dict[str, Any], trust: list[str], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    model = world(candidates=candidates(file, **step), trust=trust)
    model.feed(600)
    assert prepare(model.cycle(), model.take(), NAMES) == []
    assert says in caplog.text


def test_past_a_limit_nothing_is_shared_and_nothing_fails(
    world: Make, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slow = candidates(file, seconds=60)
    model = world(candidates=slow, trust=["tests.core.slow.Slow"], limits={"time": "2s"})
    model.feed(600)
    assert prepare(model.cycle(), model.take(), NAMES) == []
    assert "Nothing is fitted for all: this ended past limits.time. Each candidate fits its own steps." in caplog.text


def test_after_the_verdict_nothing_of_it_is_left(model: World) -> None:
    cycle, snapshot = model.cycle(), model.take()
    prepare(cycle, snapshot, NAMES)
    assert len(prepared(model)) == 3
    evaluate(cycle, snapshot, [train(cycle, snapshot, name) for name in NAMES], dry_run=True)
    assert prepared(model) == []


def test_the_next_cycle_deletes_what_one_has_left_that_never_came_to_a_verdict(model: World) -> None:
    first = model.take()
    prepare(model.cycle(), first, NAMES)
    model.feed(300)
    second = model.take()
    prepare(model.cycle(), second, NAMES)
    assert {path.parent.name for path in prepared(model)} == {second.id}


def test_rows_that_are_erased_are_not_left_in_what_was_made_of_them(model: World) -> None:
    snapshot = model.take()
    prepare(model.cycle(), snapshot, NAMES)
    assert retention.forget(model.model, ["1"], snapshots=model.snapshots, ledger=model.ledger)
    assert prepared(model) == []


def test_the_stored_step_names_its_types_and_nothing_is_a_pickle(model: World) -> None:
    prepare(model.cycle(), model.take(), NAMES)
    assert sorted(path.suffix for path in prepared(model)) == [".npy", ".npy", ".skops"]
    (step,) = (path for path in prepared(model) if path.suffix == ".skops")
    assert model_files.foreign_types(step) == ["tests.core.slow.Slow"]


def test_the_ledger_holds_the_digest_of_each_file(model: World) -> None:
    cycle, snapshot = model.cycle(), model.take()
    prepare(cycle, snapshot, NAMES)
    (step,) = json.loads(model.ledger.made(cycle.key("prepare", snapshot.id)) or "")
    assert {uri.rpartition("/")[2] for uri in step["files"].values()} == {path.name for path in prepared(model)}
