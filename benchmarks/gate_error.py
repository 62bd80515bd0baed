"""How often the gate promotes what it should not, and what it should: simulated, with the truth known exactly.

Every number is a share of trials in which `judge` itself, as the cycle calls it, says PROMOTE. Beside it, on the same
draws, what else teams promote by:

greater      the metric of the challenger is greater (for a loss: smaller)
by 0.5 pp    it is greater by more than 0.005
McNemar      mid-p below 0.05 on which rows are right, where there are labels
MLflow       `mlflow.validate_evaluation_results` with a MetricThreshold of min_absolute_change 0.005

What is simulated, each trial with a new holdout:

level        the challenger is exactly as good as a proof must not let through: equal for superiority, better by just
             min_gain, worse by just the margin; of each kind of metric, with 500, 2,000 and 10,000 rows, and with
             2,000 rows that are 500 texts four times each (half as many trials where one takes a third of a second)
power        it is better by 2.6 points of F1, 2,000 rows
unlike       F1 is equal and the models are not: of the positive rows the challenger finds 60% and Production 80%, with
             three times as many false alarms; 100 positive rows in the mean, the fewest that a gate takes by default
rounds       50 cycles of equal challengers, in rounds of 10 tests on one holdout; the share of rounds with a promotion
best of 5    the best of 5 equal challengers on validation data, judged once on the holdout

With `--reviews FOLDER` (RETRAIN_TEST_REVIEWS) also on real text: models of 20,000 reviews against others of 20,000
and of 30,000, on holdouts of 2,000 from a pool on which it is known which of the two is better.
"""

import argparse
import json
import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binom, norm

from retrain.gate.judge import judge
from retrain.gate.predictions import Evidence, Predictions
from retrain.metrics import METRICS
from retrain.records import Matchup, Outcome, Proof
from retrain.spec.gate import Gate

ALPHA, POWER, TESTS, HALF_A_POINT, POINT = 0.05, 0.95, 10, 0.005, 0.01
RULES = ("gate", "greater", "by 0.5 pp", "McNemar", "MLflow")
CLASSES = ("no", "yes")
INPUTS = {"x": "double"}

