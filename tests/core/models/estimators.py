"""Estimators for tests: functions that a spec may name, and rows that they learn from."""

import sys

import pandas as pd
import pytest
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from retrain.errors import EstimatorError
from retrain.models import training
from retrain.spec.candidates import CandidateSpec

MODULE = __name__

TEXTS = pd.DataFrame({"text": ["좋은 영화", "나쁜 영화", "좋은 배우", "나쁜 배우"]})
LABELS = pd.Series(["good", "bad", "good", "bad"])

VECTORIZERS = {"count": CountVectorizer, "tfidf": TfidfVectorizer, "hashing": HashingVectorizer}


def build(estimator, **params):
    return training.build(CandidateSpec(name="linear", estimator=estimator, params=params))


def refusal(estimator, **params):
    with pytest.raises(EstimatorError) as refused:
        build(estimator, **params)
    return str(refused.value)


# ── functions that a spec may name


def named(column, c=1.0):
    return make_pipeline(ColumnTransformer([("tfidf", TfidfVectorizer(), column)]), LogisticRegression(C=c))


def bare(kind):
    return make_pipeline(VECTORIZERS[kind](), LogisticRegression())


def behind_nothing():
    return make_pipeline("passthrough", TfidfVectorizer(), LogisticRegression())


def wrapped(how):
    vectorizer = TfidfVectorizer()
    first = make_pipeline(vectorizer, StandardScaler(with_mean=False))
    return make_pipeline(FeatureUnion([("words", vectorizer)]) if how == "union" else first, LogisticRegression())


def odd(what):
    return {
        "nothing": None,
        "class": LogisticRegression,
        "transformer": StandardScaler(),
        "vectorizer": TfidfVectorizer(),
        "empty": Pipeline([]),
    }[what]


class Careless(LogisticRegression):
    """Names an attribute as if it were learnt, and has not learnt it."""

    def __init__(self):
        super().__init__()
        self.history_ = None


def ready(kind):
    """What has learnt already, or has not."""
    fitted = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    return {
        "logistic": fitted,
        "pipeline": make_pipeline(StandardScaler(), fitted),
        "boosted": LGBMClassifier(n_estimators=1, verbose=-1).fit([[0.0], [1.0]] * 20, [0, 1] * 20),
        "calibrated": CalibratedClassifierCV(FrozenEstimator(fitted)),
        "careless": Careless(),
        "unfitted boosted": LGBMClassifier(),
        "unfitted extreme": XGBClassifier(),
        "unfitted cat": CatBoostClassifier(),
    }[kind]


def fails():
    raise ZeroDivisionError("division\n  by zero")


def ends():
    sys.exit(0)
