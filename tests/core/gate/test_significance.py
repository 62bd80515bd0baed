"""Resampling by sums and ranks draws from the same distribution as a plain loop over scikit-learn.

With few clusters that distribution is known exactly: every way to swap them, or to draw them, is counted.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp, rankdata
from sklearn import metrics as sk

from retrain.gate import significance
from retrain.gate.additive import of_labels, of_losses
from retrain.gate.predictions import Predictions
from retrain.gate.ranked import Ranked
from retrain.gate.scorers import Scored, scorers_for
from retrain.gate.significance import bootstrap_p, draws_for, interval, permutation_p, tie
from retrain.gate.swaps import Swaps
from retrain.spec.gate import Measured
from retrain.spec.task import Task

CLASSES = 3


@dataclass
class Case:
    """Two models on the same rows, and the metric as a plain function of labels and one model's predictions."""

    labels: Any
    own: Any
    theirs: Any
    cluster: Any
    pair: Any
    plain: Any

    def swapped(self, clusters):
        """Challenger minus Production where these clusters have changed sides; `clusters` has shape (u,)."""
        where = np.asarray(clusters, bool)[self.cluster]
        where = where[:, None] if self.own.ndim == 2 else where
        own, theirs = np.where(where, self.theirs, self.own), np.where(where, self.own, self.theirs)
        return self.plain(self.labels, own) - self.plain(self.labels, theirs)

    def drawn(self, clusters):
        """The metric of each where these clusters have been drawn."""
        rows = np.concatenate([np.flatnonzero(self.cluster == each) for each in clusters])
        return tuple(self.plain(self.labels[rows], each[rows]) for each in (self.own, self.theirs))


def f1_macro(labels, predictions):
    present = sorted(({*labels} | {*predictions}) - {-1})
    return sk.f1_score(labels, predictions, labels=present, average="macro", zero_division=np.nan)


def f1_of_1(labels, predictions):
    return sk.f1_score(labels, predictions, labels=[1], average="macro", zero_division=np.nan)


def log_loss(labels, predictions):
    return sk.log_loss(labels, predictions, labels=range(CLASSES))


def auc(labels, scores):
    return sk.roc_auc_score(labels, scores) if 0 < labels.sum() < len(labels) else np.nan


def average_precision(labels, scores):
    return sk.average_precision_score(labels, scores) if labels.any() else np.nan


def r2(labels, predictions):
    return sk.r2_score(labels, predictions) if np.ptp(labels) else np.nan


PLAIN = {
    "accuracy": sk.accuracy_score,
    "f1_macro": f1_macro,
    "f1": f1_of_1,
    "log_loss": log_loss,
    "mae": sk.mean_absolute_error,
    "rmse": sk.root_mean_squared_error,
    "r2": r2,
    "roc_auc": auc,
    "average_precision": average_precision,
}
METRICS = [*PLAIN, "anything"]


def case(metric, clusters, *, rows=None, seed=3):
    """Clusters of one row, two or three."""
    rng = np.random.default_rng(seed)
    cluster = np.concatenate([np.arange(clusters), rng.integers(0, clusters, (rows or 2 * clusters) - clusters)])
    size = len(cluster)
    if metric in ("accuracy", "f1_macro", "f1", "anything"):
        labels, own, theirs = rng.integers(0, CLASSES, size), *rng.integers(-1, CLASSES, (2, size))
        right = rng.random((2, size)) < 0.6
        own, theirs = np.where(right[0], labels, own), np.where(right[1], labels, theirs)
        if metric == "anything":
            return Case(labels, own, theirs, cluster, scored(labels, own, theirs, cluster), sk.accuracy_score)
        pair = of_labels(metric, (labels, own, theirs), cluster, classes=CLASSES, positive=1)
    elif metric == "log_loss":
        labels, own, theirs = rng.integers(0, CLASSES, size), *rng.dirichlet(np.ones(CLASSES), (2, size))
        pair = of_losses(metric, labels, (own, theirs), cluster)
    elif metric in ("mae", "rmse", "r2"):
        labels = rng.normal(size=size)
        own, theirs = labels + rng.normal(size=(2, size)) / 2
        pair = of_losses(metric, labels, (own, theirs), cluster)
    else:
        labels = rng.random(size) < 0.5
        # Rounded, so that some are equal; two models may be on different scales, so that it is ranks which are swapped.
        own, theirs = np.round(labels + rng.normal(size=size), 1), np.round(10 * labels + 9 * rng.normal(size=size))
        pair = Ranked.of(metric, labels, own, theirs, cluster)
        own, theirs = rankdata(own), rankdata(theirs)
    return Case(labels, own, theirs, cluster, pair, PLAIN[metric])


