"""Scikit-learn estimators: built, fitted, asked for predictions and scored."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline

from retrain.errors import EstimatorError
from retrain.gate.comparison import metric_value
from retrain.gate.labels import encode, spell
from retrain.gate.predictions import RawPredictions, classes_of
from retrain.gate.scorers import scorers_for
from retrain.labels import spelled
from retrain.metrics import SCORER, described
from retrain.models import shared_steps
from retrain.models.boosters import with_codes
from retrain.models.function import described_error, function_of
from retrain.models.learning import PLAIN, Options, Watch, learn
from retrain.models.own_train import Context, Given, train
from retrain.models.shared_steps import Known
from retrain.spec.candidates import CandidateSpec
from retrain.spec.gate import Gate, Measured
from retrain.spec.task import Task


def build(candidate: CandidateSpec) -> Any:
    """Return the candidate's unfitted estimator. Raises EstimatorError if its function cannot be imported or called."""
    if candidate.search is not None:
        raise EstimatorError(
            f"candidate {candidate.name!r}: trials look for its parameters (search), and none were found yet"
        )
    function = function_of(candidate)
    _refuse_unfit_params(candidate, function)
    try:
        estimator = function(**candidate.params)
    except (Exception, SystemExit) as error:
        raise EstimatorError(
            f"candidate {candidate.name!r}: {candidate.estimator} failed: {described_error(error)}"
        ) from error
    _refuse_unfit(candidate, estimator)
    return estimator


def made(
    candidate: CandidateSpec,
    given: Given,
    options: Options,
    watch: Watch | None,
    context: Context,
    *,
    known: Known | None = None,
) -> Any:
    """Return the candidate's model: its estimator, fitted here, or what its own function has trained.

    known: its first step, if it was fitted for several candidates; `shared_steps.put_back` takes it out again.

    Raises EstimatorError where there is none.
    """
    if candidate.train is not None:
        _refuse_one_label(given.labels)
        return train(candidate, given, context)
    estimator = build(candidate)
    if known is not None:
        shared_steps.put(candidate, estimator, known)
    return fit(estimator, given.features, given.labels, options, watch)


def fit(
    estimator: Any, features: pd.DataFrame, labels: pd.Series, options: Options = PLAIN, watch: Watch | None = None
) -> Any:
    """Return the estimator, fitted in place. Raises EstimatorError with the reason that scikit-learn gives.

    watch: what hears of the metrics by step, where the estimator has any.
    """
    _refuse_one_label(labels)
    estimator = with_codes(estimator, labels)
    try:
        learn(estimator, features, labels, options, watch)
    except EstimatorError:
        raise
    except Exception as error:
        raise EstimatorError(
            f"{_name(estimator)} cannot be fitted on {len(labels):,} rows: {described_error(error)}"
        ) from error
    return estimator


def _refuse_one_label(labels: pd.Series) -> None:
    if labels.nunique() < 2:
        raise EstimatorError(
            f"{len(labels):,} training rows with {labels.nunique()} different labels: nothing can be learnt"
        )


def targets(task: Task, labels: pd.Series) -> pd.Series:
    """Return labels as an estimator learns them: classes as text, whole numbers or booleans, or numbers.

    Raises EstimatorError if a regression has a label without a number.
    """
    if task is Task.CLASSIFICATION:
        return _classes(labels)
    numbers = pd.to_numeric(labels, errors="coerce").astype(float)
    wrong = labels[~np.isfinite(numbers)]
    if len(wrong):
        raise EstimatorError(
            f"{len(wrong):,} labels are not numbers (e.g. {wrong.iloc[0]!r}), and the task is regression"
        )
    return numbers


def _classes(labels: pd.Series) -> pd.Series:
    if labels.dtype.kind in "biu":
        return labels
    if labels.dtype.kind == "f" and (labels == labels.round()).all() and (labels.abs() <= _EXACT).all():
        return labels.astype(np.int64)  # scikit-learn takes classes for numbers where they are 1.0 and 2.5
    return pd.Series(spell(labels.to_numpy(object)).astype(object), index=labels.index, name=labels.name)


_EXACT = 2.0**53
"""Up to here a double holds every whole number."""


def predict(model: Any, features: pd.DataFrame, task: Task, *, probabilities: bool = True) -> RawPredictions:
    """Return the model's predictions. Raises EstimatorError unless it gives one for each row.

    probabilities: whether to ask a classifier also for probabilities, or for margins, if it has them.
    """
    labels = _called(model, "predict", features)
    if labels.shape != (features.shape[0],):
        remedy = "begin with a ColumnTransformer that names its column"
        if labels.shape[:1] == (features.shape[0],):
            remedy = "let its predict return one value a row, of shape (rows,): ravel() it"
        raise EstimatorError(
            f"{_name(model)} gave predictions of shape {labels.shape} for {features.shape[0]:,} rows; {remedy}"
        )
    if task is Task.REGRESSION:
        return RawPredictions(_numbers(model, labels, labels.shape))
    classes = tuple(spelled(each) for each in np.asarray(getattr(model, "classes_", ())).tolist())
    predictions = RawPredictions(spell(labels), classes)
    if probabilities and hasattr(model, "predict_proba") and classes:
        table = _called(model, "predict_proba", features)
        return replace(predictions, probabilities=_numbers(model, table, (features.shape[0], len(classes))))
    if probabilities and hasattr(model, "decision_function") and len(classes) == 2:
        return replace(
            predictions, margins=_numbers(model, _called(model, "decision_function", features), labels.shape)
        )
    return predictions


