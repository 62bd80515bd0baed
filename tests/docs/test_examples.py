"""The examples of docs/training.md are fitted on rows with NULLs, and loaded by plain MLflow without Retrain."""

import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from retrain.models import files as model_files
from retrain.models import training
from retrain.models.learning import Options, Watch
from retrain.models.sandbox import Sandbox
from retrain.spec.candidates import CandidateSpec
from retrain.spec.task import Task
from retrain.tracker import model_writer
from tests.docs.blocks import blocks_of

PAGE = "docs/training.md"
DICE = np.random.default_rng(0)
REGIONS = DICE.choice(["seoul", "busan", "jeju"], 900)
ROWS = pd.DataFrame(
    {
        "age": np.where(DICE.random(900) < 0.1, np.nan, DICE.integers(18, 80, 900)),
        "region": pd.Series(REGIONS, dtype=object).where(DICE.random(900) > 0.1, None),
        "visits": DICE.integers(0, 50, 900).astype(float),
    }
)
LATER = pd.DataFrame(
    {
        "age": [40.0, None, 70.0, None],
        "region": ["busan", None, "a new one", "seoul"],
        "visits": [3.0, 44.0, None, 9.0],
    }
)
"""What clients send: NULLs, and a level that no row had."""
CHURNED = pd.Series((REGIONS == "busan") ^ (ROWS["visits"] > 25))
KINDS = {
    "boolean": CHURNED,
    "text": CHURNED.map({False: "stays", True: "goes"}),
    "three texts": CHURNED.map({False: "stays", True: "goes"}).where(ROWS["visits"] > 10, "unsure"),
}
SPENT = pd.Series(np.expm1(ROWS["visits"] / 10 + (REGIONS == "busan")))
CLASSIFIERS = {
    **dict.fromkeys(("light", "extreme", "cat"), KINDS),
    "histogram": ["text"],
    "calibrated": ["boolean"],
    "stacked": ["three texts"],
}
NAMES = [f"{name}, {kind}" for name, kinds in CLASSIFIERS.items() for kind in kinds] + ["logarithmic, numbers"]