@cache
def every_swap(metric, seed=3):
    """The case with seven clusters, and its difference for each of the 128 ways to swap them."""
    small = case(metric, clusters=7, seed=seed)
    return small, np.array([small.swapped(swap) for swap in product([False, True], repeat=7)])


def scored(labels, own, theirs, cluster):
    def accuracy(truth, predictions):
        return float((truth == predictions.labels).mean())

    return Scored(accuracy, labels, Predictions(own), Predictions(theirs), cluster)


def assert_drawn_from(drawn, every):
    """Every value is a possible one, and each is drawn as often as it should be.

    An empirical distribution function is further than this from its own once in 10^9 samples (Dvoretzky, Kiefer &
    Wolfowitz 1956; Massart 1990).
    """
    drawn, every = np.round(drawn, 9) + 0.0, np.round(every, 9) + 0.0
    assert np.isin(drawn[np.isfinite(drawn)], every).all()
    places = np.unique(every[np.isfinite(every)])
    bound = (np.log(2e9) / (2 * len(drawn))) ** 0.5
    for place in places:
        assert (drawn <= place).mean() == pytest.approx((every <= place).mean(), abs=bound)
    assert np.isnan(drawn).mean() == pytest.approx(np.isnan(every).mean(), abs=bound)


# ── the exact distributions


@pytest.mark.parametrize("metric", METRICS)
def test_swaps_are_drawn_from_all_swaps_of_whole_clusters(metric):
    small, every = every_swap(metric)

    assert_drawn_from(small.pair.permuted(np.random.default_rng(1), 10_000), every)


@pytest.mark.parametrize("chunk", [600, significance._CHUNK])
@pytest.mark.parametrize("metric", METRICS)
def test_where_swaps_have_keys_whole_clusters_swap_by_their_bits(metric, chunk, monkeypatch):
    monkeypatch.setattr(significance, "_CHUNK", chunk)
    some, keys = case(metric, clusters=20), 7 * np.arange(20) - 50
    hashed = [hashlib.shake_128(f"trial|{key}".encode()).digest(8) for key in keys]
    swaps = [[f"{int.from_bytes(each, 'big'):064b}"[draw] == "1" for each in hashed] for draw in range(64)]

    gains = some.pair.swapped(Swaps("trial", keys, 64))

    assert gains == pytest.approx([some.swapped(swap) for swap in swaps])
    assert len({*np.round(gains, 9)}) >= 10


@pytest.mark.parametrize("metric", METRICS)
def test_p_is_the_share_of_all_swaps_that_reach_the_gain(metric):
    small, every = every_swap(metric, seed=5)
    sign = -1 if metric in ("log_loss", "mae", "rmse") else 1
    gain = sign * every[0]

    p_value, spread = permutation_p(small.pair, sign, 0.05, np.random.default_rng(1))

    draws = draws_for(small.pair, 0.05)
    assert p_value == pytest.approx((sign * every >= gain - 1e-9).mean(), abs=4 * 0.5 / draws**0.5)
    assert spread == pytest.approx(every.std(), rel=0.1)


@pytest.mark.parametrize("metric", METRICS)
def test_whole_clusters_are_drawn_for_both_models_together(metric):
    small = case(metric, clusters=4)
    every = np.array([small.drawn(chosen) for chosen in product(range(4), repeat=4)])

    own, theirs = small.pair.bootstrapped(np.random.default_rng(1), 10_000)

    assert_drawn_from(own, every[:, 0])
    assert_drawn_from(theirs, every[:, 1])
    assert_drawn_from(own - theirs, every[:, 0] - every[:, 1])


@pytest.mark.parametrize("metric", METRICS)
def test_a_resample_of_nothing_new_is_what_was_observed(metric):
    some = case(metric, clusters=30)

    expected = (some.plain(some.labels, some.own), some.plain(some.labels, some.theirs))
    assert some.pair.observed() == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["f1_macro", "log_loss", "roc_auc", "average_precision"])