Array = NDArray[np.generic]
Pair = tuple[Array, Predictions, Predictions]
"""Labels, challenger, production."""
RawPredictions = tuple[float, ...]
"""Of each rule: 1 for promote, 0, or NaN where it is not for this metric."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1_000)
    parser.add_argument("--short", action="store_true", help="30 trials, none of 10,000 rows")
    parser.add_argument("--reviews", default=os.environ.get("RETRAIN_TEST_REVIEWS"), help="folder of dated reviews")
    arguments = parser.parse_args()
    trials = 30 if arguments.short else arguments.trials
    sizes = (500, 2_000) if arguments.short else (500, 2_000, 10_000)
    # For the processes that are started below: two that each use both processors wait for each other.
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    begun = time.monotonic()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        print(f"{'how often it promotes':<52}trials" + "".join(f"{rule:>10}" for rule in RULES) + "  bound of the gate")
        results = _simulated(pool, trials, sizes)
        if arguments.reviews is None:
            print("reviews: skipped, neither --reviews nor RETRAIN_TEST_REVIEWS names a folder")
        else:
            pairs, holdouts = (2, 30) if arguments.short else (10, 100)
            results += _on_reviews(pool, Path(arguments.reviews), pairs, holdouts)
    _report(trials, results, time.monotonic() - begun)


# ── what is judged


@dataclass(frozen=True)
class Kind:
    """A kind of metric, and pairs of models of which the first is better by an exact amount."""

    gate: dict[str, object]
    better: Callable[[np.random.Generator, int, float], Pair]
    """rng, rows, gain from 0: labels, the better one, the other."""

    def draw(self, rng: np.random.Generator, rows: int, gain: float) -> Pair:
        labels, one, other = self.better(rng, rows, abs(gain))
        return (labels, one, other) if gain >= 0 else (labels, other, one)


def _labels(rng: np.random.Generator, rows: int, gain: float) -> Pair:
    """Two that differ on 6% of the rows; the other is wrong on 20%."""
    only_one, only_other, both = _shares_wrong(gain)
    labels = (rng.random(rows) < _POSITIVES).astype(np.int64)
    draw = rng.random(rows)
    wrong_both = draw < both
    wrong_one = wrong_both | ((draw >= both) & (draw < both + only_one))
    wrong_other = wrong_both | ((draw >= both + only_one) & (draw < both + only_one + only_other))
    return labels, _answers(labels ^ wrong_one), _answers(labels ^ wrong_other)


_POSITIVES, _WRONG, _DIFFERENT = 0.4, 0.2, 0.06


@cache
def _shares_wrong(gain: float) -> tuple[float, float, float]:
    """Rows on which only the better one is wrong, only the other, both: so that their macro F1 differs by `gain`."""

    def macro_f1(wrong: float) -> float:
        # Of a class with share s, a share w of its rows and of the others being wrong: 2 s (1 - w) / (2 s (1 - w) + w)
        hits = [2 * share * (1 - wrong) for share in (_POSITIVES, 1 - _POSITIVES)]
        return sum(each / (each + wrong) for each in hits) / 2

    fewer = _WRONG - brentq(lambda wrong: macro_f1(wrong) - macro_f1(_WRONG) - gain, 1e-6, _WRONG)
    only_one, only_other = (_DIFFERENT - fewer) / 2, (_DIFFERENT + fewer) / 2
    return only_one, only_other, _WRONG - only_other


def _ranks(rng: np.random.Generator, rows: int, gain: float) -> Pair:
    """Two normal scores, correlated 0.9, of which the other has an AUC of 0.85; 40% of the rows are positive."""
    labels = (rng.random(rows) < _POSITIVES).astype(np.int64)
    shared = rng.normal(size=rows)
    scores = [
        labels * np.sqrt(2) * norm.ppf(auc) + np.sqrt(0.9) * shared + np.sqrt(0.1) * rng.normal(size=rows)
        for auc in (0.85 + gain, 0.85)
    ]
    one, other = (Predictions((each > 1).astype(np.int64), scores=each, inputs=INPUTS) for each in scores)
    return labels, one, other


def _probabilities(rng: np.random.Generator, rows: int, gain: float) -> Pair:
    """Two that err by a normal amount in the logit, which itself is normal; half of the variance they err together."""
    logit, shared = 2 * rng.normal(size=rows), rng.normal(size=rows)
    labels = (rng.random(rows) < _sigmoid(logit)).astype(np.int64)

    def answers(error: float) -> Predictions:
        yes = _sigmoid(logit + error * np.sqrt(0.5) * (shared + rng.normal(size=rows)))
        return Predictions((yes > 0.5).astype(np.int64), probabilities=np.column_stack([1 - yes, yes]), inputs=INPUTS)

    return labels, answers(_logit_error(gain)), answers(_LOGIT_ERROR)


_LOGIT_ERROR = 1.0


@cache
def _logit_error(gain: float) -> float:
    """The standard deviation of the error that makes the log loss smaller by `gain`.

    With t the logit and e the error the loss is softplus(t + e) - sigmoid(t) (t + e), and of these only the first
    depends on the size of e in the mean: softplus of a normal variable of variance 4 + that of e.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)

    def softplus(error: float) -> float:
        return float(weights @ np.logaddexp(0, nodes * np.sqrt(4 + error**2)) / weights.sum())

    return float(brentq(lambda error: softplus(_LOGIT_ERROR) - softplus(error) - gain, 0, _LOGIT_ERROR))


def _numbers(rng: np.random.Generator, rows: int, gain: float) -> Pair:
    """Two that err by a normal amount, correlated 0.8, of a size of the row's own, log-normal; RMSE 1 of the other."""
    truth, size, shared = 3 * rng.normal(size=rows), np.exp(0.5 * rng.normal(size=rows) - 0.25), rng.normal(size=rows)
    errors = [size * (np.sqrt(0.8) * shared + np.sqrt(0.2) * rng.normal(size=rows)) for _ in range(2)]
    return truth, _answers(truth + (1 - gain) * errors[0]), _answers(truth + errors[1])


