"""`retrain judge`: two files of predictions go through the gate, and each fault names its remedy."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retrain.errors import JudgingError
from retrain.gate import comparison, significance
from retrain.gate.files import Columns, gate_of, judge_files, to_text
from retrain.gate.judge import judge
from retrain.records import Outcome, Verdict
from retrain.spec.task import Task
from tests.core.cli.test_cli import PROJECT, retrain
from tests.core.gate.evidence import BETTER, LABELS, ROWS, WORSE, evidence_of

NAMES = np.array(["fail", "pass"])
LABEL, KEY = Columns("label"), Columns("label", key="id")


def table(predictions, **columns):
    return pd.DataFrame({"id": np.arange(ROWS), "label": NAMES[LABELS], "prediction": NAMES[predictions], **columns})


@pytest.fixture
def write(tmp_path):
    """Write a table and return its path."""

    def write(name, table):
        path = tmp_path / name
        if path.suffix == ".csv":
            table.to_csv(path, index=False)
        else:
            table.to_parquet(path)
        return path

    return write


@pytest.fixture
def better(write):
    return write("better.csv", table(BETTER))


@pytest.fixture
def worse(write):
    return write("worse.csv", table(WORSE))


def judged(one, other, columns=LABEL, task=Task.CLASSIFICATION, **options):
    return judge_files(one, other, columns, gate_of(**{"metric": "accuracy", **options}), task)


# ── verdicts


def test_the_numbers_are_those_of_the_gate(better, worse):
    verdict = judged(better, worse, metric="f1", positive="pass")

    expected = judge(evidence_of(BETTER, WORSE), gate_of(metric="f1", positive="pass"))
    assert verdict.outcome is Outcome.PROMOTE
    assert verdict.difference == expected.difference
    assert (verdict.right_to_wrong, verdict.wrong_to_right) == (expected.right_to_wrong, expected.wrong_to_right)
    assert verdict == judged(better, worse, metric="f1", positive="pass")


def test_rows_of_both_kinds_of_file_are_paired_by_their_key_in_any_order(write, better):
    mixed = table(WORSE).sample(frac=1, random_state=1)

    verdict = judged(better, write("mixed.parquet", mixed), KEY)

    assert verdict.production_score == pytest.approx(0.8)
    assert verdict.wrong_to_right == judged(better, write("sorted.csv", mixed.sort_values("id")), KEY).wrong_to_right


def test_a_key_that_is_the_index_of_a_parquet_file_is_found(write, better):
    assert judged(better, write("indexed.parquet", table(WORSE).set_index("id")), KEY).rows == ROWS


def test_rows_of_one_group_are_one_cluster(write):
    groups = np.arange(ROWS) // 20

    verdict = judged(
        write("a.csv", table(BETTER, letter=groups)),
        write("b.csv", table(WORSE, letter=groups)),
        Columns("label", group="letter"),
    )

    assert verdict.clusters == ROWS / 20
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_a_column_of_scores_is_ranked_and_probabilities_will_do_for_it(write):
    ours, theirs = np.random.default_rng(1).normal(LABELS, [[0.2], [0.6]])
    options = {"metric": "roc_auc", "positive": "pass"}
    ranked = judged(
        write("a.csv", table(BETTER, score=ours)), write("b.csv", table(WORSE, score=theirs)), KEY, **options
    )

    ours, theirs = (1 / (1 + np.exp(-each)) for each in (ours, theirs))
    verdict = judged(
        write("a.csv", table(BETTER, p_pass=ours, p_fail=1 - ours)),
        write("b.csv", table(WORSE, p_pass=theirs, p_fail=1 - theirs)),
        KEY,
        **options,
    )

    assert ranked.outcome is verdict.outcome is Outcome.PROMOTE
    assert verdict.difference == pytest.approx(ranked.difference)


def test_probabilities_have_a_loss(write):
    sure, unsure = np.where(LABELS == 1, 0.9, 0.1), np.where(LABELS == 1, 0.6, 0.4)

    verdict = judged(
        write("a.csv", table(LABELS, p_pass=sure, p_fail=1 - sure)),
        write("b.csv", table(LABELS, p_fail=1 - unsure, p_pass=unsure)),
        metric="log_loss",
        ceiling=1.0,
    )

    assert verdict.score == pytest.approx(-np.log(0.9))
    assert verdict.production_score == pytest.approx(-np.log(0.6))


def test_numbers_have_an_error(write):
    truth = np.linspace(0, 9, ROWS)
    dice = np.random.default_rng(1)
    a, b = (pd.DataFrame({"price": truth, "prediction": truth + dice.normal(0, by, ROWS)}) for by in (1, 2))

    verdict = judged(
        write("a.csv", a), write("b.parquet", b), Columns("price"), Task.REGRESSION, metric="mae", ceiling=3.0
    )

    assert verdict.outcome is Outcome.PROMOTE
    assert verdict.difference < 0


def test_a_class_is_what_it_is_called(write):
    """The class "NA" is not a missing value, and 1.0 is the class 1."""
    for names in (["NA", "01"], [0, 1]):
        truth, predictions = np.array(names)[LABELS], np.array(names)[BETTER]
        a = write("a.csv", pd.DataFrame({"label": truth, "prediction": predictions}))
        b = pd.DataFrame({"label": truth, "prediction": predictions})
        b["prediction"] = b["prediction"].astype(float if names == [0, 1] else str)

        verdict = judged(a, write("b.csv", b), metric="f1", positive=str(names[1]))

        assert verdict.score == verdict.production_score == pytest.approx(0.9)


def test_a_scorer_of_scikit_learn_takes_what_the_files_give(write, monkeypatch):
    # No interval is asserted here: each takes thousands of calls of the scorer.
    for module, draws in ((significance, "_SLOW_DRAWS"), (comparison, "_INTERVAL_DRAWS")):
        monkeypatch.setattr(module, draws, 50)
    ours = np.where(LABELS == 1, 0.9, 0.1)
    options = {"metric": "sklearn:roc_auc", "floor": 0.5, "tests": 1}
    probabilities = write("p.csv", table(BETTER, p_pass=ours, p_fail=1 - ours))
    scored = write("s.csv", table(BETTER, score=ours))

    assert judged(probabilities, probabilities, **options).score == 1
    assert judged(scored, scored, **options, positive="pass").score == 1
    assert judged(scored, scored, **options, positive="fail").score == 0
    without = judged(scored, scored, **options)
    assert (without.outcome, without.score) == (Outcome.INCONCLUSIVE, None)


def test_the_text_begins_with_the_sentence_and_names_every_number(better, worse):
    verdict = judged(better, worse)

    lines = to_text(verdict).splitlines()

    assert lines[0] == f"PROMOTE: {verdict.reason}"
    assert "Production  0.800   0.774 to 0.824" in lines
    assert "wrong to right   150" in lines
    assert "passed  floor     accuracy 0.900 reaches the floor of 0.5" in lines
    assert not any("overlap" in line or "holdout_round" in line for line in lines)


# ── faults


def edited(**columns):
    """Return Production's table with a column replaced, or added."""
    return table(WORSE).assign(**columns)


