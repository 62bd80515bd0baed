"""Which version is the gate's anchor."""

import pytest

from retrain.gate.anchor import Step, anchor_of
from retrain.gate.judge import judge
from retrain.records import Outcome, VersionId
from retrain.spec.gate import Gate
from tests.core.gate.evidence import BETTER, evidence_of, matchup

PRESENT = {"metric": "accuracy", "positive": None, "split_version": 1}


def version(number):
    return VersionId(str(number), f"m-{number}")


def step(number, *, anchors=False, forward=True, split_version=1, **changes):
    about = matchup(split_version=split_version)
    verdict = judge(evidence_of(BETTER, None, about=about), Gate(metric="accuracy"))
    known = {"outcome": Outcome.PROMOTE, "anchors": anchors, **changes}
    return Step(version(number), verdict.model_copy(update=known), forward)


def by_hand(number):
    return Step(version(number), None, forward=True)


def rolled_back_to(number):
    return Step(version(number), None, forward=False)


def anchor(*steps, **changes):
    return anchor_of(steps, **{**PRESENT, **changes})


def test_without_a_production_there_is_none():
    assert anchor() is None


def test_the_first_version_is_it_until_one_is_shown_to_be_better():
    assert anchor(step(1), step(2), step(3)) == version(1)
    assert anchor(step(1), step(2), step(3, anchors=True)) == version(3)
    assert anchor(step(1), step(2, anchors=True), step(3)) == version(2)


@pytest.mark.parametrize(
    "put_there", [by_hand(3), step(3, outcome=Outcome.HOLD), step(3, outcome=Outcome.INCONCLUSIVE)]
)
def test_what_a_person_puts_there_is_it(put_there):
    assert anchor(step(1), step(2), put_there, step(4)) == version(3)


def test_a_rollback_brings_back_the_anchor_that_its_version_came_with():
    came = [step(1), step(2), step(3, anchors=True), step(4)]

    assert anchor(*came, rolled_back_to(2)) == version(1)
    assert anchor(*came, rolled_back_to(2), step(5)) == version(1)
    assert anchor(*came, rolled_back_to(3)) == version(3)


def test_a_rollback_to_what_a_person_put_there_again_is_to_that():
    assert anchor(step(1), step(2), by_hand(2), step(3), rolled_back_to(2)) == version(2)


@pytest.mark.parametrize("before", [{"metric": "f1"}, {"positive": "pass"}, {"split_version": 2}], ids=str)
def test_where_what_is_compared_changes_the_last_version_of_before_is_it(before):
    old = [step(1, **before), step(2, anchors=True, **before), step(3, **before)]

    assert anchor(*old) == version(3)
    assert anchor(*old, step(4), step(5)) == version(3)
    assert anchor(*old, step(4), rolled_back_to(3)) == version(3)
    assert anchor(*old, step(4), step(5, anchors=True)) == version(5)


def test_a_number_that_is_given_anew_is_another_version():
    again = Step(VersionId("1", "m-9"), step(1).verdict, forward=True)

    assert anchor(by_hand(1), step(2, anchors=True), again, rolled_back_to(1)) == version(1)
    assert anchor(by_hand(1), step(2, anchors=True), again) == version(2)
