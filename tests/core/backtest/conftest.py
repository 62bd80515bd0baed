"""A small table of numbers whose classes drift, as a file and as a spec: a backtest of seconds."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from retrain.backtest import row_files
from retrain.backtest.history import History
from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile

START = pd.Timestamp("2024-01-01", tz="UTC")
ROWS, A_DAY = 4_000, 10


@pytest.fixture(scope="session")
def rows_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4,000 rows, ten a day; the boundary between the classes turns."""
    dice = np.random.default_rng(1)
    a, b = dice.normal(size=(2, ROWS))
    turn = np.linspace(0, 1.2, ROWS)
    yes = (np.cos(turn) * (a + b) + np.sin(turn) * (a - b) > 0) ^ (dice.random(ROWS) < 0.1)
    times = START + pd.to_timedelta(np.arange(ROWS) * 24 / A_DAY, unit="h")
    table = pd.DataFrame({"id": np.arange(ROWS), "a": a, "b": b, "label": np.where(yes, "yes", "no"), "at": times})
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    table.to_parquet(path, index=False)
    return path


@pytest.fixture
def spec_file(tmp_path: Path) -> SpecFile:
    return spec_in(tmp_path)


def spec_in(folder: Path, **fields: Any) -> SpecFile:
    data = {
        "model": "turning",
        "source": {"table": "rows", "key": "id", "label": "label", "label_time": "at", "features": ["a", "b"]},
        "threshold": {"rows": 400},
        "candidates": [{"name": "whole", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}}],
        "gate": {"metric": "accuracy", "floor": 0.6, "round_rows": 200},
        "schedule": "@daily",
        **fields,
    }
    path = folder / "turning.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return spec_files.load(path)


@pytest.fixture
def history(spec_file: SpecFile, rows_file: Path) -> History:
    return History.of(spec_file.spec, row_files.read(rows_file, spec_file.spec), b"test")