def refuse_foreign(name: str, predictions: NDArray[Any], classes: tuple[str, ...]) -> None:
    """Raise EstimatorError for a prediction that is not one of the classes that the model was trained on."""
    foreign = np.flatnonzero(encode(predictions, classes) < 0)
    if len(foreign):
        raise EstimatorError(
            f"{name} predicts {spelled(predictions[foreign[0]])!r} for {len(foreign):,} of {len(predictions):,} rows, "
            f"and was trained on the classes {listed(classes)}: let its predict return the labels that fit was given"
        )


def listed(classes: Sequence[str]) -> str:
    """Return the first few classes for a message."""
    return ", ".join(map(repr, classes[:5])) + (f" and {len(classes) - 5:,} more" if len(classes) > 5 else "")


def scores(gate: Gate, task: Task, labels: pd.Series, predictions: RawPredictions) -> dict[str, float]:
    """Return every metric that these labels define, the gate's among them.

    Raises EstimatorError if the gate's own metric is undefined.
    """
    truth = targets(task, labels)
    common = _COMMON[task]
    joined = described(gate.metric).needs == "probabilities"
    classes = classes_of(labels, [predictions], joined=joined) if task is Task.CLASSIFICATION else ()
    values = encode(truth, classes) if classes else truth.to_numpy(np.float64)
    coded = predictions.among(classes, gate.positive)
    found = {
        each.metric: metric_value(
            each, coded, labels=values, classes=classes, scorers=scorers_for([each], task, classes)
        )
        for each in (*(Measured(metric=name) for name in common), gate)
    }
    if found[gate.metric] is None:
        remedy = ""
        if gate.metric.startswith(SCORER) and len(classes) == 2 and gate.positive is None:
            remedy = "; if it is about one class, name it as gate.positive"
        of = f" of classes {listed(classes)}" if classes else ""
        raise EstimatorError(f"{gate.metric} is undefined on {len(labels):,} rows{of}{remedy}")
    return {name: score for name, score in sorted(found.items()) if score is not None}


_COMMON = {
    Task.CLASSIFICATION: ("accuracy", "balanced_accuracy", "f1_macro"),
    Task.REGRESSION: ("mae", "rmse", "r2"),
}


def _called(model: Any, method: str, features: pd.DataFrame) -> NDArray[Any]:
    try:
        return np.asarray(getattr(model, method)(features))
    except Exception as error:
        raise EstimatorError(f"{_name(model)} cannot predict: {described_error(error)}") from error


def _numbers(model: Any, values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float64]:
    if values.shape != shape:
        raise EstimatorError(f"{_name(model)} gave numbers of shape {values.shape} where {shape} was expected")
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise EstimatorError(f"{_name(model)} gave a value that is not a number: {described_error(error)}") from error


def _refuse_unfit_params(candidate: CandidateSpec, function: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions in C have no signature: the call shows what they take
        return
    try:
        signature.bind(**candidate.params)
    except TypeError as error:
        raise EstimatorError(
            f"candidate {candidate.name!r}: params do not fit {candidate.estimator}: {error}; it takes {signature}"
        ) from error


def _refuse_unfit(candidate: CandidateSpec, estimator: Any) -> None:
    where = f"candidate {candidate.name!r}: {candidate.estimator} returned"
    # CatBoost's classes keep to the interface without its base.
    is_one = isinstance(estimator, BaseEstimator) or hasattr(type(estimator), "get_params")
    if not is_one or not all(_has(estimator, verb) for verb in ("fit", "predict")):
        raise EstimatorError(f"{where} {type(estimator).__name__}, which is not a scikit-learn estimator that predicts")
    if _is_fitted(estimator):
        raise EstimatorError(
            f"{where} {_name(estimator)}, which is fitted already; return it unfitted, or write train in place of "
            "estimator where a cycle goes on from a model of before"
        )
    first = estimator
    while isinstance(first, Pipeline | FeatureUnion):
        first = (first.steps if isinstance(first, Pipeline) else first.transformer_list)[0][1]
    # A vectorizer iterates over the column names of a DataFrame: one prediction for N rows, and no error.
    if isinstance(first, CountVectorizer | HashingVectorizer):
        raise EstimatorError(
            f"{where} a pipeline that begins with a bare {type(first).__name__}; "
            "put it into a ColumnTransformer that names its column"
        )


def _is_fitted(estimator: Any) -> bool:
    """Return whether an estimator says so, or has learnt something by the custom of names that end with `_`."""
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) and estimator.steps else estimator
    if hasattr(last, "__sklearn_is_fitted__"):
        return bool(last.__sklearn_is_fitted__())
    return any(
        name.endswith("_") and not name.startswith("_") and value is not None
        for name, value in getattr(last, "__dict__", {}).items()
    )


def _has(estimator: Any, method: str) -> bool:
    """Return whether an estimator has a method, or will have it once it is fitted: until then its class knows."""
    if isinstance(estimator, Pipeline):  # its class has every method; its last step decides
        return bool(estimator.steps) and _has(estimator.steps[-1][1], method)
    return hasattr(type(estimator), method) or hasattr(estimator, method)


def _name(estimator: Any) -> str:
    return type(estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator).__name__
