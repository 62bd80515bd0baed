"""The packages that a model says it needs: those of its parts, and no others."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from retrain.models.files import differences, without_label
from retrain.tracker import model_writer
from retrain_features.categories import Categories

ROWS = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0] * 10})
LABELS = ["no", "no", "yes", "yes"] * 10


class Tuned(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Of the user's own, with a class of another package as its parameter, as skorch has them."""

    def __init__(self, kind: Any = psutil.Process) -> None:
        self.kind = kind

    def fit(self, rows: Any, labels: Any) -> "Tuned":
        self.classes_ = sorted({*labels})
        return self

    def predict(self, rows: Any) -> Any:
        return pd.Series(["no"] * len(rows)).to_numpy()


def required(model: Any, folder: Path, trust: tuple[str, ...] = ()) -> set[str]:
    model_writer.save("it", model.fit(ROWS, LABELS), folder / "model", ROWS, trust=trust)
    lines = (folder / "model" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return {line.partition("==")[0] for line in lines} - {"mlflow"}


PLAIN = {"numpy", "pandas", "scikit-learn", "skops"}


@pytest.mark.parametrize(
    ("model", "more"),
    [
        (make_pipeline(StandardScaler(), LogisticRegression()), set()),
        (make_pipeline(Categories(), LGBMClassifier(n_estimators=2, verbose=-1)), {"lightgbm"}),
        (
            CalibratedClassifierCV(CatBoostClassifier(n_estimators=2, verbose=0, allow_writing_files=False)),
            {"catboost"},
        ),
    ],
)
def test_packages_of_others_are_named_however_deep_they_stand(model: Any, more: set[str], tmp_path: Path) -> None:
    assert required(model, tmp_path) == PLAIN | more


def test_the_package_of_a_class_that_is_a_parameter_is_named_and_the_users_module_is_not(tmp_path: Path) -> None:
    found = required(Tuned(), tmp_path, trust=("pickle",))
    assert found == PLAIN - {"skops"} | {"cloudpickle", "psutil"}


def test_a_local_label_of_a_version_is_left_out_on_both_sides() -> None:
    assert without_label("2.13.0+cpu") == "2.13.0"
    assert differences(f"numpy=={version('numpy')}\n") == []
