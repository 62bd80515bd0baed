"""How far rows have moved from those that Production was trained on: features and labels, each on its own.

PSI is the population stability index (Siddiqi, *Credit Risk Scorecards*, 2006): the sum over bins of the difference of
the two shares times the logarithm of their ratio. The bins are ten quantiles of the reference, and one for what is
missing. Nothing here decides anything.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import stats

from retrain.records import Record
from retrain.spec.task import Task

MOST_ROWS = 100_000
"""Of either side, drawn at random where there are more: what it costs does not grow with the table."""
ENOUGH = 500
"""New rows that are compared by themselves. Without any drift PSI is (bins − 1)(1/n + 1/m) on average: 0.02 where 500
rows in 11 bins are compared with many."""
SOME, MUCH = 0.1, 0.25
"""Siddiqi's rule of thumb for PSI: below the first little has moved, above the second much has."""
_BINS = 10
_FEW = 100
_WORDS = 1_000
"""The most frequent ones, which are compared one by one."""

Floats = NDArray[np.float64]


class Drift(Record):
    """Of one feature, or of the label. Of a text, PSI is that of its length in characters."""

    name: str
    """Of the column; `label` for the label."""
    psi: float
    ks: float | None = None
    """Statistic of the two-sample Kolmogorov–Smirnov test, between 0 and 1; None for what is no number."""
    p_value: float | None = None
    """Of that test, asymptotic."""
    unseen_words: float | None = None
    """Share of the words that the reference never holds."""
    js_distance: float | None = None
    """Jensen–Shannon distance between the frequencies of words, between 0 and 1."""
    of_classes: bool = False
    """Whether the bins are classes."""
    bins: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]
    """Both: share of the rows in each bin."""


def drift(reference: pa.Table, rows: pa.Table, features: Sequence[str], task: Task) -> tuple[Drift, ...]:
    """Of each of these features that both have as the same kind, and of the label, which comes last.

    Empty where one of the two has no rows.
    """
    if not len(reference) or not len(rows):
        return ()
    both = [name for name in features if {name} <= set(reference.column_names) & set(rows.column_names)]
    found = []
    for name in both:
        was, now = reference[name], rows[name]
        if _is_text(was) and _is_text(now):
            found.append(_of_text(name, was, now))
        elif not _is_text(was) and not _is_text(now):
            found.append(_of_numbers(name, _floats(was), _floats(now)))
    was, now = reference["label"], rows["label"]
    if task is Task.REGRESSION:
        found.append(_of_numbers("label", _floats(was), _floats(now)))
    else:
        found.append(_of_classes("label", was.cast(pa.string()), now.cast(pa.string())))
    return tuple(found)


def sample(rows: pa.Table, seed: str) -> pa.Table:
    """At most `MOST_ROWS` of them. seed: hexadecimal, an id of a snapshot, so that the same rows are drawn again."""
    if len(rows) <= MOST_ROWS:
        return rows
    dice = np.random.default_rng(int(seed, 16))
    return rows.take(pa.array(np.sort(dice.choice(len(rows), MOST_ROWS, replace=False))))


def new_or_all(rows: pa.Table, known: pa.ChunkedArray) -> pa.Table:
    """The rows whose key is not among `known`, which a model can only have met since; all, where those are too few."""
    new = rows.filter(pc.invert(pc.is_in(rows["key"], known)))
    return new if len(new) >= ENOUGH else rows


# ── numbers


def _of_numbers(name: str, was: Floats, now: Floats) -> Drift:
    """was, now: shape (rows,), NaN where missing."""
    known = [values[~np.isnan(values)] for values in (was, now)]
    if not all(map(len, known)):
        return Drift(name=name, **_binned(was, now))
    # The exact p takes long where rows are many, and the asymptotic one is undefined where they are very few.
    test = stats.ks_2samp(*known, method="asymp" if max(map(len, known)) > _FEW else "exact")
    return Drift(name=name, ks=float(test.statistic), p_value=float(test.pvalue), **_binned(was, now))


def _binned(was: Floats, now: Floats) -> dict[str, Any]:
    """PSI, the bins, and the share of both in each."""
    edges = _edges(was[~np.isnan(was)])
    return {**_psi(_counts(was, edges), _counts(now, edges)), "bins": _names(edges)}


def _edges(values: Floats) -> Floats:
    """The upper ends of all bins but the last one.

    A value that is more than one of the quantiles has a bin of its own: of a column that is nearly always 0, what is
    below and what is above it is seen.
    """
    if not len(values):
        return values
    quantiles = np.quantile(values, np.arange(1, _BINS) / _BINS, method="inverted_cdf")
    edges, counts = np.unique(quantiles, return_counts=True)
    return np.union1d(edges, np.nextafter(edges[counts > 1], -np.inf))


