"""What is compared: the spec as it is, changes of it, and three rules without a gate."""

from pathlib import Path

import pytest

from retrain.backtest.policies import left_out, policies, replayable
from retrain.backtest.replayed import Rule
from retrain.errors import BacktestError
from retrain.records import Proof
from retrain.spec.files import SpecFile
from tests.core.backtest.conftest import spec_in


def vary(folder: Path, text: str) -> Path:
    path = folder / "vary.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_the_threshold_is_halved_and_doubled(spec_file: SpecFile) -> None:
    found = policies(spec_file, None)
    assert [each.name for each in found] == [
        "shipped", "threshold 200", "threshold 800", "superiority", "never", "always", "greater",
    ]  # fmt: skip
    assert [each.shipped for each in found] == [True, *[False] * 6]
    assert [each.rule for each in found[4:]] == [Rule.NEVER, Rule.ALWAYS, Rule.GREATER]
    assert found[3].spec.gate.proof is Proof.SUPERIORITY


def test_a_change_replaces_a_field_and_keeps_the_others_of_its_section(spec_file: SpecFile, tmp_path: Path) -> None:
    text = "patient: {gate: {margin: 0.02}, threshold: {rows: 50}}\nhalf:\n  candidates: [{name: h, estimator: a:b}]\n"
    _, patient, half, *_ = policies(spec_file, vary(tmp_path, text))
    assert (patient.spec.gate.margin, patient.spec.gate.floor, patient.spec.threshold.rows) == (0.02, 0.6, 50)
    assert [each.name for each in half.spec.candidates] == ["h"]
    assert patient.changes == {"gate": {"margin": 0.02}, "threshold": {"rows": 50}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1, 2]", "holds no policies; write a name and its changes"),
        ("", "holds no policies"),
        ("always: {threshold: {rows: 5}}", "always: is a name that a backtest gives itself"),
        ("1: {threshold: {rows: 5}}", "1: is a name that a backtest gives itself, or no"),
        ("other: {}", "other: changes nothing; write fields as the spec does"),
        ("other: {model: x}", "other: model: cannot differ between policies"),
        ("other: {source: {features: [a]}}", "other: source: cannot differ between policies"),
        ("other: {gate: {alpha: 3}}", "gate.alpha = 3"),
        ("other: {tresholds: {rows: 3}}", "tresholds"),
        ("other: [", "cannot be read"),
    ],
)
def test_a_file_that_makes_no_policies_is_refused(spec_file: SpecFile, tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BacktestError) as refused:
        policies(spec_file, vary(tmp_path, text))
    assert says in str(refused.value)
    assert "vary.yaml" in str(refused.value)


def test_a_search_is_refused_with_what_to_do(tmp_path: Path) -> None:
    candidate = {"name": "a", "estimator": "tests.core.toys:logistic", "search": {"space": {"c": {"float": [0.1, 1]}}}}
    with pytest.raises(BacktestError, match=r"candidates\[0\]\.search: a backtest makes no trials"):
        policies(spec_in(tmp_path, candidates=[candidate]), None)


def test_guards_that_need_a_registry_are_left_out_and_said(tmp_path: Path) -> None:
    gate = {"metric": "accuracy", "max_latency_ms": 5.0, "max_growth": 2.0}
    spec = spec_in(tmp_path, gate=gate, schedule=None, approval="person").spec
    assert replayable(spec).gate.max_latency_ms is None
    assert replayable(spec).gate.max_growth is None
    assert len([*left_out(spec)]) == 3
    assert [*left_out(spec_in(tmp_path).spec)] == []
