"""Training functions of a user's own."""

import os
from typing import Any

import numpy as np
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier

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


def nothing(snapshot: Given, params: dict[str, Any], context: Context) -> None:
    """Return no model."""


def failing(snapshot: Given, params: dict[str, Any], context: Context) -> None:
    raise ValueError("no device is free")


def without_context(snapshot: Given, params: dict[str, Any]) -> None:
    """Take too few arguments."""


def of_the_file(snapshot: Given, params: dict[str, Any], context: Context) -> SGDClassifier:
    """Read the rows by itself."""
    import pandas as pd

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
