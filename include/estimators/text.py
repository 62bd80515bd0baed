"""Classifiers of one text column.

Each begins with a ColumnTransformer that names the column: an estimator receives a DataFrame, and a bare vectorizer
would read its column names instead of its rows. Characters suit Korean, where one stem takes many endings.
"""

from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC


def logistic(column: str, analyzer: str = "char_wb", longest: int = 3, at_least: int = 2, c: float = 1.0) -> Pipeline:
    """Logistic regression on tf-idf of n-grams. longest: n. at_least: texts that an n-gram must occur in."""
    return Pipeline([("tfidf", _tfidf(column, analyzer, longest, at_least)), ("logistic", LogisticRegression(C=c))])


def naive_bayes(column: str, analyzer: str = "char_wb", longest: int = 3, at_least: int = 2) -> Pipeline:
    """Complement naive Bayes on tf-idf of n-grams."""
    return Pipeline([("tfidf", _tfidf(column, analyzer, longest, at_least)), ("bayes", ComplementNB())])


def hashed_svm(column: str, longest: int = 4, c: float = 1.0) -> Pipeline:
    """Linear support vector machine on hashed character n-grams: no vocabulary, so memory does not grow with rows."""
    grams = HashingVectorizer(analyzer="char_wb", ngram_range=(2, longest), n_features=2**20)
    return Pipeline([("hash", ColumnTransformer([("hash", grams, column)])), ("svm", LinearSVC(C=c, random_state=0))])


def _tfidf(column: str, analyzer: str, longest: int, at_least: int) -> ColumnTransformer:
    grams = TfidfVectorizer(analyzer=analyzer, ngram_range=(1, longest), min_df=at_least, sublinear_tf=True)
    return ColumnTransformer([("tfidf", grams, column)])
