"""Decides when a cycle starts and what its gate asks for, from how many rows there are and how fast they come."""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor, log10, sqrt
from statistics import fmean, median

from retrain.preflight.init_label import Label
from retrain.preflight.init_places import LabelTime
from retrain.preflight.init_wish import number_text
from retrain.spec.gate import Gate
from retrain.spec.source import Split
from retrain.spec.task import Task

_GATE, _SPLIT = Gate(), Split()
_LEAST = 20
"""Fewer rows, or rows of a class, than this show nothing."""
_FEW_OF_CLASS = 25
"""Where a class has fewer rows, a mean over the classes is ruled by chance."""
_LARGER_HOLDOUT, _SHORTER_ROUND = 0.3, 100
"""Of a table with few rows."""
_ABOVE, _BELOW = 0.05, 0.95
"""How much better than an answer without a model a first one must be."""
_DAY, _WEEK, _RECENT = 86_400, 7, 28


@dataclass(frozen=True)
class Judging:
    """Values of the sections `threshold`, `split` and `gate`, and why they are so."""

    rows: int
    why_rows: str
    holdout: float
    metric: str
    limit: float
    """The floor; of a regression the ceiling."""
    why_limit: str
    min_rows: int
    min_positives: int | None
    """None where the metric is not about one class."""
    round_rows: int
    notes: tuple[str, ...]


def judging(
    label: Label, labelled: int, contents: Sequence[Hashable], time: LabelTime | None, now: datetime
) -> Judging:
    """labelled: rows with a label. contents: the features of each row of the sample."""
    distinct = _distinct(contents, labelled)
    small = _surely(_SPLIT.holdout * distinct) < _GATE.min_rows
    holdout = _LARGER_HOLDOUT if small else _SPLIT.holdout
    metric, limit, why_limit = _metric(label)
    share = label.shares[1] if metric == "f1" else 1.0
    min_rows = _reachable(holdout * distinct, _GATE.min_rows)
    min_positives = _reachable(holdout * distinct * share, _GATE.min_positives) if metric == "f1" else None
    # Each round must have what the gate asks for, and its tests must last until the next one opens.
    needed = 1.2 * max(min_rows, (min_positives or 0) / share)
    round_rows = max(_SHORTER_ROUND if small else _GATE.round_rows, _up(needed))
    rows, why_rows = _threshold(labelled, _a_day(labelled, time, now), round_rows / (_GATE.tests * holdout))
    notes = [*_of_size(labelled, distinct, holdout * distinct * share, share < 1), *_of_times(time, now)]
    return Judging(rows, why_rows, holdout, metric, limit, why_limit, min_rows, min_positives, round_rows, tuple(notes))


# ── how many rows


def _distinct(contents: Sequence[Hashable], labelled: int) -> float:
    """Estimate how many different contents all labelled rows have: the chance that the next row has a new one is the
    share of those that the sample has seen once.
    """
    seen = Counter(contents)
    once = sum(times == 1 for times in seen.values()) / max(1, len(contents))
    return len(seen) + once * max(0, labelled - len(contents))


def _surely(expected: float) -> float:
    """Return how many rows a subset has at least, which has this many on average."""
    return expected - 3 * sqrt(expected)


def _reachable(expected: float, usual: int) -> int:
    """Return how many rows the gate may ask for: what is usual, or what there surely is, in tens."""
    return usual if _surely(expected) >= usual else max(_LEAST, floor(_surely(expected) / 10) * 10)


def _a_day(labelled: int, time: LabelTime | None, now: datetime) -> float | None:
    """Return how many rows were labelled a day, lately; None where nothing says so."""
    times = [each for each in time.times if each <= now.timestamp()] if time else []
    if not times:
        return None
    days = min(_RECENT, (max(times) - min(times)) / _DAY)
    if days < 1:
        return None  # loaded at once
    recent = sum(each > max(times) - days * _DAY for each in times)
    return recent / len(times) * labelled / days


def _threshold(labelled: int, a_day: float | None, least: float) -> tuple[int, str]:
    if a_day is None:
        wanted, why = labelled / 10, "about a tenth of the labelled rows"
    else:
        wanted, why = a_day * _WEEK, f"about a week: lately {_round(a_day)} a day came"
        if wanted < labelled / 20:
            wanted, why = labelled / 20, f"about a twentieth of the labelled rows: lately {_round(a_day)} a day came"
    if wanted < least:
        why = f"so that the {_GATE.tests} tests of a holdout round last until the next one opens"
        return min(max(labelled, 1), _up(least)), why
    return min(max(labelled, 1), _nice(wanted)), why


def _of_size(labelled: int, distinct: float, judge: float, of_class: bool) -> Iterator[str]:
    if distinct < 0.9 * labelled:
        yield f"{labelled:,} labelled rows have about {_round(distinct)} different contents; copies count once"
    kind = " of the rarer class" if of_class else ""
    if _surely(judge) < _LEAST:
        enough = _up((_LEAST + 3 * sqrt(_LEAST)) / max(judge, 0.01) * labelled)
        yield (
            f"few rows: about {_round(judge)} different ones{kind} judge, and fewer than {_LEAST} show nothing; most "
            f"verdicts will be INCONCLUSIVE until about {enough:,} rows are labelled"
        )
    elif _surely(judge) < _GATE.min_rows:
        yield (
            f"few rows: about {_round(judge)} different ones{kind} judge, so that a small gain is not seen: verdicts "
            "about a second model will often be HOLD"
        )


def _of_times(time: LabelTime | None, now: datetime) -> Iterator[str]:
    if time is not None and now.timestamp() - max(time.times) > _RECENT * _DAY:
        newest = datetime.fromtimestamp(max(time.times), UTC).date()
        yield f"no row has been labelled since {newest}: see whether rows still come"


# ── what the gate measures


def _metric(label: Label) -> tuple[str, float, str]:
    """Return the metric, its floor or ceiling, and why that."""
    if label.task is Task.REGRESSION:
        middle = median(label.values)
        error = fmean(abs(each - middle) for each in label.values)
        return (
            "mae",
            float(f"{_BELOW * error:.3g}"),
            f"who always answers {number_text(middle)} reaches {number_text(error)}",
        )
    first = label.shares[0]
    if label.positive is not None:
        share = label.shares[1]
        metric, blind = "f1", 2 * share / (1 + share)
        why = f"who always answers {label.classes[1][0]} reaches {blind:.2f}"
    elif len(label.classes) > 2 and label.classes[-1][1] < _FEW_OF_CLASS:
        metric, blind = "f1_weighted", max(2 * first**2 / (1 + first), sum(each**2 for each in label.shares))
        why = f"who guesses reaches {blind:.2f}"
    else:
        metric, blind = "f1_macro", max(2 * first / (1 + first), 1) / len(label.classes)
        why = f"who guesses reaches {blind:.2f}"
    return metric, min(0.95, round(blind + _ABOVE, 2)), why


# ── numbers for people


def _round(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.1g}"


def _nice(number: float) -> int:
    """Return the greatest of 1, 2, 5, 10, 20, … that is not above."""
    power = 10 ** floor(log10(max(1, number)))
    return int(power * next(each for each in (5, 2, 1) if each * power <= max(1, number)))


def _up(number: float) -> int:
    """Return the least number of two digits and noughts that is not below."""
    power: int = 10 ** max(0, floor(log10(max(1, number))) - 1)
    return ceil(number / power) * power
