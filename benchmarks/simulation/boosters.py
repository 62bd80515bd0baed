"""Estimators that a spec of a benchmark names."""

from typing import Any

from lightgbm import LGBMClassifier


def boosted(**params: Any) -> LGBMClassifier:
    return LGBMClassifier(**params)