def test_resamples_come_in_chunks_of_any_size(metric, monkeypatch):
    monkeypatch.setattr(significance, "_CHUNK", 100)
    small, every = every_swap(metric)

    assert_drawn_from(small.pair.permuted(np.random.default_rng(1), 1_003), every)
    assert [len(each) for each in small.pair.bootstrapped(np.random.default_rng(1), 103)] == [103, 103]


# ── many rows: against a loop


@pytest.mark.parametrize("metric", ["f1_macro", "roc_auc", "average_precision", "rmse"])
def test_many_rows_are_resampled_as_a_plain_loop_does(metric):
    many, rng, draws = case(metric, clusters=120, rows=200), np.random.default_rng(7), 200

    swaps = [many.swapped(rng.random(120) < 0.5) for _ in range(draws)]
    samples = [many.drawn(rng.integers(0, 120, 120)) for _ in range(draws)]

    permuted, (own, theirs) = many.pair.permuted(rng, 4_000), many.pair.bootstrapped(rng, 4_000)
    assert ks_2samp(permuted, swaps).pvalue > 0.001
    assert ks_2samp(own, [one for one, _ in samples]).pvalue > 0.001
    assert ks_2samp(own - theirs, [one - other for one, other in samples]).pvalue > 0.001
    assert np.mean(permuted) == pytest.approx(0, abs=4 * np.std(permuted) / 4_000**0.5)  # a swap and its opposite
    assert np.std(permuted) == pytest.approx(np.std(swaps), rel=0.2)
    assert np.quantile(own - theirs, [0.1, 0.5, 0.9]) == pytest.approx(
        np.quantile([one - other for one, other in samples], [0.1, 0.5, 0.9]), abs=0.3 * np.std(own - theirs)
    )


def test_clusters_that_are_alike_are_counted_and_not_repeated():
    labels = np.arange(1_000) % 2
    own = np.where(np.arange(1_000) < 100, 1 - labels, labels)

    pair = of_labels("accuracy", (labels, own, labels), np.arange(1_000), classes=2, positive=None)

    assert sorted(pair.weights) == [50, 50, 450, 450]
    assert pair.observed() == (0.9, 1.0)


# ── ranks


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
def test_the_scale_of_scores_does_not_matter(metric):
    rng = np.random.default_rng(2)
    positive, cluster = rng.random(200) < 0.4, rng.integers(0, 150, 200)
    _, cluster = np.unique(cluster, return_inverse=True)
    own, theirs = np.round(positive + rng.normal(size=(2, 200)), 1)

    plain = Ranked.of(metric, positive, own, theirs, cluster)
    other = Ranked.of(metric, positive, np.exp(own), theirs**3 - 1_000, cluster)

    assert plain.observed() == other.observed()
    first, second = (each.permuted(np.random.default_rng(1), 500) for each in (plain, other))
    assert first.tolist() == second.tolist()
    first, second = (np.array(each.bootstrapped(np.random.default_rng(1), 500)) for each in (plain, other))
    assert first.tolist() == second.tolist()


def test_models_that_rank_alike_are_alike():
    positive, scores = np.array([True, False, True]), np.array([0.1, 0.2, 0.7])

    assert Ranked.of("roc_auc", positive, scores, scores * 2 - 9, np.arange(3)).alike()
    assert not Ranked.of("roc_auc", positive, scores, -scores, np.arange(3)).alike()


# ── any scorer


@pytest.mark.parametrize(
    ("metric", "name", "sign"),
    [("accuracy", "sklearn:accuracy", 1), ("rmse", "sklearn:neg_root_mean_squared_error", -1)],
)
def test_a_scorer_of_scikit_learn_agrees_with_the_quick_way(metric, name, sign):
    quick, classes = case(metric, clusters=60, rows=90), ("a", "b", "c") if metric == "accuracy" else ()
    task = Task.CLASSIFICATION if classes else Task.REGRESSION
    scorer = scorers_for([Measured(metric=name)], task, classes)[name]
    slow = Scored(scorer, quick.labels, Predictions(quick.own), Predictions(quick.theirs), quick.cluster)
    rng = np.random.default_rng(4)

    assert slow.observed() == pytest.approx([sign * each for each in quick.pair.observed()])
    assert ks_2samp(sign * slow.permuted(rng, 300), quick.pair.permuted(rng, 4_000)).pvalue > 0.001
    for ours, theirs in zip(slow.bootstrapped(rng, 300), quick.pair.bootstrapped(rng, 4_000), strict=True):
        assert ks_2samp(sign * ours, theirs).pvalue > 0.001


