"""What a gate will let pass, and what it allows by mistake, told before its first verdict."""

from collections.abc import Iterator
from datetime import timedelta
from math import ceil, sqrt
from statistics import NormalDist

from retrain.errors import RetrainError
from retrain.gate.proofs import margin_of
from retrain.gate.spending import alpha_of, false_a_year
from retrain.metrics import described
from retrain.preflight.finding import Finding
from retrain.records import Proof
from retrain.source.table import Source
from retrain.spec.spec import Spec
from retrain.spec.task import Task

_DISAGREEMENT = 0.06
"""On this share of the rows two fits of one recipe are assumed to differ; as many of these are for the better as for
the worse."""
_ENOUGH = 0.8
_RECENT, _YEAR, _MOST = timedelta(days=28), timedelta(days=365.25), 1_000_000


def outlook(spec: Spec, source: Source | None = None) -> Iterator[Finding]:
    """Yield how many equal refits would pass, whether cycles come for which no test is left and, where the source is
    known, how many false promotions are allowed.
    """
    yield from _passing(spec)
    yield from _without_tests(spec)
    if source is not None:
        yield from _allowed(spec, source)


def _passing(spec: Spec) -> Iterator[Finding]:
    """Yield how often a refit that is exactly as good as Production would pass the proof of non-inferiority."""
    gate = spec.gate
    if gate.proof is Proof.SUPERIORITY or spec.task is not Task.CLASSIFICATION or not described(gate.metric).in_points:
        return
    margin, needed = margin_of(gate, None), _z(alpha_of(gate, 1))
    rows = _round(spec)
    power = NormalDist().cdf(margin / sqrt(_DISAGREEMENT / rows) - needed)
    says = (
        f"gate: a refit that is exactly as good as Production passes the margin of {margin:g} in about {power:.0%} "
        f"(a holdout of {rows:,} rows, a round's first test, two models that differ on {_DISAGREEMENT:.0%} of the rows)"
    )
    if power < _ENOUGH:
        beyond = needed - _z(_ENOUGH)
        enough = ceil(_DISAGREEMENT * (beyond / margin) ** 2 / 100) * 100
        wide = beyond * sqrt(_DISAGREEMENT / rows)
        says += f"; for {_ENOUGH:.0%} set gate.round_rows to {enough:,}, or gate.margin to {wide:.2g}"
    yield Finding(says, fault=False)


def _allowed(spec: Spec, source: Source) -> Iterator[Finding]:
    """Yield how many false promotions a year the gate allows, at the rate at which rows arrived lately."""
    if spec.source.label_time is None:
        return
    window = spec.snapshot.window
    recent = _RECENT if window is None else min(_RECENT, window)
    try:
        labelled = source.count_labelled(source.now() - recent, _MOST)
    except RetrainError:  # the source's own findings say what is wrong with it
        return
    if not labelled:
        return
    a_year = labelled * (_YEAR / recent)
    false = false_a_year(spec.gate, a_year * spec.split.judging_share, a_year / spec.threshold.rows)
    least = "at least " if labelled == _MOST else ""
    yield Finding(
        f"gate: at the present rate ({least}{labelled:,} labelled rows in {recent.days} days) it allows at most "
        f"{false:.2g} promotions a year of what its proof excludes: alpha {spec.gate.alpha:g} in each holdout round",
        fault=False,
    )


def _without_tests(spec: Spec) -> Iterator[Finding]:
    """Yield where so many cycles come in one round that its tests do not last."""
    gate, a_cycle = spec.gate, spec.threshold.rows * spec.split.judging_share
    cycles = ceil(gate.round_rows / a_cycle)
    if spec.split.by != "group" and cycles > gate.tests:
        rows = ceil(gate.round_rows / gate.tests / spec.split.judging_share)
        yield Finding(
            f"gate: a cycle brings about {a_cycle:,.0f} holdout rows, so a round of {gate.round_rows:,} lasts "
            f"{cycles:,} cycles and has {gate.tests} tests: the others are INCONCLUSIVE; set threshold.rows to "
            f"{rows:,}, or gate.round_rows to {max(1, int(gate.tests * a_cycle)):,}",
            fault=False,
        )


def _round(spec: Spec) -> int:
    """Return how many rows a round has: what has arrived when a cycle finds enough for one."""
    a_cycle = spec.threshold.rows * spec.split.judging_share
    return ceil(ceil(spec.gate.round_rows / a_cycle) * a_cycle)


def _z(alpha: float) -> float:
    return -NormalDist().inv_cdf(alpha)
