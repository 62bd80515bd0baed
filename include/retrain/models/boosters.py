"""Boosters learn tree by tree and tell of each: LightGBM and XGBoost through their scikit-learn classes, and
scikit-learn's own. What one is told here is taken back after the fit, so that the model file has the estimator as the
user's function made it.
"""

import warnings
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from retrain.errors import EstimatorError
from retrain_features.labels import CodedLabels

Log = Callable[[int, Mapping[str, float]], None]
"""Takes a step, from 0, and metrics by name."""

_PATIENCE = 20
"""Trees without a gain after which a booster stops, unless its own parameter says otherwise."""

Part = tuple[Any, pd.Series]


@dataclass
class Lesson:
    """What a booster learns from, and what it is measured on."""

    inputs: Any
    labels: pd.Series
    weights: NDArray[np.float64] | None
    keywords: Mapping[str, Any]
    stops: Part | None = None
    watched: dict[str, Part] = field(default_factory=dict)
    log: Log | None = None

    @property
    def measured(self) -> dict[str, Part]:
        """All that it is measured on by its name. What stops it is the last one, as XGBoost wants it."""
        return self.watched | ({} if self.stops is None else {"stopping": self.stops})


def teacher_of(last: Any) -> Callable[[Any, Lesson], None] | None:
    """Return what teaches an estimator tree by tree; None for any other one."""
    if isinstance(last, CodedLabels):
        return _coded if teacher_of(last.classifier) else None
    for kind in type(last).__mro__:
        found = _TEACHERS.get(f"{kind.__module__.partition('.')[0]}.{kind.__name__}")
        if found is not None:
            return found
    return None


def with_codes(estimator: Any, labels: pd.Series) -> Any:
    """Return the estimator as it can learn these labels: XGBoost's classifier takes 0, 1, 2 … alone, or booleans."""
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    if not any(kind.__name__ == "XGBClassifier" for kind in type(last).__mro__):
        return estimator
    if labels.dtype.kind == "b" or (labels.dtype.kind in "iu" and _is_gapless(labels)):
        return estimator
    if not isinstance(estimator, Pipeline):
        return CodedLabels(last)
    estimator.steps[-1] = (estimator.steps[-1][0], CodedLabels(last))
    return estimator


def _is_gapless(labels: pd.Series) -> bool:
    found = np.sort(labels.unique())
    return bool(np.array_equal(found, np.arange(len(found))))


def _coded(last: CodedLabels, lesson: Lesson) -> None:
    def coded(labels: pd.Series) -> pd.Series:
        return pd.Series(last.codes(labels), index=labels.index)

    learnt = pd.Series(last.learn_classes(lesson.labels), index=lesson.labels.index)
    inner = replace(
        lesson,
        labels=learnt,
        stops=None if lesson.stops is None else (lesson.stops[0], coded(lesson.stops[1])),
        watched={name: (inputs, coded(labels)) for name, (inputs, labels) in lesson.watched.items()},
    )
    teach = teacher_of(last.classifier)
    assert teach is not None  # noqa: S101 - see teacher_of
    teach(last.classifier, inner)


def _lightgbm(last: Any, lesson: Lesson) -> None:
    from lightgbm import early_stopping

    measured, callbacks = lesson.measured, list(lesson.keywords.get("callbacks", ()))
    if lesson.stops is not None:
        params = last.get_params()
        rounds = params.get("early_stopping_round") or params.get("early_stopping_rounds") or _PATIENCE
        callbacks.append(_only_of("stopping", early_stopping(rounds, verbose=False)))
    log = lesson.log
    if log is not None:
        callbacks.append(
            lambda at: log(
                at.iteration,
                {
                    f"{name}_{metric}": value
                    for name, metric, value, *_ in at.evaluation_result_list
                    if name in lesson.watched
                },
            )
        )
    keywords = {name: value for name, value in lesson.keywords.items() if name != "callbacks"}
    with warnings.catch_warnings():
        # What it wants in its place, LightGBM before 4.7 does not take.
        warnings.filterwarnings("ignore", "The argument 'eval_set' is deprecated")
        last.fit(
            lesson.inputs,
            lesson.labels,
            sample_weight=lesson.weights,
            eval_set=[*measured.values()],
            eval_names=[*measured],
            callbacks=callbacks,
            **keywords,
        )


