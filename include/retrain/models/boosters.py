"""Boosters learn tree by tree and tell of each: LightGBM, XGBoost and CatBoost through their scikit-learn classes, and
scikit-learn's own. What one is told here is taken back after the fit, so that the model file has the estimator as the
user's function made it; but for one parameter of CatBoost's, which takes nothing back once it is fitted.
"""

import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from retrain.errors import EstimatorError
from retrain_features.categories import Categories
from retrain_features.labels import CodedLabels

Log = Callable[[int, Mapping[str, float]], None]
"""Takes a step, from 0, and metrics by name."""

_PATIENCE = 20
"""Trees without a gain after which a booster stops, unless its own parameter says otherwise."""

_LIGHTGBM_WAITS = ("early_stopping_round", "early_stopping_rounds", "early_stopping", "n_iter_no_change")
"""Names of LightGBM's parameter for that."""
_NEVER = 2**30
_VERBOSE = {"verbose", "verbose_eval", "silent", "logging_level"}
"""Names of CatBoost's parameter that says how much it prints, of which it takes one."""

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


def must_be_taught(last: Any) -> bool:
    """Return whether an estimator needs its teacher even where nothing is told and nothing stops it."""
    return teacher_of(last.classifier if isinstance(last, CodedLabels) else last) is _catboost


def with_codes(estimator: Any, labels: pd.Series) -> Any:
    """Return the estimator as it can learn these labels and predict them again.

    XGBoost's classifier takes 0, 1, 2 … alone, or booleans. CatBoost's takes all, but makes texts of booleans, and
    predicts a column where there are more than two classes. Raises EstimatorError where CatBoost's would fail on rows
    that come later.
    """
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    kinds = {kind.__name__ for kind in type(last).__mro__}
    if "CatBoost" in kinds:
        _refuse_missing_categories(estimator)
    if "XGBClassifier" in kinds:
        takes_them = labels.dtype.kind == "b" or (labels.dtype.kind in "iu" and _is_gapless(labels))
    elif "CatBoostClassifier" in kinds:
        takes_them = labels.dtype.kind != "b" and labels.nunique() <= 2
    else:
        return estimator
    if takes_them:
        return estimator
    if isinstance(last.get_params().get("class_weights"), Mapping):
        raise EstimatorError(
            f"class_weights: these labels are coded for {type(last).__name__}; write a list of weights, in the order "
            "of the sorted classes"
        )
    if not isinstance(estimator, Pipeline):
        return CodedLabels(last)
    estimator.steps[-1] = (estimator.steps[-1][0], CodedLabels(last))
    return estimator


def _refuse_missing_categories(estimator: Any) -> None:
    parts = estimator.get_params().values() if isinstance(estimator, Pipeline) else ()
    if any(isinstance(each, Categories) and each.missing is None for each in parts):
        raise EstimatorError(
            "CatBoost takes no missing category, and a level that only comes later would be one; write "
            "Categories(missing='none') or another text"
        )


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
    own = {name: value for name, value in last.get_params().items() if name in _LIGHTGBM_WAITS and value}
    if lesson.stops is not None:
        rounds = next(iter(own.values()), _PATIENCE)
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
    last.set_params(**dict.fromkeys(own, 0))  # by its own parameter it would be stopped by all that it is measured on
    try:
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
    finally:
        last.set_params(**own)


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
    # Without rows that stop it, the validation rows must not.
    told["early_stopping_rounds"] = None if lesson.stops is None else own["early_stopping_rounds"] or _PATIENCE
    last.set_params(**told)
    try:
        keywords = {"verbose": False, **lesson.keywords}
        last.fit(lesson.inputs, lesson.labels, sample_weight=lesson.weights, eval_set=[*measured.values()], **keywords)
    finally:
        last.set_params(**own)


def _catboost(last: Any, lesson: Lesson) -> None:
    own = last.get_params()
    if own.get("task_type") == "GPU":  # there it tells nothing, and is measured on one set of rows at most
        lesson = replace(lesson, watched={}, log=None)
    measured, log = lesson.measured, lesson.log
    if "allow_writing_files" not in own:
        last.set_params(allow_writing_files=False)  # else it leaves a folder, catboost_info, where it is fitted
    keywords: dict[str, Any] = {}
    if not _VERBOSE & own.keys() and not _VERBOSE & lesson.keywords.keys():
        keywords["verbose"] = False
    if "cat_features" not in own and isinstance(lesson.inputs, pd.DataFrame):
        keywords["cat_features"] = [*lesson.inputs.select_dtypes("category")]
    if measured:
        keywords["eval_set"] = [*measured.values()]
        wait = next((own[name] for name in ("early_stopping_rounds", "od_wait") if own.get(name)), _PATIENCE)
        # Without rows that stop it, the validation rows must not: it waits for a gain longer than anything lasts.
        keywords["early_stopping_rounds"] = _NEVER if lesson.stops is None else wait
        if lesson.stops is None:
            keywords["use_best_model"] = False
    keywords |= lesson.keywords
    if log is not None:
        keywords["callbacks"] = [*lesson.keywords.get("callbacks", ()), _CatBoostLog(log, lesson)]
    last.fit(lesson.inputs, lesson.labels, sample_weight=lesson.weights, **keywords)
    with suppress(AttributeError):  # it is not public: where it is gone, the file is larger
        last._set_test_evals([])  # else the model file holds a prediction for each row that it was measured on


class _CatBoostLog:
    def __init__(self, log: Log, lesson: Lesson) -> None:
        self._log = log
        self._watched = lesson.watched
        several = len(lesson.measured) > 1
        self._names = {f"validation_{at}" if several else "validation": name for at, name in enumerate(lesson.measured)}

    def after_iteration(self, info: Any) -> bool:
        """Log the metrics of a tree, and go on."""
        found = {
            f"{self._names[data]}_{re.sub(r'[^A-Za-z0-9]+', '_', metric)}": values[-1]
            for data, metrics in info.metrics.items()
            if self._names.get(data) in self._watched
            for metric, values in metrics.items()
        }
        self._log(info.iteration - 1, found)
        return True


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
    "catboost.CatBoost": _catboost,
    "sklearn.BaseHistGradientBoosting": _hist_gradient_boosting,
    "sklearn.BaseGradientBoosting": _gradient_boosting,
}
"""By the first module and the name of a class, whose subclasses are taught alike: none of them is imported for it."""