@pytest.mark.parametrize(
    ("production", "columns", "message"),
    [
        (table(WORSE)[1:], LABEL, "has 999 rows and .*better.csv has 1,000; write the same rows"),
        (table(WORSE)[1:], KEY, r'lacks 1 keys of .*better.csv \(e.g. id = "0"\); write the same rows'),
        (edited(id=7), KEY, 'id = "7": occurs more than once; name a column that identifies a row'),
        (table(WORSE)[::-1], LABEL, r'label = "pass": is "fail" in .*better.csv \(row 1, and 999 more\); .*--key'),
        (
            edited(label=NAMES[1 - LABELS]),
            KEY,
            r'label = "pass": is "fail" in .* \(id = "0", and 999 more\); a row has',
        ),
        (edited(prediction=NAMES[WORSE])[["label"]], LABEL, "has no column prediction, only label; name the right one"),
        (edited(prediction=np.where(LABELS, "pass", "")), LABEL, r"prediction is empty in 500 rows \(e.g. row 1\)"),
        (edited(prediction="0.93"), LABEL, r'prediction = "0.93": none of its values is a label \(fail, pass\)'),
        (table(WORSE)[:0], LABEL, "holds no rows"),
    ],
)
def test_rows_that_do_not_pair_are_refused_with_an_example(better, write, production, columns, message):
    with pytest.raises(JudgingError, match=rf"other\.csv: {message}"):
        judged(better, write("other.csv", production), columns)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "has no column of probabilities, which log_loss needs; write a column p_<class>"),
        ({"p_pass": 0.4}, r"p_pass = 0.4: is not 1 \(row 1\); write a column p_<class> for each class"),
        ({"p_pass": 1.2, "p_fail": -0.2}, r"p_pass = 1.2: is not a probability \(row 1\)"),
        ({"p_pass": "half", "p_fail": 0.5}, r'p_pass = "half": is not a finite number \(row 1\)'),
    ],
)
def test_columns_that_are_not_probabilities_are_refused(write, better, columns, message):
    with pytest.raises(JudgingError, match=rf"other\.csv: {message}"):
        judged(write("other.csv", table(BETTER, **columns)), better, metric="log_loss", ceiling=1.0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "cannot be read: .*No such file"),
        ("letters.xlsx", b"", "is neither .csv nor .parquet"),
        ("broken.parquet", b"label", "cannot be read: .*; save it as CSV in UTF-8, or as Parquet"),
        ("korean.csv", "label,prediction\n합격,합격\n".encode("cp949"), "cannot be read: .*; save it as CSV in UTF-8"),
        ("empty.csv", b"", "cannot be read"),
        ("long.csv", b"label,prediction\npass,pass,\n", "its rows have more fields than its header"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(better, tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(JudgingError, match=f"{name}: {message}"):
        judged(path, better)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "f2"}, '--metric = "f2": is not a metric'),
        ({"metric": "f1"}, "the options: f1 is about one class; name it as positive"),
        ({"metric": "accuracy", "min_rows": 1}, '--min-rows = "1": input should be'),
        ({"metric": "mae"}, "the options: mae needs a ceiling"),
    ],
)
def test_options_that_do_not_make_a_gate_are_refused(options, message):
    with pytest.raises(JudgingError, match=message):
        gate_of(**options)


