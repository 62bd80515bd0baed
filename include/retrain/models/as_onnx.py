"""A fitted estimator in ONNX, which other languages read and which holds no code; it must predict as the estimator."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.svm import LinearSVC

from retrain import extras
from retrain.errors import EstimatorError
from retrain.gate.labels import classes_in, encode
from retrain.gate.predictions import RawPredictions
from retrain.models import training
from retrain.models.function import described_error
from retrain.models.saved_model import SavedModel
from retrain.spec.task import Task
from retrain.text import shorten

EXTRA = "onnx"
_MOST_ROWS = 5_000
"""Rows that both are asked for."""
_APART = 1e-4
"""How far two probabilities may lie apart; of numbers, as a share of the greatest one."""
_REMEDY = "take onnx out of its format"
_LONGEST = 400
"""Characters of what the converter says: it may name each node of a tree."""


def as_onnx(name: str, model: Any, rows: pd.DataFrame, task: Task) -> bytes:
    """Return a fitted estimator in ONNX.

    name: what errors call it. rows: features, on at most 5,000 of which both are compared. It has an input of shape
    (rows, 1) for each column, by its name: of numbers, in double precision where the runtime has all it takes in that,
    or of texts, of which `nan` stands for a missing one (`None` under pandas 2).

    Raises MissingExtraError where what converts is not installed, and EstimatorError where the estimator cannot be
    converted, or predicts otherwise in ONNX: another label (but one that is as probable), or a probability that is more
    than 0.0001 apart.
    """
    extras.require(EXTRA)
    if isinstance(model, SavedModel):
        raise EstimatorError(
            f"{name}: a folder of MLflow's is stored as it is, so nothing is added in ONNX; {_REMEDY}, or return the "
            "estimator in place of the folder"
        )
    some = rows.iloc[:: max(1, -(-len(rows) // _MOST_ROWS))]
    here = training.predict(model, some, task)
    try:
        return _same(name, model, some, here, np.dtype(np.float64))
    except EstimatorError:
        return _same(name, model, some, here, np.dtype(np.float32))


def _same(name: str, model: Any, rows: pd.DataFrame, here: RawPredictions, kind: "np.dtype[Any]") -> bytes:
    """Return it with numbers of this kind. Raises EstimatorError."""
    try:
        data = _converted(model, rows, kind)
        there = _answers(data, rows, kind)
    except Exception as error:  # of the converter, or of the runtime that is to load what it has made
        why = shorten(described_error(error), _LONGEST, keep_end=True)
        raise EstimatorError(f"{name}: cannot be written in ONNX: {why}; {_REMEDY}") from error
    wrong = _differs(here, there)
    if wrong.any():
        raise EstimatorError(
            f"{name}: in ONNX it predicts otherwise for {int(wrong.sum()):,} of {len(rows):,} rows: another label, or "
            f"a probability or number that is more than {_APART:g} apart; {_REMEDY}"
        )
    return data


def _converted(model: Any, rows: pd.DataFrame, kind: "np.dtype[Any]") -> bytes:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    number = DoubleTensorType if kind == np.float64 else FloatTensorType
    inputs = [(str(name), (number if _is_number(rows[name]) else StringTensorType)([None, 1])) for name in rows]
    if not _takes_by_name(model):
        # What it gets by name is one table for it.
        columns = ColumnTransformer([("all", "passthrough", list(rows))]).fit(rows)
        model = Pipeline([("columns", columns), ("model", model)])
    # The locale that is the default is none that small images have.
    locale = {"locale": "C.UTF-8"}
    # Without a word on `LinearSVC`, the converter gives it an option that it then refuses.
    options: dict[Any, Any] = {CountVectorizer: locale, TfidfVectorizer: locale, LinearSVC: {}}
    try:
        made = convert_sklearn(model, initial_types=inputs, options={**options, id(model): {"zipmap": False}})
    except NameError:  # of what is no classifier with probabilities: its last output is an array anyway
        made = convert_sklearn(model, initial_types=inputs, options=options)
    return bytes(made.SerializeToString())


def _takes_by_name(model: Any) -> bool:
    """Return whether its first step says which columns go where."""
    while isinstance(model, Pipeline) or hasattr(model, "best_estimator_"):
        model = model.steps[0][1] if isinstance(model, Pipeline) else model.best_estimator_
    return isinstance(model, ColumnTransformer | FeatureUnion)


def _answers(data: bytes, rows: pd.DataFrame, kind: "np.dtype[Any]") -> list[NDArray[Any]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return [np.asarray(each) for each in session.run(None, {str(name): _fed(rows[name], kind) for name in rows})]


def _fed(column: "pd.Series[Any]", kind: "np.dtype[Any]") -> NDArray[Any]:
    if _is_number(column):
        return column.to_numpy(kind).reshape(-1, 1)
    # ONNX has no missing text. The converter calls a category so: `nan`, or `None` under pandas 2.
    return column.astype(object).map(str).to_numpy(object).reshape(-1, 1)


def _is_number(column: "pd.Series[Any]") -> bool:
    return column.dtype.kind in "biuf"


def _differs(here: RawPredictions, there: list[NDArray[Any]]) -> NDArray[np.bool_]:
    """Return which rows have another answer there. Shape (rows,)."""
    labels = there[0].reshape(len(here.labels))
    if here.labels.dtype.kind == "f":  # a regression
        furthest = _APART * float(np.abs(here.labels).max(initial=0.0))
        return np.asarray(_are_apart(here.labels, labels, furthest))
    classes = here.classes or classes_in(here.labels)
    codes = encode(labels, classes)
    wrong: NDArray[np.bool_] = encode(here.labels, classes) != codes
    if here.probabilities is None:
        return wrong
    # Of two classes that are as probable, as where half the trees say so, the last digit decides.
    of_its_label = here.probabilities[np.arange(len(codes)), codes]
    wrong &= (codes < 0) | (of_its_label < here.probabilities.max(axis=1) - _APART)
    wrong |= _are_apart(here.probabilities, there[1], _APART).any(axis=1)
    return wrong


def _are_apart(one: NDArray[Any], other: NDArray[Any], most: float) -> Any:
    """Return where two numbers are more than this apart. Shapes: all the same."""
    return np.logical_not(np.abs(one - other) <= most)  # so that NaN is apart
