"""Guards: conditions beside the comparison. Each says what it found; one that cannot be computed has failed."""

from collections.abc import Iterator
from math import isfinite

import numpy as np

from retrain.gate.additive import reliability
from retrain.gate.comparison import holdout_value, loss, probabilities_of
from retrain.gate.labels import Integers, Values
from retrain.gate.predictions import Evidence, Predictions
from retrain.labels import code
from retrain.metrics import described
from retrain.records import Guard, SliceScore
from retrain.spec.gate import Gate, Limit


def before(evidence: Evidence, gate: Gate, clusters: int) -> Iterator[Guard]:
    """Yield what must hold before anything is compared: one that fails makes the verdict INCONCLUSIVE."""
    matchup = evidence.matchup
    faults = list(evidence.faults)
    if not faults and (evidence.challenger is None or (matchup.production is not None and evidence.production is None)):
        who = "the challenger" if evidence.challenger is None else f"Production (version {matchup.production})"
        faults.append(f"the predictions of {who} are missing")
    for who, predictions in (
        ("the challenger", evidence.challenger),
        (f"Production (version {matchup.production})", evidence.production),
    ):
        if has_foreign_labels(evidence, predictions):
            faults.append(f"no prediction of {who} is one of the labels")
    yield _computable("measured", not faults, "; ".join(faults) or "every model gave predictions")
    unknown = (
        f"; {evidence.unknown:,} that an adopted version may have trained on do not count, and {_next_round(gate)}"
        if evidence.unknown
        else ""
    )
    yield _computable(
        "rows",
        clusters >= gate.min_rows,
        f"the holdout has {clusters:,} distinct rows and needs {gate.min_rows:,}{unknown}",
    )
    share = evidence.overlap / max(evidence.overlap + len(evidence.labels), 1)
    yield _computable(
        "overlap",
        share <= gate.max_overlap,
        f"{share:.1%} of the holdout rows were left out because a model had trained on them; "
        f"the limit is {gate.max_overlap:.1%}",
    )
    yield _classes(evidence, gate)
    if described(gate.metric).of_class:
        positives = len(np.unique(evidence.clusters[evidence.labels == code(gate.positive, evidence.classes)]))
        yield _computable(
            "positives",
            positives >= gate.min_positives,
            f"the holdout has {positives:,} distinct rows of {gate.positive!r} and needs {gate.min_positives:,}",
        )
    in_round, holdout_round = 1 <= matchup.test <= gate.tests, f"holdout round {matchup.holdout_round}"
    yield _computable(
        "holdout_round",
        in_round,
        f"test {matchup.test} of {gate.tests} in {holdout_round}"
        if in_round
        else f"the {gate.tests} tests of {holdout_round} are spent (this would be test {matchup.test}); "
        f"{_next_round(gate)}",
    )


def _next_round(gate: Gate) -> str:
    return f"the next round opens when {gate.round_rows:,} new holdout rows have arrived"


def beside(evidence: Evidence, gate: Gate) -> Iterator[Guard]:
    """Yield what the challenger must keep to, whatever the comparison says."""
    challenger, production = evidence.challenger, evidence.production
    if challenger is None:
        return
    for each in gate.limits:
        yield limit(each, holdout_value(evidence, each, challenger))
    if production is None:
        yield from _empty_slices(evidence, gate)
    if evidence.twin:
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
        yield _at_most(
            "calibration",
            "the expected calibration error is",
            ece(challenger, evidence.labels.astype(np.int64)),
            gate.max_ece,
        )
    if gate.max_share_shift is not None:
        yield _at_most(
            "label share",
            "the greatest difference between the share of a class among the predictions and among the labels is",
            _shift(evidence, challenger),
            gate.max_share_shift,
        )
    if gate.max_latency_ms is not None:
        yield _at_most(
            "latency",
            "the 95th percentile of the time for one row, in ms, is",
            challenger.latency_ms,
            gate.max_latency_ms,
        )
    if gate.max_slowdown is not None and production is not None:
        ratio = _ratio(challenger.latency_ms, production.latency_ms)
        yield _at_most("slowdown", "the time for one row, as a multiple of Production's, is", ratio, gate.max_slowdown)
    if gate.max_growth is not None and production is not None:
        ratio = _ratio(challenger.size, production.size)
        yield _at_most("growth", "the size, as a multiple of Production's, is", ratio, gate.max_growth)


def _empty_slices(evidence: Evidence, gate: Gate) -> Iterator[Guard]:
    """Yield each slice without a row, so that a wrong value is told at the first model and not at the second."""
    for each in gate.slices:
        rows = evidence.slices.get(str(each))
        if rows is None or not rows.any():
            says = f"slice {each} holds no row of the holdout, so it guards nothing: correct its value, or remove it"
            yield _computable(f"slice {each}", False, says)


def limit(each: Limit, value: float | None, name: str | None = None) -> Guard:
    """Return whether a metric keeps to its floor and its ceiling."""
    name = name or f"limit of {each.metric}"
    words = described(each.metric).words + ("" if each.positive is None else f" of {each.positive}")
    if value is None:
        return _computable(name, False, f"{words} could not be computed, so it misses its limit")
    says = []
    for passed, kind, bound, good, bad in (
        (each.floor is None or value >= each.floor, "floor", each.floor, "reaches", "misses"),
        (each.ceiling is None or value <= each.ceiling, "ceiling", each.ceiling, "keeps to", "exceeds"),
    ):
        if bound is not None:
            says.append((passed, f"{good if passed else bad} the {kind} of {bound:g}"))
    return Guard(
        name=name,
        passed=all(passed for passed, _ in says),
        says=f"{words} {value:.3f} {' and '.join(text for _, text in says)}",
    )


