"""Each example of docs/training.md as a spec: trained, judged, promoted twice, rolled back, loaded by plain MLflow.

All of them go through the real scheduler side by side, because each by itself would take two minutes.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pytest
import yaml
from psycopg2.extras import execute_values

from retrain.ledger.ledger import Ledger
from retrain.spec import files as spec_files
from retrain.tracker.client import ExperimentTracker
from stack.airflow_api import AirflowApi
from stack.local import Running
from tests.docs.blocks import blocks_of
from tests.e2e.conftest import look_now
from tests.elsewhere import python_with

PAGE = "docs/training.md"
PATIENCE = 1_200
"""Seconds for a round of all of them on two cores."""
MODULES = ("customer_estimators.py", "clicks_estimators.py", "my_training.py")

CUSTOMERS = ["age", "region", "visits"]


@dataclass(frozen=True)
class Example:
    candidate: dict[str, Any]
    features: list[str]
    more: dict[str, Any]


def example(function: str, features: list[str], *, candidate: dict[str, Any] | None = None, **more: Any) -> Example:
    made = {"estimator": function} if candidate is None or "train" not in candidate else {}
    return Example({"name": "one", **made, **(candidate or {})}, features, more)


def of_customers(name: str, **candidate: Any) -> Example:
    return example(f"customer_estimators:{name}", CUSTOMERS, candidate={"params": {"trees": 40}, **candidate})


EXAMPLES = {
    "light": of_customers("light", early_stopping=0.1),
    "extreme": of_customers("extreme", sample_weight="balanced"),
    "cat": of_customers("cat"),
    "histogram": of_customers("histogram"),
    "calibrated": of_customers("calibrated"),
    "stacked": of_customers("stacked"),
    "logarithmic": Example(
        {"name": "one", "estimator": "customer_estimators:logarithmic", "params": {"trees": 40}},
        CUSTOMERS,
        {"task": "regression", "label": "spent", "gate": {"metric": "r2", "floor": 0.1}},
    ),
    "passes": example("clicks_estimators:linear", ["visits"], candidate={"passes": 5}),
    "stream": example(
        "clicks_estimators:hashed", ["search"], candidate={"params": {"column": "search"}, "stream": True}
    ),
    "own": example("", ["visits"], candidate={"train": "my_training:train", "params": {"passes": 5}}),
}


@pytest.fixture(scope="module")
def rows(stack: Running) -> Callable[[int], None]:
    """Adds so many rows to the table that all examples learn from."""
    added = 0

    def add(count: int) -> None:
        nonlocal added
        dice = np.random.default_rng(added)
        region = dice.choice(["seoul", "busan", "jeju"], count)
        visits = dice.uniform(0, 50, count).round(4)  # rows that are equal would be one for the split
        churned = (region == "busan") ^ (visits > 25) ^ (dice.random(count) < 0.05)
        values = [
            (
                added + place,
                None if dice.random() < 0.1 else int(dice.integers(18, 80)),
                None if dice.random() < 0.1 else str(region[place]),
                f"{region[place]} {'often' if visits[place] > 25 else 'seldom'} {added + place}",
                float(visits[place]),
                # What a model without interactions learns as well.
                bool(churned[place]) if place % 3 else bool(visits[place] > 25 and region[place] != "jeju"),
                float(np.expm1(visits[place] / 10 + (region[place] == "busan"))),
            )
            for place in range(count)
        ]
        with closing(psycopg2.connect(stack.dsn("source"))) as database, database, database.cursor() as cursor:
            cursor.execute(
                "CREATE TABLE IF NOT EXISTS customers_of_examples (id int PRIMARY KEY, age int, region text, "
                "search text, visits float8, churned bool, spent float8)"
            )
            execute_values(cursor, "INSERT INTO customers_of_examples VALUES %s", values)
        added += count

    return add


@pytest.fixture(scope="module")
def lived(stack: Running, users: Path, api: AirflowApi, rows: Callable[[int], None]) -> Iterator[dict[str, list[str]]]:
    """The states of two cycles and a rollback of each example."""
    blocks = {block.begins.removeprefix("# "): block.text for block in blocks_of(PAGE)}
    for module in MODULES:
        (users / module).write_text(blocks[module], encoding="utf-8")
    specs = {name: users / "specs" / f"example_{name}.yaml" for name in EXAMPLES}
    for name, each in EXAMPLES.items():
        label = each.more.get("label", "churned")
        source = {"table": "customers_of_examples", "key": "id", "label": label, "features": each.features}
        fields = {key: value for key, value in each.more.items() if key != "label"}
        gate = {"metric": "accuracy", "floor": 0.3, "round_rows": 100} | fields.pop("gate", {}) | {"round_rows": 100}
        spec = {"model": f"Example-{name}", "source": source, "candidates": [each.candidate], "gate": gate, **fields}
        specs[name].write_text(yaml.safe_dump(spec), encoding="utf-8")
    dags = {name: spec_files.load(path).dag_id for name, path in specs.items()}
    rows(1_500)
    look_now(api)
    for dag_id in dags.values():
        api.wait_for_dag(dag_id, 120)

    def ended(runs: dict[str, tuple[str, str]]) -> dict[str, str]:
        for dag_id, run in runs.values():
            for _ in api.follow(dag_id, run, PATIENCE, every=3):
                pass
        return {name: api.state(*run) for name, run in runs.items()}

    states = [ended({name: (dag_id, api.trigger(dag_id)) for name, dag_id in dags.items()})]
    rows(1_500)
    again = {"ignore_threshold": True, "force": "a test"}
    states.append(ended({name: (dag_id, api.trigger(dag_id, **again)) for name, dag_id in dags.items()}))
    back = "retrain-rollback"
    asked = {name: api.trigger(back, model=f"Example-{name}", why="a test", version=None) for name in dags}
    states.append(ended({name: (back, run) for name, run in asked.items()}))
    yield {name: [each[name] for each in states] for name in dags}
    for path in [*specs.values(), *(users / module for module in MODULES)]:
        path.unlink()


ELSEWHERE = """
import importlib.util, json, sys
for name in ("retrain", "retrain_features", "retrain_airflow", "customer_estimators"):
    assert importlib.util.find_spec(name) is None, name
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
asked = json.load(sys.stdin)
rows = pd.DataFrame({"age": [40.0, None, 30.0], "region": ["busan", None, "a new one"], "visits": [40.0, 3.0, 44.0]})
rows["search"] = ["busan often", "", "a new one"]
found = {}
for name, features in asked.items():
    try:
        model = mlflow.pyfunc.load_model(f"models:/Example-{name}@production")
        found[name] = [str(each) for each in model.predict(rows[features])]
    except Exception as error:
        found[name] = [repr(error)]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def elsewhere(
    lived: dict[str, list[str]], stack: Running, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str]]:
    """What Production of each predicts in an environment of nothing but what the models say that they need."""
    tracker, place = ExperimentTracker(stack.mlflow_url), tmp_path_factory.mktemp("elsewhere")
    wanted = set[str]()
    there = [name for name, states in lived.items() if states[0] == "success"]
    for name in there:
        folder = tracker.download_model(f"models:/Example-{name}/1", place / name)
        wanted |= {*(folder / "requirements.txt").read_text(encoding="utf-8").splitlines()}
    python = python_with("\n".join(sorted(wanted)), place / "environment")
    asked = json.dumps({name: EXAMPLES[name].features for name in there})
    words = [python, "-I", "-c", ELSEWHERE, stack.mlflow_url]
    done = subprocess.run(words, input=asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.nightly  # its parts: docs/test_examples.py, core/cycle/test_fit_process.py
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_trained_judged_promoted_rolled_back_and_loaded_by_plain_mlflow(
    name: str, lived: dict[str, list[str]], elsewhere: dict[str, list[str]], stack: Running
) -> None:
    assert lived[name] == ["success"] * 3
    ledger, model = Ledger(lambda: psycopg2.connect(stack.dsn("retrain"))), f"Example-{name}"
    assert [each.to_version for each in ledger.history(model)] == ["1", "2", "1"]
    assert ExperimentTracker(stack.mlflow_url).production(model) == "1"
    assert len(elsewhere[name]) == 3
    if EXAMPLES[name].more.get("task") == "regression":
        assert all(float(each) >= 0 for each in elsewhere[name])
    else:
        assert {*elsewhere[name]} <= {"True", "False", "1", "0"}  # XGBoost's way of predicting a boolean