ELSEWHERE = """
import importlib.util, json, sys
home, *path = sys.argv[1:]
sys.path += path
for name in ("retrain", "retrain_features", "retrain_airflow", "customer_estimators"):
    assert importlib.util.find_spec(name) is None, name
import mlflow, pandas as pd
records, folders = json.load(sys.stdin)
found = {}
for folder in folders:
    model = mlflow.pyfunc.load_model(f"{home}/{folder}")
    # All at once, and in requests for one row, whose columns may hold nothing but a NULL.
    together = [*model.predict(pd.DataFrame(records)).ravel()]
    alone = [one for each in records for one in model.predict(pd.DataFrame([each])).ravel()]
    itself = [*mlflow.sklearn.load_model(f"{home}/{folder}").predict(pd.DataFrame(records)).ravel()]
    found[folder] = [[*map(str, each)] for each in (together, alone, itself)]
import retrain_features.categories
assert "/code/" in retrain_features.categories.__file__
assert "retrain" not in sys.modules
print(json.dumps(found))
"""
"""Loads models as anybody would, in a process where nothing of Retrain's can be imported, and asks them."""


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ModuleType]]:
    """Import a module of the page."""
    folder = tmp_path_factory.mktemp("examples")
    for block in blocks_of(PAGE):
        if block.begins.endswith("_estimators.py"):
            (folder / block.begins.removeprefix("# ")).write_text(block.text, encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield import_module
    sys.path.remove(str(folder))


def fitted(name: str, labels: pd.Series, task: Task) -> Any:
    """As a cycle fits it, with metrics by step where it has any."""
    estimator = training.build(CandidateSpec(name="it", estimator=f"customer_estimators:{name}", params={"trees": 40}))
    watch = Watch(lambda *_: None, ROWS[:100], labels[:100])
    return training.fit(estimator, ROWS, training.targets(task, labels), Options(), watch)


@pytest.fixture(scope="module")
def models(examples: Callable[[str], ModuleType]) -> dict[str, Any]:
    """Each example, the boosters on each kind of labels."""
    with threadpool_limits(1):  # on so few rows, threads wait for each other
        found = {
            f"{name}, {kind}": fitted(name, KINDS[kind], Task.CLASSIFICATION)
            for name, kinds in CLASSIFIERS.items()
            for kind in kinds
        }
        return found | {"logarithmic, numbers": fitted("logarithmic", SPENT, Task.REGRESSION)}


@pytest.fixture(scope="module")
def home(models: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder for each model, written without a word of trust."""
    home = tmp_path_factory.mktemp("models")
    for name, model in models.items():
        model_writer.save(name, model, home / name, ROWS.head(), trust=())
    return home


def asked_elsewhere(home: Path, names: list[str], *path: str) -> dict[str, list[list[str]]]:
    """What plain MLflow says of models, in one process: it takes seconds to import. path: more folders of modules."""
    records = LATER.astype(object).where(LATER.notna(), None).to_dict("records")
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", ELSEWHERE, str(home), sysconfig.get_path("purelib"), *path],
        input=json.dumps([records, names]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[list[str]]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def asked(home: Path, models: dict[str, Any]) -> dict[str, list[list[str]]]:
    return asked_elsewhere(home, [*models])


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("name", NAMES)
def test_an_example_of_the_page_is_fitted_stored_loaded_and_asked(
    name: str, models: dict[str, Any], home: Path, asked: dict[str, list[list[str]]], sandbox: Sandbox
) -> None:
    model, kind = models[name], name.partition(", ")[2]
    assert model.score(ROWS, KINDS.get(kind, SPENT)) > 0.9
    task = Task.CLASSIFICATION if kind in KINDS else Task.REGRESSION

    expected = training.predict(model, LATER, task)
    reply = sandbox.ask(name, home / name, model_files.digest(home / name), LATER, task=task).predictions
    assert np.array_equal(reply.labels, expected.labels)
    assert (reply.probabilities is None) == (task is Task.REGRESSION)
    if expected.probabilities is not None:
        assert np.array_equal(reply.probabilities, expected.probabilities)

    assert asked[name] == [[*map(str, model.predict(LATER))]] * 3


def test_each_function_of_the_page_is_tried(examples: Callable[[str], ModuleType]) -> None:
    module = examples("customer_estimators")
    made = {name for name, each in vars(module).items() if getattr(each, "__module__", "") == module.__name__}
    assert made == {*CLASSIFIERS, "logarithmic"}


def test_the_network_of_the_page_is_fitted_stored_loaded_and_asked(
    examples: Callable[[str], ModuleType], sandbox: Sandbox, tmp_path: Path
) -> None:
    torch, _ = (
        pytest.importorskip(package, reason=f"{package} is not in this project's environment")
        for package in ("torch", "skorch")
    )
    module, labels = examples("network_estimators"), KINDS["text"]
    model = module.network(["age", "visits"], ["region"])
    training.fit(model, ROWS, training.targets(Task.CLASSIFICATION, labels))
    assert model.score(ROWS, labels) > 0.7

    folder = tmp_path / "models" / "network"
    model_writer.save("network", model, folder, ROWS.head(), trust=("pickle",))
    reply = sandbox.ask("network", folder, model_files.digest(folder), LATER, ("pickle",)).predictions
    assert np.array_equal(reply.labels, training.predict(model, LATER, Task.CLASSIFICATION).labels)

    path = (tmp_path / "path", Path(torch.__file__).parents[1])  # its own module must be there
    path[0].mkdir()
    shutil.copy(str(module.__file__), path[0])
    found = asked_elsewhere(folder.parent, ["network"], *map(str, path))
    assert found["network"] == [[*map(str, model.predict(LATER))]] * 3
