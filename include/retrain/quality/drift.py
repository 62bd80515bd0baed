"""How far rows have moved from those that Production was trained on: each feature, and the label, on its own.

PSI is the population stability index (Siddiqi, *Credit Risk Scorecards*, 2006): the sum over bins of the difference of
the two shares times the logarithm of their ratio. The bins are ten quantiles of the reference, and one for missing
values. Nothing here decides anything.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

from retrain.labels import spelled
from retrain.records import Record
from retrain.spec.task import Task

MOST_ROWS = 100_000
"""Rows of either table that are compared, drawn at random from more: the cost does not grow with the table."""
ENOUGH = 500
"""The fewest new rows that are compared by themselves. Without any drift PSI is (bins − 1)(1/n + 1/m) on average: 0.02
where 500 rows in 11 bins are compared with many."""
SOME, MUCH = 0.1, 0.25
"""Siddiqi's rule of thumb for PSI: below SOME little has moved, from MUCH on much has."""
_BINS = 10
_FEW = 100
_MOST_WORDS = 1_000
"""The most frequent words are compared one by one."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class Drift(Record):
    """How far one column has moved. The PSI of a text is that of its length in characters."""

    name: str
    """The column's name; `label` for the label."""
    psi: float
    ks: float | None = None
    """Statistic of the two-sample Kolmogorov–Smirnov test, between 0 and 1; None for texts and classes."""
    p_value: float | None = None
    """The p-value of that test, asymptotic."""
    unseen_words: float | None = None
    """Share of the words now that the reference never holds."""
    js_distance: float | None = None
    """Jensen–Shannon distance between the frequencies of words, base 2: between 0 and 1."""
    of_classes: bool = False
    """Whether the bins are classes."""
    bins: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]
    """Shares of the reference's rows, and of the rows now, in each bin."""


def drift(reference: pa.Table, rows: pa.Table, features: Sequence[str], task: Task) -> tuple[Drift, ...]:
    """Measure each feature that both tables hold as the same kind, and the label, which comes last.

    Returns nothing where one of the two has no rows.
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
        found.append(_of_classes("label", labels_of(was), labels_of(now)))
    return tuple(found)


def labels_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return labels spelled (`retrain.labels`). `large_string`, as their texts may have more than 2 GiB together."""
    chunks = []
    for chunk in column.chunks:
        encoded = chunk.dictionary_encode()
        names = pa.array([spelled(each) for each in encoded.dictionary.to_pylist()], pa.large_string())
        chunks.append(names.take(encoded.indices))
    return pa.chunked_array(chunks, pa.large_string())


def sample(rows: pa.Table, seed: str) -> pa.Table:
    """Draw at most `MOST_ROWS` rows. seed: a snapshot's id, hexadecimal, so that the same rows are drawn again."""
    if len(rows) <= MOST_ROWS:
        return rows
    rng = np.random.default_rng(int(seed, 16))
    return rows.take(pa.array(np.sort(rng.choice(len(rows), MOST_ROWS, replace=False))))


def new_or_all(rows: pa.Table, known: pa.ChunkedArray) -> pa.Table:
    """Return the rows whose key is not in `known`, which came later; all rows where fewer than `ENOUGH` did."""
    new = rows.filter(pc.invert(pc.is_in(rows["key"], known)))
    return new if len(new) >= ENOUGH else rows


# ── numbers


def _of_numbers(name: str, was: Floats, now: Floats) -> Drift:
    """was, now: shape (rows,), NaN where missing."""
    present = [values[~np.isnan(values)] for values in (was, now)]
    if not all(map(len, present)):
        return Drift(name=name, **_binned(was, now))
    # The exact p takes long for many rows, and the asymptotic one is undefined for very few.
    test = stats.ks_2samp(*present, method="asymp" if max(map(len, present)) > _FEW else "exact")
    return Drift(name=name, ks=float(test.statistic), p_value=float(test.pvalue), **_binned(was, now))


def _binned(was: Floats, now: Floats) -> dict[str, Any]:
    """Return the fields of `Drift` that come from bins: PSI, their names, and the shares in each."""
    edges = _edges(was[~np.isnan(was)])
    return {**_psi(_counts(was, edges), _counts(now, edges)), "bins": _names(edges)}


def _edges(values: Floats) -> Floats:
    """Return the upper ends of all bins but the last one.

    A value that more than one quantile has gets a bin of its own: where a column is nearly always 0, the bins show what
    lies below it and what above.
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


def _counts(values: Floats, edges: Floats) -> Counts:
    missing = np.isnan(values)
    bins = np.searchsorted(edges, values[~missing], side="left")
    return np.append(np.bincount(bins, minlength=len(edges) + 1), missing.sum())


def _psi(was: Counts, now: Counts) -> dict[str, Any]:
    """was, now: rows in each bin, shape (bins,)."""
    # Half a row more in each bin where either has rows: an empty bin would make PSI infinite.
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
        unseen_words=_unseen_share(words[1], words[0].field("values")),
        js_distance=_js_distance(*words),
        **_binned(*(_floats(pc.utf8_length(column)) for column in (was, now))),
    )


def _words(texts: pa.ChunkedArray) -> pa.StructArray:
    """Count each word, in texts that are normalised as in `snapshots/content_keys.py`."""
    normal = pc.utf8_lower(pc.utf8_normalize(texts.cast(pa.large_string()), form="NFKC"))
    words = pc.list_flatten(pc.utf8_split_whitespace(normal))
    return pc.value_counts(words.filter(pc.not_equal(words, "")))


def _unseen_share(words: pa.StructArray, known: pa.Array) -> float | None:
    counts = words.field("counts").to_numpy()
    unseen = ~pc.is_in(words.field("values"), known).to_numpy(zero_copy_only=False)
    return float(counts[unseen].sum() / counts.sum()) if counts.sum() else None


def _js_distance(was: pa.StructArray, now: pa.StructArray) -> float | None:
    """Compare the words that are most frequent in the two together, and all others as one; None without any word."""
    totals = [int(pc.sum(words.field("counts")).as_py() or 0) for words in (was, now)]
    if not all(totals):
        return None
    names = pc.unique(pa.chunked_array([was.field("values"), now.field("values")]))
    shares = np.zeros((2, len(names)))
    for row, words, total in zip(shares, (was, now), totals, strict=True):
        row[pc.index_in(words.field("values"), names).to_numpy()] = words.field("counts").to_numpy() / total
    often = np.argsort(-shares.sum(axis=0), kind="stable")[:_MOST_WORDS]
    p, q = (np.append(row[often], max(0.0, 1 - row[often].sum())) for row in shares)
    with np.errstate(invalid="ignore"):
        distance = float(jensenshannon(p, q, base=2))
    return 0.0 if np.isnan(distance) else distance  # of a divergence that rounding has put below 0


# ── classes


def _of_classes(name: str, was: pa.ChunkedArray, now: pa.ChunkedArray) -> Drift:
    classes = pc.unique(pa.chunked_array([*was.chunks, *now.chunks], pa.large_string()))
    counts = []
    for column in (was, now):
        places = pc.index_in(column, classes).to_numpy()
        counts.append(np.bincount(places, minlength=len(classes)))
    # By name: the order in which classes occur means nothing.
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
