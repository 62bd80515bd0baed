"""Policies over made histories of which the truth is known: what is called alike, better, best, and recommended."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss, roc_auc_score

from retrain.backtest.aging import wanted
from retrain.backtest.best import with_the_best
from retrain.backtest.compare import compare
from retrain.backtest.compared import Compared
from retrain.backtest.following import surely
from retrain.backtest.replayed import Aged, Backtest, Rule
from retrain.backtest.resampling import Clusters, Draws
from retrain.backtest.weeks import widening
from retrain.gate.predictions import Predictions
from retrain.spec.parse import parse
from tests.core.backtest.histories import BEGIN, SHIPPED, Made, history, spec_of


def drawn(backtest: Backtest) -> Draws:
    found = Clusters(backtest, len(backtest.times)).draws(0, len(backtest.times))
    assert found is not None
    return found


# ── how often it is right: 300 histories each

MANY = 300
"""A share of 95% is then seen as 91.2% to 98.8% but for one time in a thousand."""


@pytest.fixture(scope="module")
def alike() -> list[Draws]:
    """Draws of many histories in which three policies are equally good, and weeks differ from each other."""
    policies = (SHIPPED, Made("second"), Made("third"), Made("worse", 0.7))
    return [drawn(history(*policies, weeks=60, rows=40, weekly=0.03, seed=seed)) for seed in range(MANY)]


def test_two_equal_policies_are_not_distinguishable_in_95_of_100(alike: list[Draws]) -> None:
    same = [surely(each.difference(1, 0)[1], "accuracy") == 0 for each in alike]
    assert 0.912 <= np.mean(same) <= 0.988


def test_the_band_of_a_score_holds_the_truth_in_95_of_100(alike: list[Draws]) -> None:
    held = [low <= 0.8 <= high for low, high in (each.interval(0) or (1.0, 0.0) for each in alike)]
    assert 0.912 <= np.mean(held) <= 0.988


def test_one_that_is_best_in_truth_stays_among_the_best_in_95_of_100(alike: list[Draws]) -> None:
    stays = [with_the_best(each.observed, each.drawn, widening(each.blocks))[0].may_be_best for each in alike]
    assert np.mean(stays) >= 0.912


def test_how_far_each_may_be_behind_holds_for_all_at_once(alike: list[Draws]) -> None:
    behind = (0.0, 0.0, 0.0, -0.1)
    held = []
    for each in alike:
        places = with_the_best(each.observed, each.drawn, widening(each.blocks))
        ends = [place.behind for place in places]
        held.append(all(low <= truth <= high for (low, high), truth in zip(ends, behind, strict=True)))
    assert np.mean(held) >= 0.912


def test_a_clearly_worse_one_is_never_among_the_best(alike: list[Draws]) -> None:
    places = [with_the_best(each.observed, each.drawn, widening(each.blocks))[3] for each in alike]
    assert not any(each.may_be_best for each in places)


def test_intervals_of_five_weeks_are_those_of_student() -> None:
    policies = (SHIPPED, Made("second"))
    histories = [history(*policies, weeks=30, rows=40, weekly=0.05, seed=seed) for seed in range(MANY)]
    five = [Clusters(each, 0).draws(0, 200) for each in histories]
    held = [low <= 0.8 <= high for low, high in (each.interval(0) or (1.0, 0.0) for each in five if each)]
    assert 0.9 <= np.mean(held) <= 0.99


# ── the choice


def test_a_clearly_better_one_is_chosen_tested_and_recommended() -> None:
    choice = compare(history(SHIPPED, Made("better", 0.86, cpu=300), Made("worse", 0.75))).choice
    assert (choice.best, choice.chosen, choice.recommended) == (("better",), "better", "better")
    assert choice.test is not None
    assert choice.test.surely == 1
    assert choice.reason == (
        'Recommended: "better". It is surely better than the spec as it is (300,000 against 100,000 rows learnt from).'
    )


def test_the_cheapest_of_those_that_cannot_be_told_apart_is_named() -> None:
    same = [Made("dear", like=0, cpu=500), Made("cheap", like=0, cpu=20), Made("cheap and bad", 0.6, cpu=1)]
    choice = compare(history(SHIPPED, *same)).choice
    assert choice.best == ("as it is", "dear", "cheap")
    assert (choice.chosen, choice.recommended) == ("cheap", "cheap")
    assert choice.test is not None
    assert (choice.test.difference, choice.test.surely) == (0, 0)
    assert "not distinguishable from the spec as it is, at most 0 points worse, and cheaper" in choice.reason


def test_of_equally_cheap_ones_that_are_alike_the_spec_stays_as_it_is() -> None:
    choice = compare(history(SHIPPED, Made("twin", like=0))).choice
    assert (choice.chosen, choice.recommended, choice.test) == ("as it is", "as it is", None)


@pytest.mark.parametrize("rule", [Rule.ALWAYS, Rule.GREATER, Rule.NEVER])
def test_a_policy_without_a_gate_is_never_recommended(rule: Rule) -> None:
    compared = compare(history(SHIPPED, Made("without", 0.9, rule, cpu=1)))
    assert compared.policy("without").standing is None
    assert compared.choice.best == ("as it is",)
    assert compared.choice.recommended == "as it is"
    better = compared.policy("without").against_shipped
    assert better is not None
    assert better.surely == 1  # it is shown all the same


def turned(backtest: Backtest, policy: int, since: float, right: float) -> Backtest:
    """Return the backtest with a policy that is right this often in the rest of the time."""
    rng, rest = np.random.default_rng(1), np.arange(len(backtest.times)) >= since * len(backtest.times)
    it = backtest.replays[policy]
    codes = np.where(rng.random(len(rest)) < right, backtest.labels, 1 - backtest.labels)
    changed = replace(it, predictions=replace(it.predictions, labels=np.where(rest, codes, it.predictions.labels)))
    return replace(backtest, replays=tuple(changed if each is it else each for each in backtest.replays))


def test_what_is_surely_worse_in_its_test_is_not_recommended() -> None:
    choice = compare(turned(history(SHIPPED, Made("hasty", 0.9)), 1, 0.67, 0.6)).choice
    assert (choice.chosen, choice.recommended) == ("hasty", "as it is")
    assert choice.reason == ('Recommended: the spec as it is. "hasty" was chosen, but is surely worse in its test.')


def test_what_is_dearer_and_not_better_in_its_test_is_not_recommended() -> None:
    choice = compare(turned(history(SHIPPED, Made("hasty", 0.9, cpu=900)), 1, 0.67, 0.8)).choice
    assert (choice.chosen, choice.recommended) == ("hasty", "as it is")
    assert "its test does not tell the two apart, and it is not cheaper" in choice.reason


def test_the_test_sees_no_row_that_the_choice_has_seen() -> None:
    until = datetime(2021, 1, 6, 12, tzinfo=UTC)  # within a week
    made = history(SHIPPED, Made("other"))
    compared = compare(made, choose_until=until)
    before = int((made.times < np.datetime64("2021-01-06T12:00")).sum())
    assert (compared.choice.until, compared.choice.rows) == (until, before)
    assert compared.choice.test_rows == len(made.times) - before
    # What comes later does not change the choice.
    later = compare(turned(made, 1, before / len(made.times), 0.1), choose_until=until)
    assert [each.standing for each in later.policies] == [each.standing for each in compared.policies]


def test_by_default_the_first_two_thirds_of_the_time_choose() -> None:
    compared = compare(history(SHIPPED, Made("other"), weeks=90))
    assert compared.choice.until == datetime(2021, 2, 28, tzinfo=UTC)  # the last row is of 2021-09-26
    assert 59 * 50 < compared.choice.rows < 60 * 50


@pytest.mark.parametrize("until", [BEGIN, datetime(2019, 1, 1, tzinfo=UTC)])
def test_without_rows_to_choose_by_nothing_is_recommended(until: datetime) -> None:
    compared = compare(history(SHIPPED, Made("other", 0.9)), choose_until=until)
    assert (compared.choice.best, compared.choice.recommended) == ((), None)
    assert compared.choice.reason.startswith("Nothing is recommended: ")


def test_without_rows_to_test_the_spec_stays_as_it_is() -> None:
    choice = compare(history(SHIPPED, Made("other", 0.9)), choose_until=datetime(2030, 1, 1, tzinfo=UTC)).choice
    assert (choice.chosen, choice.test, choice.recommended) == ("other", None, "as it is")
    assert choice.reason.endswith("but too little time is left to test it.")


def test_a_history_of_a_few_days_chooses_nothing() -> None:
    compared = compare(history(SHIPPED, Made("other", 0.9), weeks=3, rows=500, days=1))
    assert compared.unit == "day"
    assert compared.shipped.score.value is not None
    assert compared.shipped.score.interval is None
    assert compared.choice.recommended is None


# ── what is measured


def test_policies_that_predict_the_same_have_equal_scores_and_no_difference() -> None:
    compared = compare(history(SHIPPED, Made("twin", like=0)))
    twin = compared.policy("twin")
    assert twin.score == compared.shipped.score
    assert twin.against_shipped is not None
    assert (twin.against_shipped.difference, twin.against_shipped.interval) == (0, (0, 0))


def test_at_most_24_blocks_of_equally_many_weeks_hold_every_row_once() -> None:
    compared = compare(history(SHIPPED, weeks=230))
    blocks = compared.blocks
    assert len(blocks) == 23
    assert {(each.ends - each.begins).days for each in blocks} == {70}
    assert [each.first_row for each in blocks[1:]] == [each.after_row for each in blocks[:-1]]
    assert (blocks[0].first_row, blocks[-1].after_row) == (0, compared.rows)
    assert len(compared.shipped.over_time) == 23


def test_a_block_without_rows_has_no_score() -> None:
    made = history(SHIPPED, Made("other"), weeks=100)
    kept = (made.times < np.datetime64("2020-06-01")) | (made.times > np.datetime64("2021-01-01"))
    rows = np.flatnonzero(kept)
    part = replace(
        made,
        times=made.times[rows],
        labels=made.labels[rows],
        replays=tuple(
            replace(each, served=each.served[rows], predictions=each.predictions.part(rows)) for each in made.replays
        ),
    )
    compared = compare(part)
    empty = [place for place, each in enumerate(compared.blocks) if not each.rows]
    assert empty
    assert [compared.shipped.over_time[each].value for each in empty] == [None] * len(empty)
    assert [compared.policy("other").difference_over_time[each].surely for each in empty] == [0] * len(empty)


KINDS: list[tuple[dict[str, Any], Any]] = [
    ({"metric": "f1_macro"}, lambda labels, it: f1_score(labels, it.labels, average="macro")),
    ({"metric": "f1", "positive": "yes"}, lambda labels, it: f1_score(labels, it.labels)),
    ({"metric": "log_loss", "ceiling": 1.0}, lambda labels, it: log_loss(labels, it.probabilities)),
    ({"metric": "roc_auc", "positive": "yes"}, lambda labels, it: roc_auc_score(labels, it.scores)),
    ({"metric": "sklearn:accuracy", "floor": 0.1}, None),
]


@pytest.mark.parametrize(("gate", "truth"), KINDS, ids=[str(gate["metric"]) for gate, _ in KINDS])
def test_every_kind_of_metric_is_scored_and_compared(gate: dict[str, Any], truth: Any) -> None:
    made = history(SHIPPED, Made("better", 0.87), Made("twin", like=0), weeks=30, rows=60, spec=spec_of(**gate))
    compared = compare(made)
    better, twin = compared.policy("better"), compared.policy("twin")
    if truth is not None:
        expected = truth(made.labels, made.replays[1].predictions)
        assert better.score.value == pytest.approx(expected)
    assert better.score.value is not None
    assert better.score.interval is not None
    assert better.score.interval[0] < better.score.value < better.score.interval[1]
    assert better.against_shipped is not None
    assert better.against_shipped.surely == 1
    assert twin.score == compared.shipped.score
    assert twin.against_shipped is not None
    assert twin.against_shipped.interval == (0, 0)
    assert compared.choice.chosen == "better"


def of_numbers() -> Backtest:
    """Return a backtest of a regression in which the second policy errs less."""
    source = {"table": "rows", "key": "id", "label": "label", "label_time": "at", "features": ["a"]}
    candidates = [{"name": "linear", "estimator": "tests.core.toys:linear", "params": {"columns": ["a"]}}]
    gate = {"metric": "mae", "ceiling": 100.0}
    spec = parse(
        {"model": "prices", "task": "regression", "source": source, "candidates": candidates, "gate": gate},
        "prices.yaml",
    )
    made, rng = history(SHIPPED, Made("better", cpu=300), spec=spec), np.random.default_rng(1)
    labels = rng.normal(50, 10, len(made.times))
    replays = tuple(
        replace(each, predictions=Predictions(labels + rng.normal(0, error, len(labels))))
        for each, error in zip(made.replays, (4, 3), strict=True)
    )
    return replace(made, labels=labels, classes=(), replays=replays)


def test_where_smaller_is_better_the_smaller_error_is_recommended() -> None:
    compared = compare(of_numbers())
    better = compared.policy("better").against_shipped
    assert better is not None
    assert better.difference is not None
    assert better.difference < 0
    assert better.surely == 1
    assert (compared.choice.best, compared.choice.recommended) == (("better",), "better")
    standing = compared.shipped.standing
    assert standing is not None
    assert standing.behind is not None
    assert standing.behind[0] < -0.5 < standing.behind[1] <= 0


def test_a_metric_that_the_models_do_not_give_is_said_and_nothing_is_recommended() -> None:
    made = history(SHIPPED, Made("other"), spec=spec_of(metric="log_loss", ceiling=1.0))
    bare = tuple(replace(each, predictions=replace(each.predictions, probabilities=None)) for each in made.replays)
    compared = compare(replace(made, replays=bare))
    assert [each.score.value for each in compared.policies] == [None, None]
    assert compared.choice.recommended is None


# ── what is counted, and what is written


def test_promotions_and_holds_are_counted_and_those_that_were_surely_wrong() -> None:
    events = [(True, 0), (True, -1), (True, 1), (False, 1), (False, 1), (False, -1), (False, 0)]
    counts = compare(history(replace(SHIPPED, events=events, blocked=2, cpu=7.5))).shipped.counts
    assert (counts.promoted, counts.promoted_worse) == (3, 1)
    assert (counts.held, counts.held_better) == (4, 2)
    assert (counts.trainings, counts.blocked, counts.cpu_seconds) == (7, 2, 7.5)


def test_a_model_is_shown_by_period_where_it_served() -> None:
    compared = compare(history(SHIPPED, weeks=120))
    assert [each.model for each in compared.models] == ["model-0", "model-1", "model-2"]
    for each in compared.models:
        assert [score is not None for score in each.scores] == list(each.served)
    assert compared.models[0].served[0]
    assert compared.models[-1].served[-1]


def test_a_model_that_was_asked_later_is_shown_as_it_ages() -> None:
    made = history(SHIPPED, weeks=120)
    decision, rows = wanted(made.replays[0])[0]
    old = rows > len(made.times) // 2
    labels = made.labels[rows].astype(np.int64)
    aged = Aged(decision, rows, Predictions(np.where(old, 1 - labels, labels)))  # right, and wrong when it is old
    (model,) = compare(replace(made, aged=(aged,))).models
    assert (model.scores[0], model.scores[-1]) == (1, 0)
    assert (model.served[0], model.served[-1]) == (True, False)


def test_the_same_backtest_gives_the_same_json_and_json_gives_it_back() -> None:
    made = history(SHIPPED, Made("other", 0.83), Made("always", 0.9, Rule.ALWAYS, blocked=2))
    compared = compare(made)
    assert compare(made).to_json() == compared.to_json()
    assert Compared.from_json(compared.to_json()) == compared