def _only_of(name: str, callback: Any) -> Callable[[Any], None]:
    """Return LightGBM's callback, which then sees only what was measured on one set of rows."""

    def called(at: Any) -> None:
        results = [each for each in at.evaluation_result_list or [] if each[0] == name]
        # It is a named tuple before LightGBM 4.7.
        seen = copy(at) if is_dataclass(at) else at._replace(evaluation_result_list=results)
        if is_dataclass(at):
            object.__setattr__(seen, "evaluation_result_list", results)
        callback(seen)

    called.before_iteration = getattr(callback, "before_iteration", False)  # type: ignore[attr-defined]
    called.order = getattr(callback, "order", 30)  # type: ignore[attr-defined]
    return called


def _xgboost(last: Any, lesson: Lesson) -> None:
    from xgboost.callback import TrainingCallback

    measured, log = lesson.measured, lesson.log
    names = {f"validation_{place}": name for place, name in enumerate(measured)}

    class Logging(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002 - XGBoost's signature
            found = {
                f"{names[data]}_{metric}": values[-1]
                for data, metrics in evals_log.items()
                if names[data] in lesson.watched
                for metric, values in metrics.items()
            }
            if log is not None:
                log(epoch, {name: value[0] if isinstance(value, tuple) else value for name, value in found.items()})
            return False

    own = {name: last.get_params()[name] for name in ("callbacks", "early_stopping_rounds")}
    told: dict[str, Any] = {"callbacks": [*(own["callbacks"] or ()), Logging()]} if log is not None else {}
    if lesson.stops is not None:
        told["early_stopping_rounds"] = own["early_stopping_rounds"] or _PATIENCE
    last.set_params(**told)
    try:
        keywords = {"verbose": False, **lesson.keywords}
        last.fit(lesson.inputs, lesson.labels, sample_weight=lesson.weights, eval_set=[*measured.values()], **keywords)
    finally:
        last.set_params(**own)


def _hist_gradient_boosting(last: Any, lesson: Lesson) -> None:
    own = last.get_params()["early_stopping"]
    stops: dict[str, Any] = {}
    if lesson.stops is not None:
        last.set_params(early_stopping=True)
        stops = {"X_val": lesson.stops[0], "y_val": lesson.stops[1]}
    try:
        last.fit(lesson.inputs, lesson.labels, sample_weight=lesson.weights, **stops, **lesson.keywords)
    finally:
        last.set_params(early_stopping=own)


def _gradient_boosting(last: Any, lesson: Lesson) -> None:
    if lesson.stops is not None:
        raise EstimatorError(
            "early_stopping: GradientBoosting stops by rows that it draws itself; write n_iter_no_change and "
            "validation_fraction in its function, or use HistGradientBoosting"
        )

    def monitor(step: int, model: Any, _: Any) -> bool:
        if lesson.log is not None:
            lesson.log(step, {"train_loss": float(model.train_score_[step])})
        return False

    last.fit(lesson.inputs, lesson.labels, sample_weight=lesson.weights, monitor=monitor, **lesson.keywords)


_TEACHERS: dict[str, Callable[[Any, Lesson], None]] = {
    "lightgbm.LGBMModel": _lightgbm,
    "xgboost.XGBModel": _xgboost,
    "sklearn.BaseHistGradientBoosting": _hist_gradient_boosting,
    "sklearn.BaseGradientBoosting": _gradient_boosting,
}
"""By the first module and the name of a class, whose subclasses are taught alike: none of them is imported for it."""