def missing(what: str) -> Guard:
    """Return the guard that has failed because this could not be computed."""
    return _computable("measured", False, f"{what} could not be computed")


def _computable(name: str, passed: bool, says: str) -> Guard:
    """Return a guard that counts as not computable if it has not passed."""
    return Guard(name=name, passed=passed, says=says, computed=passed)


def has_foreign_labels(evidence: Evidence, predictions: Predictions | None) -> bool:
    """Return whether no prediction of a model is a label.

    A single one is a wrong prediction. If it is all of them, they are of another type: 1.0 for 1, say.
    """
    return predictions is not None and bool(evidence.classes) and not np.isin(predictions.labels, evidence.labels).any()


def _classes(evidence: Evidence, gate: Gate) -> Guard:
    labels = np.unique(evidence.labels)
    if not evidence.classes:
        return _computable("labels", len(labels) >= 2, f"the holdout has {len(labels):,} different labels and needs 2")
    present = [evidence.classes[int(each)] for each in labels]
    # Without a label of its class, a metric of one class is 0 or undefined, whatever a model does.
    absent = sorted(
        {
            each.positive
            for each in (gate, *gate.limits)
            if each.positive is not None and described(each.metric).of_class and code(each.positive, present) is None
        }
    )
    return _computable(
        "classes",
        len(present) >= 2 and not absent,
        f"the holdout has labels of {len(present)} classes and needs 2"
        + (f", and has none of {', '.join(map(repr, absent))}" if absent else ""),
    )


def _signature(challenger: Predictions, production: Predictions) -> Guard:
    if production.inputs is None:  # an adopted version
        return Guard(name="signature", passed=True, says="Production has no signature to compare with")
    if challenger.inputs is None:
        return _computable("signature", False, "the challenger has no signature")
    inputs = challenger.inputs
    lost = [
        f"{name} ({type_}{f', now {inputs[name]}' if name in inputs else ''})"
        for name, type_ in production.inputs.items()
        if name not in inputs or not _takes(inputs[name], type_)
    ]
    says = (
        f"it no longer takes {', '.join(lost)} of Production's columns; put them back, or set gate.signature to any"
        if lost
        else "it takes all that Production takes"
    )
    return Guard(name="signature", passed=not lost, says=says)


_NUMBERS = {"boolean", "integer", "long", "float", "double"}
_UNKNOWN = "any"
"""What MLflow calls a column that held nothing but nulls where it looked."""


def _takes(own: str, theirs: str) -> bool:
    """Return whether a model that takes `own` takes what clients send as `theirs`: any number goes for another."""
    return own == theirs or _UNKNOWN in (own, theirs) or _NUMBERS.issuperset((own, theirs))


def _at_least(name: str, value: float | None, bound: float, words: str) -> Guard:
    if value is None:
        return _computable(name, False, f"the {name} could not be counted")
    return Guard(name=name, passed=value >= bound, says=f"{value:,} {name}; it needs at least {words}")


def _at_most(name: str, words: str, value: float | None, bound: float) -> Guard:
    if value is None or not isfinite(value):
        return _computable(name, False, f"the {name} could not be computed")
    return Guard(name=name, passed=value <= bound, says=f"{words} {value:.3g}; the limit is {bound:g}")


def _ratio(own: float | None, theirs: float | None) -> float | None:
    return None if own is None or not theirs else own / theirs


def ece(predictions: Predictions, labels: Integers) -> float | None:
    """Return the expected calibration error of the most probable class, in ten equal bins (Guo et al. 2017, §2).

    labels: their codes, shape (n,). None without rows, or without probabilities.
    """
    probabilities = probabilities_of(predictions)
    if probabilities is None or not len(labels):
        return None
    rows, confidences, hits = reliability(probabilities, labels)
    return float(np.abs(hits - confidences).sum() / rows.sum())


def _shift(evidence: Evidence, predictions: Predictions) -> float | None:
    if not len(evidence.labels) or not evidence.classes:
        return None

    def class_counts(values: Values) -> Integers:
        return np.bincount(values.astype(np.int64) + 1, minlength=len(evidence.classes) + 1)

    return float(np.abs(class_counts(predictions.labels) - class_counts(evidence.labels)).max() / len(evidence.labels))


def slices(evidence: Evidence, gate: Gate) -> Iterator[tuple[Guard, SliceScore]]:
    """Yield each slice; one fails where the challenger is shown, at alpha / slices, to lose more than its margin."""
    for each in gate.slices:
        name, rows = f"slice {each}", evidence.slices.get(str(each), np.zeros(len(evidence.labels), np.bool_))
        part = evidence.part(rows)
        clusters, measured = len(np.unique(part.clusters)), None
        if clusters < each.min_rows:
            guard = _computable(name, False, f"{name} has {clusters:,} distinct rows and needs {each.min_rows:,}")
        elif described(gate.metric).of_class and code(gate.positive, evidence.classes) not in part.labels:
            # A metric of one class is then 0 or undefined, whatever a model does.
            guard = _computable(name, False, f"{name} has no label {gate.positive!r}")
        elif (measured := loss(part, gate, each.margin, gate.alpha / len(gate.slices))) is None:
            guard = _computable(name, False, f"{described(gate.metric).words} of {name} could not be computed")
        else:
            words = f"{name}: {measured.own:.3f} against {measured.theirs:.3f} on {len(part.labels):,} rows"
            verb = "is shown to be" if measured.shown else "is not shown to be"
            guard = Guard(name=name, passed=not measured.shown, says=f"{words} {verb} more than {each.margin:g} worse")
        yield (
            guard,
            SliceScore(
                name=str(each),
                rows=len(part.labels),
                score=measured.own if measured else None,
                production_score=measured.theirs if measured else None,
                interval=measured.interval if measured else None,
            ),
        )
