"""A slow encoder is asked once for each text, and what it gave is kept whole or not at all."""

import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from retrain_features import cached
from retrain_features.cached import Cached
from stack.home import PROJECT
from tests.core.features import encoders

ENCODERS = "tests.core.features.encoders"
TEXTS = ["감동", "지루함", "감동", "", "😀\0", "\ud800"]
VECTORS = np.array([[len(text), sum(map(ord, text)) % 1000, 0.5] for text in TEXTS], dtype=np.float32)


@pytest.fixture
def asked(tmp_path):
    return tmp_path / "asked"


@pytest.fixture
def step(tmp_path, asked):
    return Cached(f"{ENCODERS}:lengths", params={"asked": str(asked)}, folder=str(tmp_path / "kept"), batch_size=2)


def texts_of(asked):
    return asked.read_text(encoding="utf-8").splitlines() if asked.exists() else []


def files(tmp_path):
    return sorted((tmp_path / "kept").glob("*/*"))


def test_each_text_is_encoded_once_and_then_never(step, asked):
    assert (step.fit_transform(TEXTS) == VECTORS).all()
    assert sorted(texts_of(asked)) == sorted(map(repr, set(TEXTS)))

    assert (step.transform(TEXTS[::-1]) == VECTORS[::-1]).all()
    assert (clone(step).fit(TEXTS).transform(pd.Series(TEXTS, dtype=object)) == VECTORS).all()
    assert len(texts_of(asked)) == len(set(TEXTS))


def test_a_retrain_encodes_new_rows_only(step, asked):
    step.fit(TEXTS[:2])
    before = len(texts_of(asked))

    assert (clone(step).fit_transform(TEXTS) == VECTORS).all()

    assert sorted(texts_of(asked)[before:]) == sorted(map(repr, TEXTS[3:]))


def test_without_a_folder_it_just_encodes(step, asked, tmp_path, monkeypatch):
    monkeypatch.delenv(cached.VARIABLE, raising=False)
    step.set_params(folder=None).fit(TEXTS)

    assert (step.transform(TEXTS) == VECTORS).all()
    assert len(texts_of(asked)) == 2 * len(set(TEXTS))
    assert [each.name for each in tmp_path.iterdir()] == ["asked"]


def test_the_folder_may_be_named_in_the_environment(step, asked, tmp_path, monkeypatch):
    monkeypatch.setenv(cached.VARIABLE, str(tmp_path / "kept"))
    step.set_params(folder=None).fit(TEXTS).transform(TEXTS)

    assert len(texts_of(asked)) == len(set(TEXTS))
    assert files(tmp_path)


def test_a_folder_may_be_a_url(step, asked):
    step.set_params(folder="memory://kept/vectors").fit(TEXTS)

    assert (step.transform(TEXTS) == VECTORS).all()
    assert len(texts_of(asked)) == len(set(TEXTS))


@pytest.mark.parametrize(
    "changed", [{"version": "2"}, {"function": f"{ENCODERS}:of_shape", "params": {"shape": "n,3"}}]
)
def test_another_version_or_function_shares_nothing(step, changed, tmp_path):
    step.fit(TEXTS)
    before = len(files(tmp_path))

    step.set_params(**changed).fit(TEXTS)

    assert len(files(tmp_path)) == 2 * before


# ── what goes wrong


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied", "a folder"])
def test_a_damaged_file_counts_as_missing(step, asked, tmp_path, damage):
    step.fit(TEXTS)
    file = files(tmp_path)[0]
    content = file.read_bytes()
    if damage == "a folder":
        file.unlink()
        file.mkdir()
    else:
        changed = content[:-1] + bytes([content[-1] ^ 1])
        file.write_bytes({"cut": content[:100], "changed": changed, "emptied": b""}[damage])
    before = len(texts_of(asked))

    if damage == "a folder":
        with pytest.warns(UserWarning, match="cannot be written"):  # it stands where the new file belongs
            assert (step.transform(TEXTS) == VECTORS).all()
    else:
        assert (step.transform(TEXTS) == VECTORS).all()
        assert 0 < len(texts_of(asked)) - before <= 2
        assert (step.transform(TEXTS) == VECTORS).all()
        assert len(texts_of(asked)) - before <= 2


def test_what_was_kept_before_a_kill_is_not_encoded_again(tmp_path, asked):
    rows = [f"text {number}" for number in range(10)]
    step = {"params": {"asked": str(asked), "text": "text 7"}, "folder": str(tmp_path / "kept"), "batch_size": 2}

    killed = run(f"Cached('{ENCODERS}:dies_at', **{step!r}).fit({rows!r})", check=False)

    assert killed.returncode == -9
    assert len(files(tmp_path)) == 3
    before = len(texts_of(asked))
    run(f"Cached('{ENCODERS}:dies_at', **{step!r}).fit({rows[:6]!r})")
    assert len(texts_of(asked)) == before


def test_a_part_that_a_killed_writer_left_is_no_file(step, asked, tmp_path):
    step.fit(TEXTS)
    (files(tmp_path)[0].parent / "0123.part").write_bytes(b"half")

    assert (step.transform(TEXTS) == VECTORS).all()
    assert len(texts_of(asked)) == len(set(TEXTS))