def test_predictions_are_alike_only_if_everything_that_a_scorer_may_see_is():
    labels, table = np.array([0, 1]), np.array([[0.6, 0.4], [0.2, 0.8]])

    def alike(own, theirs):
        return Scored(lambda *_: 0.0, labels, own, theirs, np.arange(2)).alike()

    assert alike(Predictions(labels, table), Predictions(labels.copy(), table.copy()))
    assert not alike(Predictions(labels, table), Predictions(labels, table[:, ::-1]))
    assert not alike(Predictions(labels), Predictions(1 - labels))


# ── p, intervals


def test_a_gain_in_the_last_bits_alone_is_a_tie():
    # Twenty errors that are 0.1 larger or smaller, in a unit in which the rounding of their sum is larger than 10^-12.
    rng, unit = np.random.default_rng(3), 1e5 / 3
    labels, error = rng.normal(0, 3_000, 300), np.round(rng.normal(size=300), 1)
    changed = rng.permutation(300)[:20]
    error[changed] = 0.3
    other = error.copy()
    other[changed] = rng.choice([0.2, 0.4], 20, p=[0.3, 0.7])

    def p_in(unit):
        pair = of_losses("mae", labels * unit, ((labels + error) * unit, (labels + other) * unit), np.arange(300))
        return permutation_p(pair, -1, 0.05, np.random.default_rng(1))[0]

    assert p_in(1) == p_in(unit) == p_in(1e-13 / 3)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("alpha", [0.05, 0.005, 0.0123])
def test_a_bootstrapped_p_is_below_alpha_just_where_the_lower_bound_is_above_the_threshold(seed, alpha):
    gains = np.random.default_rng(seed).normal(0.02, 0.01, 10_000)
    # The resample with which the p of all up to it is alpha or more: the lower bound at alpha.
    bound = np.sort(gains)[int(np.ceil(alpha * 10_001)) - 2]

    assert bound == pytest.approx(np.quantile(gains, alpha), abs=1e-3)
    assert bootstrap_p(gains, bound - 1e-9) < alpha <= bootstrap_p(gains, bound + 1e-9)


def test_a_bootstrapped_p_counts_itself_and_what_is_undefined_against_the_gain():
    gains = np.array([0.2, 0.3, np.nan, -0.1])

    assert bootstrap_p(gains, 0) == 3 / 5
    assert bootstrap_p(gains, 0.2) == 4 / 5
    assert bootstrap_p(gains[:0], 0) == 1


def test_a_permuted_p_counts_itself_and_what_is_undefined_against_the_gain():
    class Pair:
        slow = False

        def observed(self):
            return 0.9, 0.8

        def permuted(self, _rng, draws):
            return np.resize([0.1, np.nan, 0.0, -0.2], draws)

    assert permutation_p(Pair(), 1, 0.05, np.random.default_rng(1))[0] == 5_001 / 10_001
    assert permutation_p(Pair(), -1, 0.05, np.random.default_rng(1))[0] == pytest.approx(1)


def test_an_interval_leaves_out_what_is_undefined():
    assert interval(np.array([np.nan, *range(101)]), share=0.9) == pytest.approx((5, 95))
    assert interval(np.full(9, np.nan)) is None


def test_a_smaller_alpha_takes_more_draws():
    quick, slow = case("roc_auc", 8).pair, case("average_precision", 8).pair

    assert (draws_for(quick, 0.05), draws_for(quick, 0.0005)) == (10_000, 100_000)
    assert (draws_for(slow, 0.05), draws_for(slow, 0.0005)) == (2_000, 20_000)


def test_values_are_equal_by_their_size():
    assert tie(0, 0) == 0
    assert tie(-2e6, 1e6) == pytest.approx(2e-3)
