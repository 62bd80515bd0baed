"""What must hold beside the comparison. Each guard says what it found; one that cannot be computed has failed."""

from collections.abc import Iterator
from math import isfinite

import numpy as np

from retrain.gate.additive import reliability
from retrain.gate.comparison import figure_of, loss, probabilities_of
from retrain.gate.labels import Codes, Values, code
from retrain.gate.predictions import Evidence, Predictions
from retrain.metrics import described
from retrain.records import Guard, SliceScore
from retrain.spec.gate import Gate, Limit


def before(scores: Evidence, gate: Gate, clusters: int) -> Iterator[Guard]:
    """What must hold before anything is compared: each that fails makes the verdict INCONCLUSIVE."""
    matchup = scores.matchup
    faults = list(scores.faults)
    if not faults and (scores.challenger is None or (matchup.production is not None and scores.production is None)):
        who = "the challenger" if scores.challenger is None else f"Production (version {matchup.production})"
        faults.append(f"the answers of {who} are missing")
    if not faults and matchup.anchor is not None and scores.anchor is None:
        faults.append(f"the answers of version {matchup.anchor}, the last that was better, are missing")
    faults += list(_strangers(scores))
    yield _known("measured", not faults, "; ".join(faults) or "every model answered")
    unknown = f"; {scores.unknown:,} that an adopted version may have trained on do not count" if scores.unknown else ""
    yield _known(
        "rows",
        clusters >= gate.min_rows,
        f"the holdout has {clusters:,} distinct rows and needs {gate.min_rows:,}{unknown}",
    )
    share = scores.overlap / max(scores.overlap + len(scores.labels), 1)
    yield _known(
        "overlap",
        share <= gate.max_overlap,
        f"{share:.1%} of the holdout rows were left out because a model had trained on them,"
        f" and {gate.max_overlap:.1%} may be",
    )
    yield _classes(scores, gate)
    if described(gate.metric).of_class:
        positives = len(np.unique(scores.clusters[scores.labels == code(gate.positive, scores.classes)]))
        yield _known(
            "positives",
            positives >= gate.min_positives,
            f"the holdout has {positives:,} distinct rows of {str(gate.positive)!r} and needs {gate.min_positives:,}",
        )
    in_time = 1 <= matchup.test <= gate.tests
    spent = f"the {gate.tests} tests of holdout round {matchup.holdout_round} are spent (this would be test {matchup.test});"
    yield _known(
        "holdout_round",
        in_time,
        f"test {matchup.test} of {gate.tests} in holdout round {matchup.holdout_round}"
        if in_time
        else f"{spent} the next round opens when {gate.round_rows:,} new holdout rows have arrived",
    )


def beside(scores: Evidence, gate: Gate) -> Iterator[Guard]:
    """What the challenger must keep to, whatever the comparison says."""
    challenger, production = scores.challenger, scores.production
    if challenger is None:
        return
    for each in gate.limits:
        yield limit(each, figure_of(scores, each, challenger))
    if scores.twin:
        yield Guard(name="twin", passed=False, says="Production is the same candidate on the same snapshot")
    if gate.signature == "widened" and production is not None:
        yield _signature(challenger, production)
    if production is not None and production.train_rows is not None:
        yield _at_least(
            "training rows",
            challenger.train_rows,
            gate.min_train_share * production.train_rows,
            f"{gate.min_train_share:g} times the {production.train_rows:,} of Production",
        )
    if gate.max_ece is not None:
        yield _at_most("calibration", "the expected calibration error is", _ece(scores, challenger), gate.max_ece)
    if gate.max_share_shift is not None:
        yield _at_most(
            "label share",
            "the share of a class differs from its labels by",
            _shift(scores, challenger),
            gate.max_share_shift,
        )
    if gate.max_latency_ms is not None:
        yield _at_most(
            "latency",
            "the 95th percentile of the time for one row is, in ms,",
            challenger.latency_ms,
            gate.max_latency_ms,
        )
    if gate.max_slowdown is not None and production is not None:
        ratio = _ratio(challenger.latency_ms, production.latency_ms)
        yield _at_most("slowdown", "the time for one row is, in times of Production's,", ratio, gate.max_slowdown)
    if gate.max_growth is not None and production is not None:
        ratio = _ratio(challenger.size, production.size)
        yield _at_most("growth", "the size is, in times of Production's,", ratio, gate.max_growth)


def limit(each: Limit, found: float | None, name: str | None = None) -> Guard:
    """Whether a metric keeps to its floor and its ceiling."""
    name = name or f"limit of {each.metric}"
    words = described(each.metric).words + ("" if each.positive is None else f" of {each.positive}")
    if found is None:
        return _known(name, False, f"{words} could not be computed, so it misses its limit")
    says = []
    for passed, kind, bound, good, bad in (
        (each.floor is None or found >= each.floor, "floor", each.floor, "reaches", "misses"),
        (each.ceiling is None or found <= each.ceiling, "ceiling", each.ceiling, "keeps to", "exceeds"),
    ):
        if bound is not None:
            says.append((passed, f"{good if passed else bad} the {kind} of {bound:g}"))
    return Guard(
        name=name,
        passed=all(passed for passed, _ in says),
        says=f"{words} {found:.3f} {' and '.join(text for _, text in says)}",
    )


