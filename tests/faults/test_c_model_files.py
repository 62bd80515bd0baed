"""Which models can be written and read back without a word in the spec, and what is said about the others."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, StackingClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF, Matern, WhiteKernel
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler
from sklearn.utils import all_estimators
from sklearn.utils._test_common.instance_generator import _construct_instances

from retrain.cycle.train import train
from retrain.errors import EstimatorError, RetrainError, UntrustedModelError
from retrain.models import files as model_files
from retrain.models.known_types import KNOWN
from retrain.spec.files import load_folder
from retrain.tracker import model_writer
from tests.core.conftest import Make
from tests.faults import estimators

RNG = np.random.default_rng(0)
ROWS = pd.DataFrame(RNG.normal(size=(120, 4)), columns=["a", "b", "c", "d"])
CODES = np.asarray(ROWS.a + ROWS.b > 0, int)
LABELS = np.where(CODES, "yes", "no").astype(object)

Save = Callable[..., Path]


def _boosted(package: str, name: str, **settings: Any) -> Any:
    """Return an estimator of an extra; the test is skipped where that is not installed, as in some corners."""
    return getattr(pytest.importorskip(package), name)(n_estimators=3, **settings)


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a fitted model as a cycle does, and return its folder."""

    def save(model: Any, trust: tuple[str, ...] = (), rows: pd.DataFrame = ROWS) -> Path:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        model_writer.save("it", model, folder, rows.head(), trust=trust)
        return folder

    return save


def _read_back(folder: Path, trust: tuple[str, ...] = ()) -> Any:
    return model_files.load("it", folder, model_files.digest(folder), trust)


# ── C2

FITTED: dict[str, Callable[[], Any]] = {
    "HistGradientBoosting": lambda: HistGradientBoostingClassifier(max_iter=3),
    "its categories": lambda: HistGradientBoostingClassifier(max_iter=3, categorical_features=["d"]),
    "LightGBM": lambda: _boosted("lightgbm", "LGBMClassifier", verbose=-1),
    "LightGBM in a pipeline": lambda: make_pipeline(
        StandardScaler(), _boosted("lightgbm", "LGBMRegressor", verbose=-1)
    ),
    "XGBoost": lambda: _boosted("xgboost", "XGBClassifier"),
    "XGBoost's forest": lambda: _boosted("xgboost", "XGBRFClassifier"),
    "XGBoost's numbers": lambda: _boosted("xgboost", "XGBRegressor"),
    "CatBoost": lambda: _boosted("catboost", "CatBoostClassifier", verbose=0, allow_writing_files=False),
    "CatBoost's numbers": lambda: _boosted("catboost", "CatBoostRegressor", verbose=0, allow_writing_files=False),
    "forest": lambda: RandomForestClassifier(3),
    "stack": lambda: StackingClassifier([("x", _boosted("xgboost", "XGBClassifier")), ("l", LogisticRegression())]),
    "calibrated": lambda: CalibratedClassifierCV(_boosted("lightgbm", "LGBMClassifier", verbose=-1), method="isotonic"),
    "search": lambda: GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=TimeSeriesSplit(2), scoring="f1_macro"),
    "neighbours": lambda: KNeighborsClassifier(algorithm="ball_tree", metric="manhattan"),
    "Gauss": lambda: GaussianProcessClassifier(RBF() * Matern() + WhiteKernel()),
    "network": lambda: MLPClassifier((3,), solver="sgd", max_iter=300, tol=1),
    "columns": lambda: make_pipeline(
        ColumnTransformer([("all", SplineTransformer(), make_column_selector(dtype_include=float))]),
        SelectKBest(k=2),
        LogisticRegression(),
    ),
}


@pytest.mark.parametrize("kind", FITTED)
@pytest.mark.filterwarnings("ignore")  # so few rows suit no estimator
def test_types_of_these_libraries_are_written_and_read_back_without_trust(save: Save, kind: str) -> None:
    """C2."""
    rows = ROWS.assign(d=(ROWS.d > 0).astype(float))
    model = FITTED[kind]().fit(rows, CODES)
    folder = save(model, rows=rows)
    assert np.array_equal(_read_back(folder).predict(rows), model.predict(rows))


