"""Plain MLflow loads the samples' models where nothing is installed but what was logged with them."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retrain.models import training
from retrain.spec.candidates import CandidateSpec
from retrain.spec.files import load
from retrain.spec.spec import Spec
from retrain.tracker import model_writer
from stack.home import PROJECT
from tests.elsewhere import python_with

DICE = np.random.default_rng(0)
LABELS = pd.Series(["good", "good", "bad", "bad"] * 10)
TEXTS = ["감동적인 영화", "감동적이었다", "지루한 영화", "지루했다"] * 10

ELSEWHERE = """
import importlib.util, json, sys
assert importlib.util.find_spec("retrain") is None and importlib.util.find_spec("estimators") is None
import mlflow.pyfunc, pandas as pd
folder, rows = sys.argv[1:]
rows = pd.read_csv(rows, float_precision="round_trip")
print(json.dumps([*map(str, mlflow.pyfunc.load_model(folder).predict(rows))]))
"""

SAMPLES = [
    pytest.param(spec, candidate, id=f"{spec.model}-{candidate.name}")
    for spec in (load(path).spec for path in sorted((PROJECT / "include" / "specs").glob("*.yaml")))
    for candidate in spec.candidates
]

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By requirements, the interpreter of an environment that has these alone: most samples have the same."""
    return {}


@pytest.mark.parametrize(("spec", "candidate"), SAMPLES)
def test_the_model_of_a_sample_needs_what_was_logged_and_no_more(
    spec: Spec, candidate: CandidateSpec, pythons: dict[str, str], tmp_path: Path
) -> None:
    features = spec.source.features
    is_text = len(features) == 1
    rows = pd.DataFrame({name: TEXTS if is_text else DICE.normal(size=len(LABELS)) for name in features})
    model = training.fit(training.build(candidate), rows, LABELS)
    model_writer.save("it", model, tmp_path / "model", rows.head(), trust=spec.trust)
    rows.to_csv(tmp_path / "rows.csv", index=False)

    requirements = (tmp_path / "model" / "requirements.txt").read_text(encoding="utf-8")
    if requirements not in pythons:
        pythons[requirements] = python_with(requirements, tmp_path / "environment")
    done = subprocess.run(
        [pythons[requirements], "-I", "-c", ELSEWHERE, str(tmp_path / "model"), str(tmp_path / "rows.csv")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == list(model.predict(rows))