def _answers(labels: Array) -> Predictions:
    return Predictions(labels, inputs=INPUTS)


def _sigmoid(logit: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-logit))


KINDS = {
    "labels": Kind({"metric": "f1_macro"}, _labels),
    "ranks": Kind({"metric": "roc_auc", "positive": "yes"}, _ranks),
    "probabilities": Kind({"metric": "log_loss", "ceiling": 10.0}, _probabilities),
    "numbers": Kind({"metric": "rmse", "ceiling": 10.0}, _numbers),
}
# What each proof must not let through: the gate's fields, and how much better the challenger truly is.
PROOFS: dict[str, tuple[dict[str, object], float]] = {
    "superiority": ({}, 0.0),
    "min_gain": ({"min_gain": POINT}, POINT),
    "non_inferiority": ({"proof": Proof.NON_INFERIORITY, "margin": POINT}, -POINT),
}


# ── trials


@dataclass(frozen=True)
class Result:
    """Of one kind of trial: how often each rule promotes."""

    name: str
    trials: int
    promoted: tuple[float, ...]
    """Of each rule."""
    least: float = 0
    most: float = 1
    """What the gate's rate must be within."""

    @property
    def met(self) -> bool:
        return self.least <= self.promoted[0] <= self.most


@dataclass(frozen=True)
class Setting:
    """What is drawn and judged over and over."""

    name: str
    kind: str
    gate: Gate
    rows: int
    gain: float
    copies: int = 1

    @property
    def costly(self) -> bool:
        """Whether one trial takes a third of a second."""
        return self.rows >= 10_000 and self.kind != "labels"


def level(kind: str, proof: str, rows: int, copies: int = 1) -> Setting:
    """The challenger is just as good as the proof must not let through."""
    fields, gain = PROOFS[proof]
    gate = Gate.model_validate({**KINDS[kind].gate, **fields, "alpha": ALPHA, "tests": 1})
    name = f"{proof} {gate.metric} n={rows}" + (f" in copies of {copies}" if copies > 1 else "")
    return Setting(name, kind, gate, rows, gain, copies)


def power(tests: int) -> Setting:
    gate = Gate(metric="f1_macro", alpha=ALPHA, tests=tests)
    return Setting(f"+2.6 pp f1_macro n=2000, {tests} test{'s'[: tests > 1]} a round", "labels", gate, 2_000, 0.026)


