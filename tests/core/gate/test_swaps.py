"""Swaps that are the same at every look, and what two models differ by in them."""

import numpy as np
import pytest

from retrain.gate.comparison import compare, swap_draws, swapped
from retrain.gate.predictions import Predictions
from retrain.gate.swaps import Swaps
from retrain.spec.gate import Measured
from tests.core.gate.evidence import ACCURACY, BETTER, LABELS, ROWS, WORSE, evidence_of

KEYS = np.array([3, -(2**63), 2**63 - 1, 0, 17])
EVERY = np.arange(len(KEYS))


def between(own, theirs, *, labels=LABELS, clusters=None, metric="accuracy", draws=800, id="trial", positive=None):
    own, theirs = (each if isinstance(each, Predictions) else Predictions(each) for each in (own, theirs))
    return swapped(
        id,
        Measured(metric=metric, positive=positive),
        own,
        theirs,
        labels=labels,
        classes=("fail", "pass"),
        clusters=np.arange(len(labels)) if clusters is None else clusters,
        scorers={},
        draws=draws,
    )


def test_a_cluster_has_the_same_bits_wherever_it_stands():
    order = np.array([4, 0, 2])

    assert (Swaps("a", KEYS[order], 64).bits(np.arange(3)) == Swaps("a", KEYS, 64).bits(order)).all()


def test_more_draws_begin_with_those_that_were():
    assert (Swaps("a", KEYS, 800).bits(EVERY)[:, :8] == Swaps("a", KEYS, 64).bits(EVERY)).all()


def test_each_cluster_and_each_id_has_bits_of_its_own():
    first, second = (np.unpackbits(Swaps(id, KEYS, 8_000).bits(EVERY), axis=1).astype(float) for id in ("a", "b"))

    alike = np.corrcoef(np.concatenate([first, second]))
    assert np.abs(alike - np.eye(10)).max() < 0.05
    assert first.mean(axis=1) == pytest.approx(0.5, abs=0.025)


@pytest.mark.parametrize("draws", [0, 4, 12, -8])
def test_draws_come_in_whole_bytes(draws):
    with pytest.raises(ValueError, match=f"{draws} draws are not a multiple of 8"):
        Swaps("a", KEYS, draws)


def test_the_first_gain_is_the_observed_one():
    found = between(BETTER, WORSE)

    assert (found.own, found.theirs) == (0.9, 0.8)
    assert found.gains[0] == pytest.approx(0.1)
    assert found.gains.shape == (801,)
    assert np.mean(found.gains[1:]) == pytest.approx(0, abs=4 * np.std(found.gains) / 800**0.5)
    assert between(WORSE, BETTER).gains == pytest.approx(-found.gains)


def test_the_draws_reach_the_gain_as_often_as_the_gates_do():
    own = np.where(np.arange(ROWS) < 40, 1 - LABELS, LABELS)
    theirs = np.where(np.abs(np.arange(ROWS) - 50) < 26, 1 - LABELS, LABELS)
    gains = between(own, theirs, draws=8_000).gains
    evidence = evidence_of(own, theirs)
    by_gate = compare(evidence, ACCURACY, evidence.production, threshold=0, alpha=0.05)

    assert by_gate.p_value == pytest.approx((gains >= gains[0] - 1e-9).mean(), abs=0.02)
    assert 0.01 < by_gate.p_value < 0.2


def test_of_a_loss_less_is_a_gain():
    table = np.column_stack([1 - LABELS * 0.8 - 0.1, LABELS * 0.8 + 0.1])
    vague = np.full((ROWS, 2), 0.5)
    found = between(Predictions(LABELS, table), Predictions(LABELS, vague), metric="log_loss")

    assert found.own < found.theirs
    assert found.gains[0] == pytest.approx(found.theirs - found.own)
    assert found.gains[0] > found.gains[1:].max()


def test_models_that_are_alike_differ_in_no_draw():
    assert not between(WORSE, WORSE).gains.any()


def test_copies_swap_together_also_where_they_come_later():
    """Each text four times: the same draws as with one of each, however they are ordered."""
    part = slice(0, 250)
    once = between(BETTER[part], WORSE[part], labels=LABELS[part])
    order = np.random.default_rng(1).permutation(ROWS)
    copies = np.tile(np.arange(250), 4)[order]
    four = between(BETTER[copies], WORSE[copies], labels=LABELS[copies], clusters=copies)

    assert four.gains == pytest.approx(once.gains)


@pytest.mark.parametrize("labels", [LABELS[:0], np.ones(ROWS, np.int64)])
def test_without_a_metric_there_is_nothing_to_draw(labels):
    scores = Predictions(labels, scores=np.arange(len(labels), dtype=np.float64))

    assert between(scores, scores, labels=labels, metric="roc_auc", positive="pass") is None


def test_a_metric_that_takes_milliseconds_has_fewer_draws():
    assert [swap_draws(each, 0.05) for each in ("f1_macro", "log_loss", "roc_auc")] == [10_000] * 3
    assert [swap_draws(each, 0.05) for each in ("average_precision", "sklearn:jaccard")] == [2_000] * 2
    assert swap_draws("f1", 0.0033) == 15_152
