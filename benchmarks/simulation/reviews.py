"""Pairs of models of real text, and a pool of film reviews on which it is known which of the two is better."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrain.spec.gate import Gate
from simulation.pairs import Array, of_labels
from simulation.rules import Decisions, decide
from simulation.trials import random_numbers


@dataclass(frozen=True, eq=False)
class Reviews:
    """Film reviews to judge on. None of their texts occurs among those that models were trained on."""

    labels: Array
    texts: Array
    """Shape (n,): equal texts have equal numbers."""

    def score(self, predictions: Array) -> float:
        from sklearn.metrics import f1_score

        return float(f1_score(self.labels, predictions, average="macro"))


def judged(
    reviews: Reviews, pairs: list[tuple[Array, Array]], gate: Gate, holdouts: int, numbers: Sequence[int]
) -> list[Decisions]:
    """Challenger and Production of each pair on that many holdouts of 2,000."""
    found = []
    for number in numbers:
        challenger, production = pairs[number // holdouts]
        rows = random_numbers("holdout", number).choice(len(reviews.labels), 2_000, replace=False)
        pair = (reviews.labels, of_labels(challenger), of_labels(production))
        found.append(decide(f"reviews {number}", gate, pair, rows, reviews.texts))
    return found


def trained(folder: Path, pairs: int) -> tuple[Reviews, list[tuple[Array, Array, Array]]]:
    """The reviews to judge on, and for each pair the predictions of three models, each of shape (n,).

    They were trained on 20,000 reviews, on 20,000 others, and on the first 20,000 and 10,000 more.
    """
    import pandas as pd
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.svm import LinearSVC

    from stack import feed

    rows = pd.concat([feed.read(file) for file in sorted(folder.glob("*.tsv.gz"))], ignore_index=True)
    rows = rows[~rows["rating"].between(5, 8) & rows["text"].notna()].sample(frac=1, random_state=1)
    known, to_judge = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    to_judge = to_judge[~to_judge["text"].isin(set(known["text"]))]
    hashing = HashingVectorizer(analyzer="char_wb", ngram_range=(1, 3), n_features=2**18)
    known_grams, judged_grams = hashing.transform(known["text"]), hashing.transform(to_judge["text"])
    known_labels, labels = ((each["rating"] >= 9).to_numpy().astype(np.int64) for each in (known, to_judge))
    models = []
    for number in range(pairs):
        chosen = random_numbers("training", number).choice(len(known), 50_000, replace=False)
        parts = chosen[:20_000], chosen[20_000:40_000], np.concatenate([chosen[:20_000], chosen[40_000:]])
        fitted = [LinearSVC(random_state=0).fit(known_grams[part], known_labels[part]) for part in parts]
        first, second, more = (model.predict(judged_grams) for model in fitted)
        models.append((first, second, more))
    return Reviews(labels, pd.factorize(to_judge["text"])[0]), models
