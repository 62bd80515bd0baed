"""The words and numbers of a backtest, for its table and its page."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from retrain.backtest.compared import Compared, ComparedPolicy, Difference, Score
from retrain.backtest.replayed import Rule
from retrain.backtest.weeks import Interval
from retrain.metrics import METRICS, described

WITHOUT_GATE = {
    Rule.NEVER: "never: the first model stays",
    Rule.ALWAYS: "always: each challenger goes into Production",
    Rule.GREATER: "greater: a challenger with the better score on the holdout goes",
}
_NOT_IN_POINTS = ("log_loss", "brier", "mae", "rmse", "r2")


# ── numbers


def in_points(metric: str) -> bool:
    """Whether differences are told in points: hundredths of a metric from 0 to 1."""
    return metric in METRICS and metric not in _NOT_IN_POINTS


def unit(metric: str) -> str:
    return "points" if in_points(metric) else described(metric).words


def scaled(metric: str, difference: float) -> float:
    """Return a difference as it is shown: in points, or in the metric's own units."""
    return 100 * difference if in_points(metric) else difference


def signed(metric: str, difference: float) -> str:
    shown = scaled(metric, difference)
    text = f"{shown:+.2f}" if in_points(metric) else f"{shown:+.3g}"
    return text.replace("-", "−") if float(text) else text.lstrip("+-")


def score(metric: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if in_points(metric) or metric in ("log_loss", "brier", "r2") else f"{value:.4g}"


def score_interval(metric: str, it: Score) -> str:
    return "" if it.interval is None else f"{score(metric, it.interval[0])} to {score(metric, it.interval[1])}"


def interval(metric: str, ends: Interval) -> str:
    return "" if ends is None else f"{signed(metric, ends[0])} to {signed(metric, ends[1])}"


def difference(metric: str, it: Difference) -> str:
    """Return `+0.52 (+0.31 to +0.73)`."""
    if it.difference is None:
        return "–"
    ends = interval(metric, it.interval)
    return signed(metric, it.difference) + (f" ({ends})" if ends else "")


def duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s" if seconds else "0 s"
    for size, word, upto in ((1, "s", 60), (60, "min", 100), (3600, "h", 72)):
        if seconds < upto * size:
            amount = seconds / size
            return f"{amount:.1f} {word}".replace(".0 ", " ") if amount < 10 else f"{amount:.0f} {word}"
    return f"{seconds / 86_400:,.1f} days"


def day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(quoted, names[:most])) + more


def quoted(name: str) -> str:
    """Return the name of a policy as it stands in a sentence: it may hold commas."""
    return f'"{name}"'


def surely(sure: int) -> str:
    return {1: "surely better", 0: "not distinguishable", -1: "surely worse"}[sure]


# ── sentences


def sentences(compared: Compared) -> Iterator[str]:
    """Yield what there is to say beside the table: what was scored, the choice, its test, and what is recommended."""
    metric, choice, total = compared.metric, compared.choice, len(compared.policies)
    yield (
        f"{compared.rows:,} rows from {day(compared.begins)} to {day(compared.ends)} are scored, each by the model "
        f"that was in Production then, before any model has learnt from it."
    )
    contest = [each for each in compared.policies if each.standing is not None]
    if contest and choice.best:
        yield (
            f"The choice is made on the {choice.rows:,} rows before {day(choice.until)}. "
            f"{_of_the_best(choice.best, len(contest))}"
        )
        if len(contest) < total:
            yield "Only policies with a gate are ever recommended: without one, nothing holds back a broken model."
    if choice.test is not None and choice.chosen is not None:
        yield (
            f"One test on the {choice.test_rows:,} rows since, which the choice has not seen: "
            f"{quoted(choice.chosen)} against the spec as it is: {difference(metric, choice.test)} {unit(metric)}, "
            f"{surely(choice.test.surely)}."
        )
    yield choice.reason


def _of_the_best(best: Sequence[str], contest: int) -> str:
    if contest == 1:
        return f"{quoted(best[0])} is the only policy with a gate."
    if len(best) == 1:
        return f"Of {contest} policies with a gate, {quoted(best[0])} is surely the best."
    return f"{len(best)} of {contest} policies with a gate cannot be told apart from the best: {listed(best)}."


def reason(
    metric: str, policies: Sequence[ComparedPolicy], chosen: int | None, test: Difference | None, recommended: int
) -> str:
    """Say what is recommended and why; policies are named by their places."""
    if chosen is None:
        return "Nothing is recommended: the time of the choice has too few weeks, or no score for the spec as it is."
    it, shipped = policies[chosen], policies[0]
    name = quoted(it.name)
    costs = " against ".join(f"{each.counts.rows_fitted:,}" for each in (it, shipped)) + " rows"
    if recommended != 0:
        if test is not None and test.surely > 0:
            why = f"It is surely better than the spec as it is ({costs} learnt from)"
        else:
            alike = f"not distinguishable from the spec as it is{_at_most(metric, test)}"
            why = f"It is {alike}, and cheaper ({costs} learnt from)"
        return f"Recommended: {name}. {why}."
    if chosen == 0:
        why = "It is the cheapest that cannot be told apart from the best"
    elif test is None:
        why = f"{name} was chosen, but too little time is left to test it"
    elif test.surely < 0:
        why = f"{name} was chosen, but is surely worse in its test"
    else:
        why = (
            f"{name} was chosen, but its test does not tell the two apart, and it is not cheaper ({costs} learnt from)"
        )
    return f"Recommended: the spec as it is. {why}."


def _at_most(metric: str, test: Difference | None) -> str:
    if test is None or test.interval is None:
        return ""
    worst = max(0.0, *(-described(metric).sign * end for end in test.interval))
    return f", at most {scaled(metric, worst):.2g} {unit(metric)} worse"


# ── how to read it

SURELY = "Surely: a paired 95% interval, from resampling whole {unit}s of the rows that followed, excludes 0."


def explained(compared: Compared) -> str:
    return SURELY.format(unit=compared.unit)


def counts_of(policy: ComparedPolicy) -> tuple[str, str]:
    """Return how many were promoted and held, and how many of these surely wrongly: `42 (2)`."""
    counts = policy.counts
    return f"{counts.promoted:,} ({counts.promoted_worse:,})", f"{counts.held:,} ({counts.held_better:,})"