def _names(edges: Floats) -> tuple[str, ...]:
    names = []
    for place, edge in enumerate(edges):
        before, after = edges[place - 1] if place else np.nan, edges[place + 1] if place + 1 < len(edges) else np.nan
        if edge == np.nextafter(after, -np.inf):
            names.append(f"< {after:.4g}")
        elif before == np.nextafter(edge, -np.inf):
            names.append(f"= {edge:.4g}")
        else:
            names.append(f"≤ {edge:.4g}")
    return (*names, f"> {edges[-1]:.4g}" if len(edges) else "any", "missing")


def _counts(values: Floats, edges: Floats) -> NDArray[np.int64]:
    missing = np.isnan(values)
    bins = np.searchsorted(edges, values[~missing], side="left")
    return np.append(np.bincount(bins, minlength=len(edges) + 1), missing.sum())


def _psi(was: NDArray[np.int64], now: NDArray[np.int64]) -> dict[str, Any]:
    """was, now: rows in each bin, shape (bins,)."""
    # Half a row more in each bin that either has rows in: an empty one would make it infinite.
    used = (was + now) > 0
    p, q = ((counts[used] + 0.5) / (counts.sum() + 0.5 * used.sum()) for counts in (was, now))
    return {
        "psi": float(((q - p) * np.log(q / p)).sum()),
        "reference": tuple((was / was.sum()).tolist()),
        "current": tuple((now / now.sum()).tolist()),
    }


# ── texts


def _of_text(name: str, was: pa.ChunkedArray, now: pa.ChunkedArray) -> Drift:
    words = [_words(column) for column in (was, now)]
    return Drift(
        name=name,
        unseen_words=_unseen(words[1], words[0].field("values")),
        js_distance=_js_distance(*words),
        **_binned(*(_floats(pc.utf8_length(column)) for column in (was, now))),
    )


def _words(texts: pa.ChunkedArray) -> pa.StructArray:
    """Each word with how often it occurs. Texts are normalised as those of a content key are (`retrain.content`)."""
    normal = pc.utf8_lower(pc.utf8_normalize(texts.cast(pa.large_string()), form="NFKC"))
    words = pc.list_flatten(pc.utf8_split_whitespace(normal))
    return pc.value_counts(words.filter(pc.not_equal(words, "")))


def _unseen(words: pa.StructArray, known: pa.Array) -> float | None:
    counts = words.field("counts").to_numpy()
    unseen = ~pc.is_in(words.field("values"), known).to_numpy(zero_copy_only=False)
    return float(counts[unseen].sum() / counts.sum()) if counts.sum() else None


def _js_distance(was: pa.StructArray, now: pa.StructArray) -> float | None:
    """Over the words that are most frequent in the two together, and all others as one."""
    totals = [int(pc.sum(words.field("counts")).as_py() or 0) for words in (was, now)]
    if not all(totals):
        return None
    names = pc.unique(pa.chunked_array([was.field("values"), now.field("values")]))
    shares = np.zeros((2, len(names)))
    for row, words, total in zip(shares, (was, now), totals, strict=True):
        row[pc.index_in(words.field("values"), names).to_numpy()] = words.field("counts").to_numpy() / total
    often = np.argsort(-shares.sum(axis=0), kind="stable")[:_WORDS]
    p, q = (np.append(row[often], max(0.0, 1 - row[often].sum())) for row in shares)
    divergence = stats.entropy((p + q) / 2, base=2) - (stats.entropy(p, base=2) + stats.entropy(q, base=2)) / 2
    return float(np.sqrt(max(0.0, divergence)))  # a rounding error below 0 has no root


# ── classes


def _of_classes(name: str, was: pa.ChunkedArray, now: pa.ChunkedArray) -> Drift:
    classes = pc.unique(pa.chunked_array([*was.chunks, *now.chunks], pa.string()))
    counts = []
    for column in (was, now):
        codes = pc.index_in(column, classes).to_numpy()
        counts.append(np.bincount(codes, minlength=len(classes)))
    # By name: which one comes first says nothing.
    order = np.argsort(np.array(classes.to_pylist()), kind="stable")
    return Drift(
        name=name,
        of_classes=True,
        bins=tuple(classes.take(pa.array(order)).to_pylist()),
        **_psi(counts[0][order], counts[1][order]),
    )


# ── below


def _is_text(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_string(column.type))


def _floats(column: pa.ChunkedArray) -> Floats:
    """Shape (rows,), NaN where missing or infinite."""
    values = np.array(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
    values[~np.isfinite(values)] = np.nan
    return values