def missing(what: str) -> Guard:
    return _known("measured", False, f"{what} could not be computed")


def _known(name: str, passed: bool, says: str) -> Guard:
    return Guard(name=name, passed=passed, says=says, computed=passed)


def _strangers(scores: Evidence) -> Iterator[str]:
    """One answer that is no label is a wrong one. If all are, they are of another type: 1.0 for 1, say."""
    matchup = scores.matchup
    for who, answers in (
        ("the challenger", scores.challenger),
        (f"Production (version {matchup.production})", scores.production),
        (f"version {matchup.anchor}", scores.anchor),
    ):
        if answers is not None and scores.classes and not np.isin(answers.labels, scores.labels).any():
            yield f"no answer of {who} is one of the labels"


def _classes(scores: Evidence, gate: Gate) -> Guard:
    codes = np.unique(scores.labels)
    if not scores.classes:
        return _known("labels", len(codes) >= 2, f"the holdout has {len(codes):,} different labels and needs 2")
    present = [scores.classes[int(each)] for each in codes]
    # Without a label of its class, a metric of one class is 0 or undefined whatever a model does.
    absent = sorted(
        {
            str(each.positive)
            for each in (gate, *gate.limits)
            if described(each.metric).of_class and str(each.positive) not in present
        }
    )
    return _known(
        "classes",
        len(present) >= 2 and not absent,
        f"the holdout has labels of {len(present)} classes and needs 2"
        + (f", and has none of {', '.join(map(repr, absent))}" if absent else ""),
    )


def _signature(challenger: Predictions, production: Predictions) -> Guard:
    if production.inputs is None:  # of one that somebody adopted
        return Guard(name="signature", passed=True, says="Production has no signature that could be kept to")
    if challenger.inputs is None:
        return _known("signature", False, "the challenger has no signature")
    lost = [f"{name} ({type_})" for name, type_ in production.inputs.items() if challenger.inputs.get(name) != type_]
    says = (
        f"it no longer takes {', '.join(lost)} of Production's columns"
        if lost
        else "it takes all that Production takes"
    )
    return Guard(name="signature", passed=not lost, says=says)


def _at_least(name: str, figure: float | None, bound: float, words: str) -> Guard:
    if figure is None:
        return _known(name, False, f"the {name} could not be counted")
    return Guard(name=name, passed=figure >= bound, says=f"{figure:,} {name}, and at least {words} are needed")


def _at_most(name: str, words: str, figure: float | None, bound: float) -> Guard:
    if figure is None or not isfinite(figure):
        return _known(name, False, f"the {name} could not be computed")
    return Guard(name=name, passed=figure <= bound, says=f"{words} {figure:.3g}, and {bound:g} is the most")


def _ratio(own: float | None, theirs: float | None) -> float | None:
    return None if own is None or not theirs else own / theirs


def _ece(scores: Evidence, answers: Predictions) -> float | None:
    """Expected calibration error of the most probable class, in ten bins of equal width (Guo et al. 2017, §2)."""
    probabilities = probabilities_of(answers)
    if probabilities is None or not len(scores.labels):
        return None
    rows, said, found = reliability(probabilities, scores.labels.astype(np.int64))
    return float(np.abs(found - said).sum() / rows.sum())


def _shift(scores: Evidence, answers: Predictions) -> float | None:
    if not len(scores.labels) or not scores.classes:
        return None

    def how_often(values: Values) -> Codes:
        return np.bincount(values.astype(np.int64) + 1, minlength=len(scores.classes) + 1)

    return float(np.abs(how_often(answers.labels) - how_often(scores.labels)).max() / len(scores.labels))


def slices(scores: Evidence, gate: Gate) -> Iterator[tuple[Guard, SliceScore]]:
    """A slice fails where it is shown, at alpha / slices, that the challenger loses more than its margin there."""
    for each in gate.slices:
        name, rows = f"slice {each}", scores.slices.get(str(each), np.zeros(len(scores.labels), np.bool_))
        part = scores.part(rows)
        clusters, found = len(np.unique(part.clusters)), None
        if clusters < each.min_rows:
            guard = _known(name, False, f"{name} has {clusters:,} distinct rows and needs {each.min_rows:,}")
        elif described(gate.metric).of_class and code(gate.positive, scores.classes) not in part.labels:
            # A metric of one class is 0 or undefined then, whatever a model does.
            guard = _known(name, False, f"{name} has no label {str(gate.positive)!r}")
        elif (found := loss(part, gate, each.margin, gate.alpha / len(gate.slices))) is None:
            guard = _known(name, False, f"{described(gate.metric).words} of {name} could not be computed")
        else:
            words = f"{name}: {found.own:.3f} against {found.theirs:.3f} on {len(part.labels):,} rows"
            verb = "is shown to be" if found.shown else "is not shown to be"
            guard = Guard(name=name, passed=not found.shown, says=f"{words} {verb} more than {each.margin:g} worse")
        yield (
            guard,
            SliceScore(
                name=str(each),
                rows=len(part.labels),
                score=found.own if found else None,
                production_score=found.theirs if found else None,
                interval=found.interval if found else None,
            ),
        )
