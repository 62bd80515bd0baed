"""Classifiers of a table of numbers."""

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler


def logistic(c: float = 1.0) -> Pipeline:
    """Logistic regression on standardised columns; an empty value becomes the column's median."""
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(C=c, max_iter=1000))


def boosted(trees: int = 100, leaves: int = 15) -> HistGradientBoostingClassifier:
    """Gradient-boosted trees, which take empty values as they are."""
    return HistGradientBoostingClassifier(max_iter=trees, max_leaf_nodes=leaves, random_state=0)
