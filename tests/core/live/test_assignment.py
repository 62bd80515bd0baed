"""A unit is served by the same arm in any process and language, and independently of other tests."""

import json
import os
import random
import shutil
import subprocess
import sys
from itertools import pairwise, product

import numpy as np
import pytest
from scipy.stats import binomtest, chi2

from retrain.live.assignment import Arm, Assignment, Experiment, assign
from stack.home import PROJECT
from tests.docs.blocks import blocks_of

PAGE = "docs/ab.md"
VECTORS = json.loads((PROJECT / "docs/ab_vectors.json").read_text())
OUTSIDE = Assignment(Arm.PRODUCTION, exposed=False)
UNITS = [str(number) for number in range(200_000)]


def of_vector(vector):
    return Experiment(vector["id"], vector["share"], vector["holdout"], vector["holdout_share"])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda each: f"{each['unit']!a} {each['share']}")
def test_a_vector_of_the_page_comes_out(vector):
    assert assign(vector["unit"], of_vector(vector)) == Assignment(Arm(vector["arm"]), vector["exposed"])


def test_the_function_of_the_page_in_javascript_says_the_same_of_the_vectors_and_of_any_text(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    (block,) = [each.text for each in blocks_of(PAGE) if each.language == "js"]
    dice = random.Random(28)  # noqa: S311
    planes = [(0, 0x7F), (0x80, 0x7FF), (0xAC00, 0xD7A3), (0xD800, 0xDFFF), (0x10000, 0x10FFFF)]
    texts = ["".join(chr(dice.randint(*dice.choice(planes))) for _ in range(dice.randint(0, 8))) for _ in range(3_000)]
    # Two halves that stand beside each other are one character in JavaScript.
    asked = [
        {"unit": unit, "id": f"t/{place % 7}", "share": 0.3, "holdout": "h", "holdout_share": 0.1}
        for place, unit in enumerate(texts)
    ] + VECTORS
    script = tmp_path / "assign.js"
    script.write_text(
        block + "\nconst asked = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));\n"
        "const given = ({ unit, holdout_share, ...rest }) => assign(unit, { ...rest, holdoutShare: holdout_share });\n"
        "console.log(JSON.stringify(asked.map(given)));\n"
    )
    said = json.loads(
        subprocess.run([node, script], input=json.dumps(asked), capture_output=True, text=True, check=True).stdout
    )
    ours = [assign(each["unit"], of_vector(each)) for each in asked]
    assert said == [{"arm": each.arm.value, "exposed": each.exposed} for each in ours]
    assert {(each.arm, each.exposed) for each in ours} == {*product(Arm, [True]), (Arm.PRODUCTION, False)}


def test_the_seed_of_pythons_own_hash_changes_nothing():
    code = (
        "from retrain.live.assignment import *; "
        "print([assign(str(n), Experiment('t', .3, 'h', .1)).arm.value for n in range(50)])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(PROJECT / "include"), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(said) == 1
    assert "staging" in said.pop()


def test_it_brings_nothing_but_the_standard_library():
    code = "import sys, retrain.live.assignment; print({'numpy', 'pydantic', 'retrain.errors'} & {*sys.modules})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


def test_a_greater_share_lets_units_in_and_moves_none():
    shares = (0.0, 0.01, 0.1, 0.5)
    steps = [{unit: assign(unit, Experiment("Churn/1", share)) for unit in UNITS[:20_000]} for share in shares]
    for before, after in pairwise(steps):
        assert all(after[unit] == found for unit, found in before.items() if found.exposed)
    assert [sum(each.exposed for each in step.values()) for step in (steps[0], steps[-1])] == [0, 20_000]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_arms_have_their_shares(share):
    found = [assign(unit, Experiment("Churn/1", share)) for unit in UNITS]
    for arm in Arm:
        served = sum(each == Assignment(arm, exposed=True) for each in found)
        assert binomtest(served, len(UNITS), share).pvalue > 0.001


def test_the_units_of_a_holdout_are_in_no_test_and_the_same_for_all():
    tests = [Experiment(f"{name}/1", 0.5, "quiet", 0.05) for name in ("Churn", "Letters")]
    outside = [{unit for unit in UNITS if assign(unit, each) == OUTSIDE} for each in tests]
    assert outside[0] == outside[1]
    assert binomtest(len(outside[0]), len(UNITS), 0.05).pvalue > 0.001
    other = {unit for unit in UNITS if assign(unit, Experiment("Churn/1", 0.5, "other", 0.05)) == OUTSIDE}
    assert binomtest(len(outside[0] & other), len(UNITS), 0.05**2).pvalue > 0.001


def independent(first, second):
    """The chance of so great a chi-square, where what two tests say of a unit is independent."""
    table = np.zeros((3, 3))
    for pair in zip(first, second, strict=True):
        table[pair] += 1
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    return chi2.sf(((table - expected) ** 2 / expected).sum(), 4)


def kinds(experiment, units=UNITS):
    return [0 if (found := assign(unit, experiment)) == OUTSIDE else 1 + (found.arm is Arm.STAGING) for unit in units]


def test_two_tests_split_the_units_independently():
    # Ids that differ in one character, as those of one model do.
    found = [kinds(Experiment(id, 0.3)) for id in ("Churn/1", "Churn/2", "Churn/10")]
    assert min(independent(found[0], found[1]), independent(found[0], found[2]), independent(found[1], found[2])) > 1e-3


def test_the_arm_does_not_follow_from_the_unit_of_before():
    found = kinds(Experiment("Churn/1", 0.3))
    assert independent(found[:-1], found[1:]) > 0.001


@pytest.mark.parametrize("share", [-0.1, 0.51, float("nan")])
def test_a_share_that_leaves_no_control_group_is_refused(share):
    with pytest.raises(ValueError, match=r"write 0 to 0\.5"):
        Experiment("t", share)


def test_a_share_of_a_holdout_is_at_most_all():
    with pytest.raises(ValueError, match=r"holdout_share = 1\.5: is no share"):
        Experiment("t", 0.5, "h", 1.5)