def repeated(setting: Setting, numbers: Sequence[int]) -> list[RawPredictions]:
    """What each rule says in these trials."""
    found = []
    for number in numbers:
        rng = _chance(setting.name, number)
        pair = KINDS[setting.kind].draw(rng, setting.rows // setting.copies, setting.gain)
        rows = np.repeat(np.arange(setting.rows // setting.copies), setting.copies)
        found.append(said(f"{setting.name} {number}", setting.gate, pair, rows))
    return found


def said(name: str, gate: Gate, pair: Pair, rows: NDArray[np.intp], clusters: Array | None = None) -> RawPredictions:
    """What each rule says on these rows of the pair; a row that comes twice is one cluster."""
    labels, challenger, production = pair
    scores = Evidence(
        matchup=Matchup(
            id=name,
            model="m",
            candidate="c",
            snapshot="s",
            run_id="r",
            version="2",
            production="1",
            holdout_round=1,
            test=1,
        ),
        classes=() if METRICS[gate.metric].needs == "numbers" else CLASSES,
        labels=labels[rows],
        challenger=challenger.part(rows),
        production=production.part(rows),
        clusters=rows if clusters is None else clusters[rows].astype(np.int64),
    )
    verdict = judge(scores, gate)
    assert verdict.outcome is not Outcome.INCONCLUSIVE, verdict.reason
    assert verdict.score is not None
    assert verdict.production_score is not None
    gain = METRICS[gate.metric].sign * (verdict.score - verdict.production_score)
    mcnemar = _mcnemar(verdict.wrong_to_right, verdict.right_to_wrong) if scores.classes else np.nan
    validated = _mlflow(gate.metric, verdict.score, verdict.production_score)
    return float(verdict.outcome is Outcome.PROMOTE), float(gain > 0), float(gain > HALF_A_POINT), mcnemar, validated


def _mcnemar(better: int, worse: int) -> float:
    mid_p = binom.sf(better, better + worse, 0.5) + binom.pmf(better, better + worse, 0.5) / 2
    return float(mid_p < ALPHA)


def _mlflow(metric: str, own: float, theirs: float) -> float:
    from mlflow import validate_evaluation_results
    from mlflow.models import EvaluationResult, MetricThreshold
    from mlflow.models.evaluation.validation import ModelValidationFailedException

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    threshold = MetricThreshold(min_absolute_change=HALF_A_POINT, greater_is_better=METRICS[metric].greater_is_better)
    try:
        validate_evaluation_results(
            {metric: threshold}, *(EvaluationResult(metrics={metric: each}, artifacts={}) for each in (own, theirs))
        )
    except ModelValidationFailedException:
        return 0.0
    return 1.0


# ── unlike models, rounds, selection


def unlike(rows: int, alpha: float, numbers: Sequence[int]) -> list[RawPredictions]:
    """A cautious challenger with just Production's F1, on 100 positive rows and many others.

    Of a share s of positive rows: 2 * 0.6 s / (0.8 s + s) = 2 * 0.8 s / (1.4 s + s).
    """
    gate, share, found = Gate(metric="f1", positive="yes", alpha=alpha, tests=1), _FEW / rows, []
    for number in numbers:
        rng = _chance(f"unlike {rows}", number)
        # Exactly so many: fewer would be INCONCLUSIVE.
        labels, draw = rng.permutation((np.arange(rows) < _FEW).astype(np.int64)), rng.random(rows)
        challenger, production = (
            _answers((draw < np.where(labels == 1, hits, alarms * share / (1 - share))).astype(np.int64))
            for hits, alarms in ((0.6, 0.2), (0.8, 0.6))
        )
        found.append(said(f"unlike {rows} {number}", gate, (labels, challenger, production), np.arange(rows)))
    return found


_FEW = Gate(metric="f1", positive="yes").min_positives


def _like(rng: np.random.Generator, labels: Array, production: Predictions) -> Predictions:
    """Another that is exactly as good as production, which is wrong on 20% of all rows, and differs on 6%."""
    wrong = production.labels != labels
    changes = rng.random(len(labels)) < np.where(wrong, _DIFFERENT / 2 / _WRONG, _DIFFERENT / 2 / (1 - _WRONG))
    return _answers(labels.astype(np.int64) ^ (wrong ^ changes))


def holdout_rounds(spent: bool, numbers: Sequence[int]) -> list[RawPredictions]:
    """Whether any of a round's equal challengers is promoted, by each rule. spent: alpha in equal parts."""
    gate, found = Gate(metric="f1_macro", alpha=ALPHA, tests=TESTS if spent else 1), []
    for number in numbers:
        rng = _chance("holdout_round", number)
        labels, _, production = _labels(rng, 2_000, 0)
        rows = np.arange(len(labels))
        tests = [
            said(f"round {number} {test}", gate, (labels, _like(rng, labels, production), production), rows)
            for test in range(TESTS)
        ]
        found.append(tuple(np.max(tests, axis=0)))
    return found


def best_of_5(on_holdout: bool, numbers: Sequence[int]) -> list[RawPredictions]:
    """The best of 5 equal challengers, chosen on validation data or, as it should not be, on the holdout itself."""
    gate, found = Gate(metric="f1_macro", alpha=ALPHA, tests=1), []
    for number in numbers:
        rng = _chance("best of 5", number)
        labels, _, production = _labels(rng, 4_000, 0)
        holdout, validation = np.arange(2_000), np.arange(2_000, 4_000)
        chosen_on = holdout if on_holdout else validation
        challengers = [_like(rng, labels, production) for _ in range(5)]
        best = max(challengers, key=lambda each: int((each.labels == labels)[chosen_on].sum()))
        found.append(said(f"best of 5 {number}", gate, (labels, best, production), holdout))
    return found


Trials = Callable[[Sequence[int]], list[RawPredictions]]


def _simulated(pool: ProcessPoolExecutor, count: int, sizes: Sequence[int]) -> list[Result]:
    levels = [level(kind, proof, rows) for rows in sizes for kind in KINDS for proof in PROOFS]
    levels += [level(kind, proof, 2_000, copies=4) for kind in KINDS for proof in PROOFS]
    return [
        *(
            _run(pool, partial(repeated, each), each.name, count // 2 if each.costly else count, most=ALPHA)
            for each in levels
        ),
        *(
            _run(pool, partial(repeated, power(tests)), power(tests).name, count, least=least)
            for tests, least in ((1, POWER), (TESTS, 0.0))
        ),
        *(
            _run(pool, partial(unlike, rows, alpha), f"unlike, equal f1 n={rows}, alpha {alpha:g}", count, most=alpha)
            for rows in sizes
            for alpha in (ALPHA, ALPHA / TESTS)
        ),
        _run(
            pool, partial(holdout_rounds, True), "any in a round of 10 tests, alpha in equal parts", count, most=ALPHA
        ),
        _run(pool, partial(holdout_rounds, False), "any in a round of 10 tests, alpha at each", count),
        _run(pool, partial(best_of_5, False), "best of 5 on validation, judged once", count, most=ALPHA),
        _run(pool, partial(best_of_5, True), "best of 5 on the holdout itself", count),
    ]


def _run(
    pool: ProcessPoolExecutor, of: Trials, name: str, count: int, *, least: float = 0, most: float | None = None
) -> Result:
    """most: three standard errors above it still meet it."""
    parts = [range(start, min(start + _PART, count)) for start in range(0, count, _PART)]
    promoted = np.mean([each for part in pool.map(of, parts) for each in part], axis=0)
    within = 1.0 if most is None else most + 3 * (most * (1 - most) / count) ** 0.5
    result = Result(name, count, tuple(float(each) for each in promoted), least, within)
    print(_line(result), flush=True)
    return result


_PART = 20


def _chance(name: str, number: int) -> np.random.Generator:
    return np.random.default_rng([2_026, crc32(name.encode()), number])


# ── on real text


@dataclass(frozen=True, eq=False)
class Reviews:
    """Film reviews to judge on, of which no text occurs among those that models were trained on."""

    labels: Array
    texts: Array
    """Shape (n,): equal texts have equal numbers."""

    def score(self, predictions: Array) -> float:
        from sklearn.metrics import f1_score

        return float(f1_score(self.labels, predictions, average="macro"))


def _on_reviews(pool: ProcessPoolExecutor, folder: Path, pairs: int, holdouts: int) -> list[Result]:
    """Several pairs of models, trained once each, and many holdouts."""
    reviews, models = _trained(folder, pairs)
    ordered = [sorted((first, second), key=reviews.score) for first, second, _ in models]
    retrained = [(more, first) for first, _, more in models]
    apart, gained = (
        np.mean([reviews.score(better) - reviews.score(worse) for worse, better in each])
        for each in (ordered, [(first, more) for more, first in retrained])
    )
    print(
        f"reviews: {len(reviews.labels):,} to draw holdouts from. On all of them, macro F1 of Production is"
        f" {np.mean([reviews.score(first) for first, *_ in models]):.3f}; twins are {apart:.4f} apart in the mean, and"
        f" 30,000 rows are {gained:+.4f} better than 20,000 ({pairs} pairs, {holdouts} holdouts each)"
    )
    superiority, margin = (
        Gate.model_validate({"metric": "f1_macro", "alpha": ALPHA, "tests": 1, **PROOFS[proof][0]})
        for proof in ("superiority", "non_inferiority")
    )
    twins = [pair for worse, better in ordered for pair in ((worse, better), (better, worse))]
    return [
        _run(pool, partial(_judged, reviews, judged, gate, holdouts), name, len(judged) * holdouts, most=most)
        for name, judged, gate, most in (
            ("twins, the challenger truly no better", twins[::2], superiority, ALPHA),
            ("twins, in both directions", twins, superiority, None),
            ("20,000 to 30,000 rows", retrained, superiority, None),
            ("twins, in both directions, margin 1 pp", twins, margin, None),
            ("20,000 to 30,000 rows, margin 1 pp", retrained, margin, None),
        )
    ]


def _judged(
    reviews: Reviews, pairs: list[tuple[Array, Array]], gate: Gate, holdouts: int, numbers: Sequence[int]
) -> list[RawPredictions]:
    """Challenger and Production of each pair on that many holdouts of 2,000."""
    found = []
    for number in numbers:
        challenger, production = pairs[number // holdouts]
        rows = _chance("holdout", number).choice(len(reviews.labels), 2_000, replace=False)
        pair = (reviews.labels, _answers(challenger), _answers(production))
        found.append(said(f"reviews {number}", gate, pair, rows, reviews.texts))
    return found


def _trained(folder: Path, pairs: int) -> tuple[Reviews, list[tuple[Array, Array, Array]]]:
    """Each time the predictions of three: of 20,000 reviews, of 20,000 others, and of the first and 10,000 more."""
    import pandas as pd
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.svm import LinearSVC

    from stack import feed

    rows = pd.concat([feed.read(file) for file in sorted(folder.glob("*.tsv.gz"))], ignore_index=True)
    rows = rows[~rows["rating"].between(5, 8) & rows["text"].notna()].sample(frac=1, random_state=1)
    known, judged = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    judged = judged[~judged["text"].isin(set(known["text"]))]
    hashing = HashingVectorizer(analyzer="char_wb", ngram_range=(1, 3), n_features=2**18)
    known_grams, judged_grams = hashing.transform(known["text"]), hashing.transform(judged["text"])
    known_labels, labels = ((each["rating"] >= 9).to_numpy().astype(np.int64) for each in (known, judged))
    models = []
    for number in range(pairs):
        chosen = _chance("training", number).choice(len(known), 50_000, replace=False)
        parts = chosen[:20_000], chosen[20_000:40_000], np.concatenate([chosen[:20_000], chosen[40_000:]])
        fitted = [LinearSVC(random_state=0).fit(known_grams[part], known_labels[part]) for part in parts]
        first, second, more = (model.predict(judged_grams) for model in fitted)
        models.append((first, second, more))
    return Reviews(labels, pd.factorize(judged["text"])[0]), models


# ── report


def _line(result: Result) -> str:
    rates = "".join("         –" if np.isnan(each) else f"{each:10.3f}" for each in result.promoted)
    bound = f"<= {result.most:.3f}" if result.most < 1 else f">= {result.least:.2f}" if result.least else ""
    return f"{result.name:<52}{result.trials:6}{rates}  {bound:<9}{'' if result.met else 'MISSED'}"


def _report(trials: int, results: Sequence[Result], seconds: float) -> None:
    bound = [result for result in results if result.most < 1]
    print(
        json.dumps(
            {
                "name": "gate_error",
                "trials": trials,
                "seconds": round(seconds),
                "false_promotion_mean": round(float(np.mean([result.promoted[0] for result in bound])), 4),
                "false_promotion_greatest": max(result.promoted[0] for result in bound),
                "power": next(result.promoted[0] for result in results if result.least),
                "missed": [result.name for result in results if not result.met],
                "aim": f"false promotion <= {ALPHA} + 3 standard errors in each of {len(bound)}; power >= {POWER}",
                "met": all(result.met for result in results),
            }
        )
    )


if __name__ == "__main__":
    main()
