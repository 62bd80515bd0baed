"""A model with a step of Retrain's brings that step's code: plain MLflow loads it where Retrain is not installed."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

import retrain_features
from retrain.models import files as model_files
from retrain.tracker import model_writer
from retrain.tracker.client import ExperimentTracker
from retrain_features.cached import Cached
from retrain_features.characters import CharacterTfidf
from stack.local import Running
from tests.core import toys
from tests.elsewhere import python_with

TEXTS = pd.DataFrame({"text": ["감동적인 영화", "감동적이었다", "지루한 영화", "지루했다"] * 10})
LABELS = pd.Series(["good", "good", "bad", "bad"] * 10)

ELSEWHERE = """
import importlib.util, json, sys
uri, tracking, *path = sys.argv[1:]
sys.path += path
for name in ("retrain", "retrain_features", "retrain_airflow", "estimators"):
    assert importlib.util.find_spec(name) is None, name
import mlflow, pandas as pd
if tracking:
    mlflow.set_tracking_uri(tracking)
rows = pd.DataFrame({"text": ["감동적이겠지", "지루하겠지", ""]})
found = [[*map(str, load(uri).predict(rows))] for load in (mlflow.pyfunc.load_model, mlflow.sklearn.load_model)]
import retrain_features.characters
assert "/code/" in retrain_features.characters.__file__
assert "retrain" not in sys.modules
print(json.dumps(found))
"""
"""Loads a model as anybody would, in a process where nothing of Retrain's can be imported, and asks it."""


def model() -> Pipeline:
    return make_pipeline(ColumnTransformer([("text", CharacterTfidf(), "text")]), LogisticRegression(C=10))


def saved(fitted: object, folder: Path, trust: tuple[str, ...] = ()) -> Path:
    model_writer.save("it", fitted, folder, TEXTS.head(), trust=trust)
    return folder


def asked(program: list[str], *arguments: str) -> list[list[str]]:
    """What `ELSEWHERE` prints. program: an interpreter that finds its own packages alone, and no file of ours."""
    done = subprocess.run([*program, "-I", "-c", ELSEWHERE, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def asked_here(uri: str, tracking: str = "") -> list[list[str]]:
    """In this interpreter: -S leaves out the files that put Retrain on the path."""
    return asked([sys.executable, "-S"], uri, tracking, sysconfig.get_path("purelib"))


def expected(fitted: Pipeline) -> list[str]:
    return list(fitted.predict(pd.DataFrame({"text": ["감동적이겠지", "지루하겠지", ""]})))


def test_production_is_loaded_by_plain_mlflow_without_retrain(
    tracker: ExperimentTracker, mlflow_server: Running
) -> None:
    key, fitted = uuid4().hex, model().fit(TEXTS, LABELS)
    name = f"travelling-{key}"
    run = tracker.start_run(tracker.create_experiment(name), "test", key=key)
    logged = tracker.log_model(run, "toy", fitted, TEXTS, key=key)
    tracker.set_production(name, tracker.register_model(run, name, logged.uri, key=key))

    found = asked_here(f"models:/{name}@production", mlflow_server.mlflow_url)

    assert found == [expected(fitted)] * 2
    assert expected(fitted)[:2] == ["good", "bad"]
    assert (tracker.load_model(logged.uri, logged.digest).predict(TEXTS) == LABELS).all()


def test_what_plain_mlflow_compiles_in_the_folder_leaves_its_digest(tmp_path: Path) -> None:
    fitted = model().fit(TEXTS, LABELS)
    folder = saved(fitted, tmp_path / "model")
    digest = model_files.digest(folder)

    assert asked_here(str(folder)) == [expected(fitted)] * 2

    assert list(folder.rglob("*.pyc"))
    assert model_files.digest(folder) == digest
    (folder / "code" / "retrain_features" / "grams.py").write_text("")
    assert model_files.digest(folder) != digest


def test_retrain_itself_never_imports_the_code_of_a_model(tmp_path: Path) -> None:
    folder = saved(model().fit(TEXTS, LABELS), tmp_path / "model")
    for file in (folder / "code").rglob("*.py"):
        file.write_text("raise AssertionError('imported')")
    before = list(sys.path)

    loaded = model_files.load("it", folder, model_files.digest(folder), ())

    assert (loaded.predict(TEXTS) == LABELS).all()
    assert sys.path == before


def test_the_code_that_travels_is_all_of_the_package(tmp_path: Path) -> None:
    folder = saved(model().fit(TEXTS, LABELS), tmp_path / "model") / "code" / "retrain_features"

    here = Path(retrain_features.__path__[0])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in here.iterdir() if path.is_file()
    }


def test_a_step_is_found_however_deep_it_stands(tmp_path: Path) -> None:
    search = GridSearchCV(model(), {"logisticregression__C": [1.0]}, cv=2).fit(TEXTS, LABELS)

    assert (saved(search, tmp_path / "model") / "code" / "retrain_features").is_dir()


def test_a_step_that_keeps_vectors_travels_and_needs_no_folder_there(tmp_path: Path) -> None:
    step = Cached(f"{__name__}:lengths")
    fitted = make_pipeline(ColumnTransformer([("text", step, "text")]), LogisticRegression()).fit(TEXTS, LABELS)

    folder = saved(fitted, tmp_path / "model", trust=("retrain_features.cached.Cached",))

    assert (folder / "code" / "retrain_features").is_dir()


def lengths(texts: list[str]) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
    return np.array([[len(text)] for text in texts])


def test_a_model_without_such_a_step_brings_no_code(tmp_path: Path) -> None:
    rows = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0]})
    fitted = toys.logistic(["a"]).fit(rows, ["no", "no", "yes", "yes"])
    model_writer.save("it", fitted, tmp_path / "model", rows, trust=())

    assert not (tmp_path / "model" / "code").exists()


@pytest.mark.nightly
def test_an_environment_of_the_logged_requirements_is_enough(tmp_path: Path) -> None:
    fitted = model().fit(TEXTS, LABELS)
    folder = saved(fitted, tmp_path / "model")
    python = python_with((folder / "requirements.txt").read_text(encoding="utf-8"), tmp_path / "environment")

    assert asked([python], str(folder), "") == [expected(fitted)] * 2