def test_a_metric_of_classes_is_not_for_numbers(better):
    with pytest.raises(JudgingError, match='--metric = "accuracy": is not for regression'):
        judged(better, better, task=Task.REGRESSION)


# ── in a shell


@pytest.mark.parametrize(
    ("files", "options", "status", "begins"),
    [
        (("better.csv", "worse.csv"), [], 0, "PROMOTE: "),
        (("worse.csv", "better.csv"), [], 1, "HOLD (worse): "),
        (("better.csv", "worse.csv"), ["--min-rows", "5000"], 2, "INCONCLUSIVE: "),
        (("better.csv", "worse.csv"), ["--alpha", "2"], 64, ""),
        (("better.csv", "worse.csv"), ["--metrik", "f1"], 64, ""),
        (("better.csv", "none.csv"), [], 64, ""),
    ],
)
@pytest.mark.usefixtures("better", "worse")
def test_the_exit_status_is_the_outcome(tmp_path, here, files, options, status, begins):
    paths = [tmp_path / file for file in files]

    done = here("judge", *paths, "--label", "label", "--metric", "accuracy", *options)

    assert (done.returncode, done.stdout[: len(begins)]) == (status, begins)
    assert bool(done.stderr) == (status == 64)


def test_the_verdict_is_printed_as_json(better, worse):
    proof = ("--proof", "non_inferiority", "--margin", "0.01")

    done = retrain("judge", better, worse, "--label", "label", "--metric", "accuracy", *proof, "--json")

    assert (done.returncode, done.stderr) == (0, "")
    verdict = Verdict.from_json(json.loads(done.stdout))
    assert (verdict.outcome, verdict.threshold) == (Outcome.PROMOTE, -0.01)


def test_the_example_of_the_page_works(tmp_path):
    page = (PROJECT / "docs" / "judge.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(# predictions\.py.*?)```", page, re.DOTALL)
    (words,) = re.findall(r"^retrain (judge .*)$", page, re.MULTILINE)

    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    done = retrain(*(str(tmp_path / word) if word.endswith(".csv") else word for word in words.split()))

    assert done.returncode == 0, done.stderr
    assert Path(tmp_path / "new.csv").exists()
