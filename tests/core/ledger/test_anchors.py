"""The gate's anchor in the ledger: which version it is, and that its file counts as in use."""

import pytest

from retrain.records import Move, Outcome, VersionId
from tests.core.ledger.rows import MODEL, apply, model_file, save, snapshot, verdict

PRESENT = {"metric": "f1_macro", "positive": None, "split_version": 1}


@pytest.fixture
def chain(begun):
    """Put versions into Production, of which only the first is an anchor."""
    ledger, now = begun, [None]

    def promoted(number, *, anchors=False, **changes):
        version, before = VersionId(str(number), f"m-{number}"), now[-1]
        ledger.save_snapshot(snapshot(f"s{number}"))
        ledger.save_model_file(model_file(f"models:/m-{number}", run_id=f"r{number}", snapshot=f"s{number}"))
        ledger.save_version(f"models:/m-{number}", version.number)
        plain = verdict(f"v{number}", version=version.number, production=before and before.number, test=number)
        about = {"identity": version.identity, "production_identity": before and before.identity}
        made = plain.model_copy(
            update={"anchors": anchors, "matchup": plain.matchup.model_copy(update=about), **changes}
        )
        save(ledger, made)
        apply(ledger, ledger.open_promotion(made, "dag", "a test"))
        now.append(version)
        return version

    ledger.save_snapshot(snapshot())
    ledger.promoted = promoted
    return ledger


def in_use(ledger):
    return [file.identity for file in ledger.model_files_in_use()]


def test_without_a_production_there_is_no_anchor(chain):
    assert chain.anchor(MODEL, **PRESENT) is None
    assert chain.last_anchor(MODEL) is None


def test_the_anchor_and_its_file_stay_in_use_however_long_the_chain(chain):
    first = chain.promoted(1, anchors=True)
    for number in (2, 3, 4):
        chain.promoted(number)

    assert chain.anchor(MODEL, **PRESENT) == chain.last_anchor(MODEL) == first
    assert in_use(chain) == ["m-4", "m-3", "m-1"]
    assert [file.snapshot for file in chain.model_files_in_use()] == ["s4", "s3", "s1"]


def test_a_version_that_is_better_takes_its_place(chain):
    chain.promoted(1, anchors=True)
    chain.promoted(2)
    third = chain.promoted(3, anchors=True)

    assert chain.anchor(MODEL, **PRESENT) == third
    assert in_use(chain) == ["m-3", "m-2"]


def test_a_forced_version_is_the_anchor(chain):
    chain.promoted(1, anchors=True)
    forced = chain.promoted(2, outcome=Outcome.HOLD)
    chain.promoted(3)

    assert chain.anchor(MODEL, **PRESENT) == forced


def test_by_another_metric_the_last_version_of_before_is_the_anchor(chain):
    first, second = chain.promoted(1, anchors=True), chain.promoted(2)

    assert chain.anchor(MODEL, **PRESENT) == first
    assert chain.anchor(MODEL, **{**PRESENT, "metric": "accuracy"}) == second
    assert chain.anchor(MODEL, **{**PRESENT, "split_version": 2}) == second


def test_a_rollback_goes_back_to_the_anchor_of_before(chain):
    first, second = chain.promoted(1, anchors=True), chain.promoted(2)
    third = chain.promoted(3, anchors=True)
    assert chain.anchor(MODEL, **PRESENT) == third

    with chain.lock_production(MODEL) as production:
        back = production.append(third, second, kind=Move.ROLLBACK, verdict=None, by="kim", why="a test")
    apply(chain, back)

    assert chain.anchor(MODEL, **PRESENT) == first