def test_two_processes_at_once_are_both_right(tmp_path, asked):
    rows = [f"text {number}" for number in range(60)]
    params = {"asked": str(asked), "seconds": 0.02}
    step = {"params": params, "folder": str(tmp_path / "kept"), "batch_size": 3}
    program = f"import json; print(json.dumps(Cached('{ENCODERS}:lengths', **{step!r}).fit_transform(%r).tolist()))"

    with ThreadPoolExecutor() as pool:
        one, other = pool.map(run, [program % rows, program % rows[::-1]])

    expected = encoders.lengths(rows, asked).tolist()
    assert json.loads(one.stdout) == expected
    assert json.loads(other.stdout) == expected[::-1]
    before = len(texts_of(asked))
    run(program % rows)
    assert len(texts_of(asked)) == before
    assert not list((tmp_path / "kept").rglob("*.part"))


def run(program, check=True):
    return subprocess.run(
        [sys.executable, "-c", f"from retrain_features.cached import Cached\n{program}"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "include")])},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=check,
    )


def test_a_folder_that_cannot_be_written_is_said_and_the_vectors_are_right(step, tmp_path):
    (tmp_path / "kept").write_text("a file stands where the folder would be")

    with pytest.warns(UserWarning, match=r"nothing is kept, because .*kept cannot be written") as told:
        found = step.fit_transform(TEXTS)

    assert (found == VECTORS).all()
    assert len(told) == 1


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ("n", r"returned an array of shape \(5,\) for 5 texts; it must be \(5, numbers in a vector\)"),
        ("4,2", r"returned an array of shape \(4, 2\) for 5 texts"),
        ("n,0", r"returned an array of shape \(5, 0\)"),
        ("n,2,2", r"returned an array of shape \(5, 2, 2\)"),
    ],
)
def test_a_function_that_returns_another_shape_is_said(shape, says):
    with pytest.raises(ValueError, match=f"^Cached: {ENCODERS}:of_shape {says}"):
        Cached(f"{ENCODERS}:of_shape", params={"shape": shape}).fit(TEXTS)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_a_number_that_is_not_finite_is_said_with_its_text(value, tmp_path):
    step = Cached(f"{ENCODERS}:of_shape", params={"shape": "n,2", "value": value}, folder=str(tmp_path / "kept"))

    with pytest.raises(ValueError, match=r"infinite or none .* for the text '감동'; it must give finite numbers"):
        step.fit(TEXTS)
    assert files(tmp_path) == []


def test_a_function_that_returns_no_numbers_is_said():
    with pytest.raises(ValueError, match="returned <U1; it must return numbers"):
        Cached(f"{ENCODERS}:words").fit(TEXTS)


def test_vectors_of_another_length_than_those_that_are_kept_ask_for_a_version(step, tmp_path, monkeypatch):
    step.fit(TEXTS[:2])
    monkeypatch.setattr(encoders, "lengths", lambda texts, asked: np.full((len(texts), 5), len(asked)))

    with pytest.raises(ValueError, match=r"has given vectors of 5 numbers, and others of 3; .* another version"):
        step.transform(TEXTS)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"function": "json.dumps"}, "function is 'json.dumps', but must be `module:function`"),
        ({"function": encoders.words}, "function is .*, but must be `module:function`"),
        ({"function": "no_such_module:f"}, "no_such_module:f cannot be imported: .*; put its module on the path"),
        ({"function": "json:no_such"}, "json:no_such cannot be imported"),
        ({"version": 2}, "version is 2, but must be a text"),
        ({"batch_size": 0}, "batch_size is 0, but must be a whole number from 1 on"),
        ({"params": {"a": [1]}}, r"params\['a'\] is \[1\], but must be a text, a number or a boolean"),
    ],
)
def test_a_parameter_without_a_meaning_is_said(step, params, says):
    with pytest.raises(ValueError, match=f"^Cached: {says}"):
        step.set_params(**params).fit(TEXTS)


def test_a_missing_text_and_a_column_without_one_are_said(step):
    with pytest.raises(ValueError, match=r"^Cached: text 1 is missing"):
        step.fit(["a", None])
    with pytest.raises(ValueError, match=r"^Cached: no texts to fit on"):
        step.fit([])
    assert step.fit(TEXTS).transform([]).shape == (0, 3)


def test_it_asks_to_be_fitted_first(step):
    with pytest.raises(NotFittedError, match="Cached"):
        step.transform(TEXTS)


def test_it_is_stored_as_texts_and_numbers(step, tmp_path):
    table = pd.DataFrame({"text": ["좋은 영화", "나쁨"] * 4})
    model = make_pipeline(ColumnTransformer([("text", step, "text")]), LogisticRegression()).fit(table, [0, 1] * 4)
    skops.io.dump(model, tmp_path / "model.skops")

    # Not among those that are known: what it names is called.
    assert skops.io.get_untrusted_types(file=tmp_path / "model.skops") == ["retrain_features.cached.Cached"]
    stored = skops.io.load(tmp_path / "model.skops", trusted=["retrain_features.cached.Cached"])
    for other in (stored, pickle.loads(pickle.dumps(model))):  # noqa: S301
        assert other.predict(table).tolist() == [0, 1] * 4


def test_kept_files_hold_no_code(step, tmp_path):
    step.fit(TEXTS)

    for file in files(tmp_path):
        assert set(np.load(Path(file), allow_pickle=False).dtype.names) == {"key", "vector"}
