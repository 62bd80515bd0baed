"""Classifiers of one text column.

Each begins with a ColumnTransformer that names the column: an estimator receives a DataFrame, and a bare vectorizer
would read its column names instead of its rows. Characters suit Korean, where one stem takes many endings.
"""

from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from retrain_features.characters import CharacterTfidf


def logistic(
    column: str, *, analyzer: str = "char_wb", shortest: int = 1, longest: int = 3, at_least: int = 2, c: float = 1.0
) -> Pipeline:
    """Logistic regression on tf-idf of n-grams. shortest, longest: n. at_least: texts that an n-gram must occur in."""
    grams = _tfidf(column, analyzer, shortest, longest, at_least)
    return Pipeline([("tfidf", grams), ("logistic", LogisticRegression(C=c))])


def naive_bayes(
    column: str,
    *,
    analyzer: str = "char_wb",
    shortest: int = 1,
    longest: int = 3,
    at_least: int = 2,
    alpha: float = 0.3,
) -> Pipeline:
    """Complement naive Bayes on tf-idf of n-grams. alpha: of its smoothing; with 1 it takes the frequent for all."""
    grams = _tfidf(column, analyzer, shortest, longest, at_least)
    return Pipeline([("tfidf", grams), ("bayes", ComplementNB(alpha=alpha))])


def hashed_svm(column: str, *, longest: int = 4, at_least: int = 2, c: float = 1.0) -> Pipeline:
    """Linear support vector machine on tf-idf of character n-grams: often the best of these, without probabilities."""
    svm = LinearSVC(C=c, random_state=0)
    return Pipeline([("tfidf", _tfidf(column, "char_wb", 2, longest, at_least)), ("svm", svm)])


def sgd(
    column: str,
    *,
    analyzer: str = "char_wb",
    shortest: int = 1,
    longest: int = 4,
    at_least: int = 2,
    alpha: float = 1e-5,
) -> Pipeline:
    """Logistic regression by stochastic gradient descent: its time grows with the rows and no faster.

    alpha: the larger, the stricter.
    """
    model = SGDClassifier(loss="log_loss", alpha=alpha, average=True, random_state=0)
    return Pipeline([("tfidf", _tfidf(column, analyzer, shortest, longest, at_least)), ("sgd", model)])


def _tfidf(column: str, analyzer: str, shortest: int, longest: int, at_least: int) -> ColumnTransformer:
    kind = TfidfVectorizer if analyzer == "word" else CharacterTfidf  # the second knows characters alone
    grams = kind(analyzer=analyzer, ngram_range=(shortest, longest), min_df=at_least, sublinear_tf=True)
    return ColumnTransformer([("tfidf", grams, column)])
