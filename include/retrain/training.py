"""Builds, fits and scores scikit-learn estimators."""

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline

from retrain import metrics
from retrain.errors import EstimatorError
from retrain.spec import CandidateSpec, Gate, Metric


def build(candidate: CandidateSpec) -> Any:
    """The candidate's unfitted estimator. Raises EstimatorError where its function cannot be imported or called."""
    function = _function(candidate)
    _refuse_unfit_params(candidate, function)
    try:
        estimator = function(**candidate.params)
    except (Exception, SystemExit) as error:
        raise EstimatorError(f"candidate {candidate.name!r}: {candidate.estimator} failed: {_said(error)}") from error
    _refuse_unfit(candidate, estimator)
    return estimator


def fit(estimator: Any, features: pd.DataFrame, labels: pd.Series) -> Any:
    """Fits in place. Raises EstimatorError with what scikit-learn said."""
    if labels.nunique() < 2:
        raise EstimatorError(f"{len(labels):,} training rows with {labels.nunique()} classes: nothing can be learnt")
    try:
        estimator.fit(features, labels)
    except Exception as error:
        raise EstimatorError(f"{_name(estimator)} cannot be fitted on {len(labels):,} rows: {_said(error)}") from error
    return estimator


def predict(model: Any, features: pd.DataFrame) -> NDArray[np.str_]:
    """One predicted label for each row, as text, shape (rows,). Raises EstimatorError where there are more or fewer."""
    try:
        predictions = np.asarray(model.predict(features))
    except Exception as error:
        raise EstimatorError(f"{_name(model)} cannot predict: {_said(error)}") from error
    if predictions.shape != (len(features),):
        raise EstimatorError(
            f"{_name(model)} gave predictions of shape {predictions.shape} for {len(features):,} rows; "
            "begin with a ColumnTransformer that names its column"
        )
    return predictions.astype(str)


def scores(gate: Gate, labels: pd.Series, predictions: NDArray[np.str_]) -> dict[str, float]:
    """Every metric that these labels define, the gate's among them.

    Raises EstimatorError where the gate's own metric is undefined.
    """
    classes = metrics.classes(labels)
    positive = metrics.code(gate.positive, classes)
    actual, predicted = metrics.encode(labels, classes), metrics.encode(predictions, classes)
    names: set[Metric] = {"accuracy", "balanced_accuracy", "f1_macro", gate.metric}
    found = {name: metrics.score(name, actual, predicted, len(classes), positive) for name in names}
    if not np.isfinite(found[gate.metric]):
        raise EstimatorError(
            f"{gate.metric} is undefined on {len(labels):,} rows of classes {', '.join(classes) or '-'}"
        )
    return {name: found[name] for name in sorted(found) if np.isfinite(found[name])}


def _function(candidate: CandidateSpec) -> Callable[..., Any]:
    module_name, function_name = candidate.estimator.split(":")
    where = f"candidate {candidate.name!r}: estimator = {candidate.estimator!r}"
    try:
        module = import_module(module_name)
    except (Exception, SystemExit) as error:
        raise EstimatorError(f"{where}: {module_name} cannot be imported: {_said(error)}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise EstimatorError(f"{where}: {module_name} has no function {function_name}")
    return cast(Callable[..., Any], function)


def _refuse_unfit_params(candidate: CandidateSpec, function: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(function)
    except ValueError:  # some that are written in C have none: calling them says what they want
        return
    try:
        signature.bind(**candidate.params)
    except TypeError as error:
        raise EstimatorError(
            f"candidate {candidate.name!r}: params do not fit {candidate.estimator}: {error}; it takes {signature}"
        ) from error


def _refuse_unfit(candidate: CandidateSpec, estimator: Any) -> None:
    where = f"candidate {candidate.name!r}: {candidate.estimator} returned"
    if not isinstance(estimator, BaseEstimator) or not all(hasattr(estimator, verb) for verb in ("fit", "predict")):
        raise EstimatorError(f"{where} {type(estimator).__name__}, which is no scikit-learn estimator that predicts")
    first = estimator
    while isinstance(first, Pipeline | FeatureUnion):
        first = (first.steps if isinstance(first, Pipeline) else first.transformer_list)[0][1]
    # It iterates over the column names of a DataFrame: one prediction for N rows, and no error.
    if isinstance(first, CountVectorizer | HashingVectorizer):
        raise EstimatorError(
            f"{where} a pipeline that begins with a bare {type(first).__name__}; "
            "put it into a ColumnTransformer that names its column"
        )


def _name(estimator: Any) -> str:
    return type(estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator).__name__


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
