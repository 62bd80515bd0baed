"""A classifier of a text column that learns in batches."""

from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import Pipeline


def hashed() -> Pipeline:
    grams = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), n_features=2**18)
    model = SGDClassifier(loss="log_loss", alpha=1e-6, average=True, random_state=0)
    return Pipeline([("hash", ColumnTransformer([("grams", grams, "text")])), ("sgd", model)])