def _estimators() -> list[tuple[str, type]]:
    return [pair for kind in ("classifier", "regressor") for pair in all_estimators(type_filter=kind)]


@pytest.mark.parametrize("cls", [cls for _, cls in _estimators()], ids=[name for name, _ in _estimators()])
@pytest.mark.filterwarnings("ignore")
def test_every_classifier_and_regressor_of_scikit_learn_is_known(cls: type) -> None:
    """C2."""
    for estimator in _construct_instances(cls):
        for rows, labels in ((ROWS, LABELS), (ROWS.abs(), CODES + 1.0)):
            try:
                fitted = clone(estimator).fit(rows, labels)
            except Exception:  # noqa: S112 - it takes other rows
                continue
            model_files.refuse_foreign_types("it", fitted, ())


def test_a_type_of_the_users_own_is_not_known(save: Save) -> None:
    """C2."""
    with pytest.raises(UntrustedModelError, match=r"holds tests\.faults\.estimators\.Scaled; add what you trust"):
        save(make_pipeline(estimators.Scaled(), LogisticRegression()).fit(ROWS, LABELS))


def test_no_prefix_is_trusted() -> None:
    """C2. A new name in a known package is not known before somebody has looked at it."""
    assert all(each.rpartition(".")[2].isidentifier() for each in KNOWN)
    assert len(set(KNOWN)) == len(KNOWN)


def test_the_samples_need_no_trust(tmp_path: Path) -> None:
    """C2."""
    folder = load_folder(Path("include/specs"))
    assert {file.spec.model: file.spec.trust for file in folder.files if file.spec.trust} == {}


@pytest.mark.parametrize(
    ("kind", "package"), [("LightGBM in a pipeline", "lightgbm"), ("XGBoost", "xgboost"), ("CatBoost", "catboost")]
)
def test_who_loads_a_booster_is_told_that_its_package_is_needed(save: Save, kind: str, package: str) -> None:
    """C2."""
    folder = save(FITTED[kind]().fit(ROWS, CODES))
    required = (folder / "requirements.txt").read_text("utf-8").splitlines()
    assert [each for each in required if re.match(rf"{package}(-cpu)?==\d", each)]


# ── C6


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (estimators.with_lambda, "FunctionTransformer.func (a lambda)"),
        (
            estimators.with_inner_function,
            "FunctionTransformer.func (with_inner_function.<locals>.twice, made inside a function)",
        ),
        (estimators.with_series, "Scaled.means_ (of type Series)"),
        (estimators.with_inner_class, "Pipeline.steps (of type Inner)"),
    ],
)
def test_what_cannot_be_written_is_named_with_both_remedies(save: Save, made: Callable[[], Any], found: str) -> None:
    """C6."""
    model = made().fit(ROWS, LABELS)
    trust = ("tests.faults.estimators.Scaled",)
    with pytest.raises(EstimatorError) as refused:
        save(model, trust)
    assert str(refused.value) == (
        f"it: the model cannot be written, because of {found}; use a function or a class that a module defines by "
        "name, and arrays of numpy, or write `trust: pickle` in the spec"
    )
    folder = save(model, ("pickle",))
    assert list(_read_back(folder, ("pickle",)).predict(ROWS)) == list(model.predict(ROWS))


@pytest.mark.parametrize("trust", [(), ("pickle",)], ids=["skops", "pickle"])
def test_what_nothing_can_write_is_an_error_of_the_candidate(save: Save, trust: tuple[str, ...]) -> None:
    """C6."""
    with pytest.raises(EstimatorError, match=r"it: the model cannot be written"):
        save(estimators.with_lock().fit(ROWS, LABELS), trust)


def test_a_cycle_fails_with_that_error_which_is_not_retried(world: Make) -> None:
    """C6."""
    model = world(candidates=[{"name": "odd", "estimator": "tests.faults.estimators:with_lambda"}])
    model.feed(600)
    with pytest.raises(RetrainError) as failed:
        train(model.cycle(), model.take(), "odd")
    assert type(failed.value) is EstimatorError
    assert "odd: the model cannot be written, because of FunctionTransformer.func (a lambda)" in str(failed.value)
