"""Training functions of a user's own."""

import os
import time
import warnings
from pathlib import Path
from typing import Any

import mlflow.lightgbm
import mlflow.onnx
import mlflow.pyfunc
import mlflow.sklearn
import mlflow.xgboost
import numpy as np
import pandas as pd
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier
from xgboost import XGBClassifier

from retrain.models.own_train import Context, Given


def by_batches(snapshot: Given, params: dict[str, Any], context: Context) -> SGDClassifier:
    """Learn batch by batch, and tell of each pass."""
    model = SGDClassifier(random_state=params["seed"])
    classes = np.unique(snapshot.labels)
    for step in range(params["passes"]):
        if context.stop:
            break
        for batch in snapshot.batches(500):
            rows = batch.to_pandas()
            model.partial_fit(rows[list(snapshot.features)], rows["label"], classes=classes)
        context.log(step, seen_accuracy=model.score(snapshot.features, snapshot.labels))
    (context.folder / "scratch.txt").write_text("of no use afterwards", encoding="utf-8")
    return model


def by_batches_alone(snapshot: Given, params: dict[str, Any], context: Context) -> SGDClassifier:
    """Learn batch by batch, without a table of all rows."""
    model = SGDClassifier(random_state=0, average=True)
    for batch in snapshot.batches(500):
        rows = batch.to_pandas()
        model.partial_fit(rows.drop(columns="label"), rows["label"], classes=np.unique(snapshot.labels))
    assert snapshot._features is None
    return model


def greedy(snapshot: Given, params: dict[str, Any], context: Context) -> None:
    """Tell of the first step, and then take all memory."""
    context.log(0, eaten=1.0)
    time.sleep(3)
    eaten = [np.ones(1 << 25) for _ in range(8)]  # 2 GB
    time.sleep(60)
    assert len(eaten) == 8


def nothing(snapshot: Given, params: dict[str, Any], context: Context) -> None:
    """Return no model."""


def failing(snapshot: Given, params: dict[str, Any], context: Context) -> None:
    raise ValueError("no device is free")


def without_context(snapshot: Given, params: dict[str, Any]) -> None:
    """Take too few arguments."""


def of_the_file(snapshot: Given, params: dict[str, Any], context: Context) -> SGDClassifier:
    """Read the rows by itself."""
    rows = pd.read_parquet(str(snapshot.uri).removeprefix("file://"), filters=[*snapshot.filters])
    assert len(rows) == len(snapshot)
    return SGDClassifier(random_state=0).fit(rows[list(snapshot.features)], rows["label"])


def boosted(trees: int) -> LGBMClassifier:
    return LGBMClassifier(n_estimators=trees, verbose=-1)


def cat(trees: int) -> CatBoostClassifier:
    return CatBoostClassifier(n_estimators=trees)


def drawing(columns: list[str]) -> RandomForestClassifier:
    """Draw other numbers in each fit."""
    return RandomForestClassifier(n_estimators=len(columns), random_state=int.from_bytes(os.urandom(4)))


def unseeded(columns: list[str]) -> RandomForestClassifier:
    """Leave it to scikit-learn where its numbers come from."""
    return RandomForestClassifier(n_estimators=len(columns))


with warnings.catch_warnings():
    # MLflow warns that its `predict` has no hints: of those it would make a signature.
    warnings.simplefilter("ignore")

    class Signs(mlflow.pyfunc.PythonModel):
        """Says yes where a + b is above 0, in one of the ways that a `predict` of MLflow's may answer."""

        def __init__(self, way: str) -> None:
            self.way = way

        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def] # MLflow reads the hints
            labels = np.where(model_input["a"] + model_input["b"] > 0, "yes", "no").astype(object)
            ways = {
                "array": lambda: labels,
                "column": lambda: labels.reshape(-1, 1),
                "list": lambda: list(labels),
                "series": lambda: pd.Series(labels),
                "table": lambda: pd.DataFrame({"label": labels}),
                "wide": lambda: pd.DataFrame({"label": labels, "again": labels}),
                "half": lambda: labels[::2],
            }
            return ways[self.way]()


def folder(snapshot: Given, params: dict[str, Any], context: Context) -> Path:
    """Save a model of MLflow's general kind."""
    made = context.folder / "model"
    mlflow.pyfunc.save_model(made, python_model=Signs(params.get("way", "array")), pip_requirements=["pandas"])
    return made


def booster_folder(snapshot: Given, params: dict[str, Any], context: Context) -> str:
    """Save XGBoost's own file."""
    made = context.folder / "model"
    model = XGBClassifier(n_estimators=5).fit(snapshot.features, snapshot.labels)
    mlflow.xgboost.save_model(model, made, model_format="json", pip_requirements=["xgboost"])
    return str(made)


def estimator_folder(snapshot: Given, params: dict[str, Any], context: Context) -> Path:
    """Save an estimator of scikit-learn's as MLflow does."""
    made = context.folder / "model"
    model = SGDClassifier(random_state=0, loss="log_loss").fit(snapshot.features, snapshot.labels)
    mlflow.sklearn.save_model(model, made, serialization_format="skops", pip_requirements=["scikit-learn"])
    return made


def elsewhere(snapshot: Given, params: dict[str, Any], context: Context) -> str:
    """Name a folder that is not its own."""
    return params["path"]


def empty_folder(snapshot: Given, params: dict[str, Any], context: Context) -> Path:
    return context.folder


def without_predict(snapshot: Given, params: dict[str, Any], context: Context) -> Path:
    """Save a folder of MLflow's that nothing can be asked of."""
    made = folder(snapshot, params, context)
    about = mlflow.models.Model.load(str(made))
    about.flavors = {"spacy": {"data": "model.spacy"}}
    about.save(str(made / "MLmodel"))
    return made


def autologged(snapshot: Given, params: dict[str, Any], context: Context) -> SGDClassifier:
    """Have MLflow log by itself, and register what it logs."""
    mlflow.set_experiment("mine")
    mlflow.sklearn.autolog(registered_model_name=params["registers"], log_input_examples=False)
    with mlflow.start_run():
        for step in range(3):
            mlflow.log_metric("loss", 1.0 / (1 + step), step=step)
        model = SGDClassifier(random_state=0).fit(snapshot.features, snapshot.labels)
    mlflow.start_run()  # left open
    return model
