"""Checks of a snapshot's rows before anything is trained on them: table in, one `Check` for each field of the spec's
section `checks` out.

Every check works on whole columns, because a snapshot may have millions of rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from retrain.labels import WHITE_SPACE
from retrain.quality.drift import labels_of
from retrain.records import Check
from retrain.source.columns import CONTENT
from retrain.spec.checks import ShareCheck
from retrain.spec.fields import duration_text
from retrain.spec.spec import Spec
from retrain.spec.task import Task
from retrain.text import shorten

Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]

_EXAMPLES = 5
_FEW = 100
"""Among fewer new rows, the shares of labels move by chance."""
_NOTHING = "there is nothing to compare with"


def run(
    spec: Spec,
    rows: pa.Table,
    before: pa.Table | None,
    *,
    since: datetime | None = None,
    same_contents: bool,
    now: datetime,
) -> tuple[Check, ...]:
    """Run every check that the spec's task has, in the order of the spec's fields.

    rows: a snapshot. before: the last consumed snapshot; None before the first. since: `Snapshot.since`.
    same_contents: whether the content keys of the two can be compared, because both have one split version.
    """
    features = tuple(name for name in spec.source.features if name in rows.column_names)
    if before is not None and since is not None:
        # Rows that have left the window since are neither deleted nor changed.
        before = before.filter(pc.greater(before["label_time"], pa.scalar(since, before["label_time"].type)))
    data = _Data(rows, before, features, same_contents)
    return tuple(_all(spec, data, now))


def _all(spec: Spec, data: "_Data", now: datetime) -> Iterator[Check]:
    limits = spec.checks
    yield _column_types(data, blocks=limits.column_types.on_fail == "block")
    yield _of_columns("null_share", limits.null_share, {name: data.missing(name) for name in data.features}, data)
    numbers = {name: data.infinite(name) for name in data.features if not _is_text(data.rows[name])}
    yield _infinite_numbers(limits.infinite_numbers, numbers, data)
    yield _empty_labels(limits.empty_labels, spec.source.empty_label, data)
    yield _of_columns("empty_texts", limits.empty_texts, {name: data.empty(name) for name in data.texts}, data)
    yield _duplicates(limits.duplicates, data)
    if spec.task is Task.CLASSIFICATION:
        yield _conflicting_labels(limits.conflicting_labels, data)
        yield _unseen_labels(limits.unseen_labels, data)
        yield _vanished_labels(limits.vanished_labels, data)
        yield _moved_labels(limits.moved_labels, data)
    if spec.source.label_time is not None:
        yield _future_labels(limits.future_labels, limits.future_labels.ahead, data, now)
    yield _resequenced_keys(limits.resequenced_keys, data)
    yield _changed_rows(limits.changed_rows, data)
    yield _fallen_rows(limits.fallen_rows, data)


@dataclass(frozen=True, eq=False)
class _Data:
    """The rows and those of the last consumed snapshot, with what several checks derive from them, derived once."""

    rows: pa.Table
    before: pa.Table | None
    features: tuple[str, ...]
    same_contents: bool

    @property
    def keys(self) -> pa.ChunkedArray:
        return self.rows["key"]

    @property
    def texts(self) -> list[str]:
        return [name for name in self.features if _is_text(self.rows[name])]

    def missing(self, name: str) -> Mask:
        return _mask(self.rows[name].is_null(nan_is_null=True))

    def empty(self, name: str) -> Mask:
        return _mask(pc.equal(pc.utf8_trim_whitespace(self.rows[name]), ""))

    def infinite(self, name: str) -> Mask:
        return _mask(pc.is_inf(self.rows[name].cast(pa.float64(), safe=False)))

    @property
    def unlabelled(self) -> Mask:
        """Mask of the rows with an empty label."""
        labels = self.rows["label"]
        if _is_text(labels):
            return _mask(pc.equal(pc.utf8_trim(labels, WHITE_SPACE), ""))
        return _mask(pc.is_nan(labels)) if pa.types.is_floating(labels.type) else np.zeros(len(labels), np.bool_)

    @cached_property
    def place(self) -> Integers:
        """Position of each row's key in the last snapshot, -1 where it is not there. Shape (rows,)."""
        if self.before is None:
            return np.full(len(self.rows), -1)
        return _integers(pc.index_in(self.keys, self.before["key"]))

    @cached_property
    def labels(self) -> tuple[Integers, Integers, pa.Array]:
        """Label codes here and in the last snapshot, each of shape (rows,), and the labels by code."""
        return _encode(labels_of(self.rows["label"]), None if self.before is None else labels_of(self.before["label"]))

    @cached_property
    def contents(self) -> tuple[Integers, Integers] | None:
        """Numbers that are equal for rows of equal features, here and in the last snapshot; None if incomparable."""
        if self.before is None:
            return None
        if self.same_contents:
            return self.rows[CONTENT].to_numpy(), self.before[CONTENT].to_numpy()
        # Each split version has a salt of its own: compare the values of the features that both have.
        common = [
            name
            for name in self.features
            if name in self.before.column_names and _is_text(self.rows[name]) == _is_text(self.before[name])
        ]
        return _encode(_joined(self.rows, common), _joined(self.before, common))[:2] if common else None

    @cached_property
    def new(self) -> Mask:
        """Mask of the rows that the last snapshot did not hold as they are; all rows where there are none."""
        old = self.place >= 0
        labels, labels_before, _ = self.labels
        old[old] = labels[old] == labels_before[self.place[old]]
        if self.contents is not None:
            contents, contents_before = self.contents
            old[old] = contents[old] == contents_before[self.place[old]]
        return np.ones(len(old), np.bool_) if old.all() else ~old

    @cached_property
    def content_of_row(self) -> tuple[Integers, Integers]:
        """The number of each row's content, from 0, shape (rows,); and the first row of each content."""
        _, first, number = np.unique(self.rows[CONTENT].to_numpy(), return_index=True, return_inverse=True)
        return number, first

    def counted(self, mask: Mask) -> str:
        """Name the rows of a mask that is `new` or all rows, with their number."""
        count = int(mask.sum())
        return f"{count:,} rows" if count == len(mask) else f"{count:,} new rows"


# ── the columns


def _column_types(data: _Data, *, blocks: bool) -> Check:
    before = data.before
    if before is None:
        return Check(name="column_types", passed=True, blocks=blocks, says=_NOTHING, count=0)
    changed = [
        f"{name} is {data.rows[name].type}, and was {before[name].type}"
        for name in data.features
        # A model gets numbers and booleans alike as float64.
        if name in before.column_names and _is_text(data.rows[name]) != _is_text(before[name])
    ]
    if data.rows["label"].type != before["label"].type:
        changed.insert(0, f"the label is {data.rows['label'].type}, and was {before['label'].type}")
    says = "; ".join(changed) or "every column has the type that it had"
    return Check(name="column_types", passed=not changed, blocks=blocks, says=says, count=len(changed))


def _of_columns(name: str, limit: ShareCheck, found: Mapping[str, Mask], data: _Data) -> Check:
    """found: for each column that the check is about, the mask of its faulty rows, shape (rows,)."""
    if not found:
        return Check(name=name, passed=True, blocks=limit.on_fail == "block", says="no feature is text", count=0)
    new = data.new
    shares = {column: _share(mask & new, new) for column, mask in found.items()}
    worst = max(shares, key=lambda column: shares[column])
    named = [column for column, share in shares.items() if share > limit.max] or [worst]
    at_fault = np.any([found[column] for column in named], axis=0) & new
    what = ", ".join(f"{column} is empty in {shares[column]:.1%}" for column in named)
    return _check(name, limit, shares[worst], f"{what} of {data.counted(new)}", at_fault=at_fault, keys=data.keys)


def _infinite_numbers(limit: ShareCheck, found: Mapping[str, Mask], data: _Data) -> Check:
    named = [f"{name} in {mask.sum():,}" for name, mask in found.items() if mask.any()]
    at_fault = np.any([*found.values()], axis=0) if found else np.zeros(len(data.rows), np.bool_)
    says = f"infinite numbers are in {', '.join(named)} rows" if named else "every number is finite"
    return _check("infinite_numbers", limit, _share(at_fault), says, at_fault=at_fault, keys=data.keys)


# ── contents and labels


def _empty_labels(limit: ShareCheck, means: str | None, data: _Data) -> Check:
    at_fault = data.unlabelled
    says = f"{at_fault.sum():,} of {len(at_fault):,} rows have an empty label"
    if means == "class":
        limit = limit.model_copy(update={"max": 1.0})
    elif at_fault.any():
        says += "; write source.empty_label: unlabelled if these wait for their label, or class if empty is a class"
    return _check("empty_labels", limit, _share(at_fault), says, at_fault=at_fault, keys=data.keys)


def _duplicates(limit: ShareCheck, data: _Data) -> Check:
    _, first = data.content_of_row
    at_fault = np.ones(len(data.rows), np.bool_)
    at_fault[first] = False
    says = f"{at_fault.sum():,} of {len(at_fault):,} rows repeat the content of another one"
    return _check("duplicates", limit, _share(at_fault), says, at_fault=at_fault, keys=data.keys)


def _conflicting_labels(limit: ShareCheck, data: _Data) -> Check:
    number, first = data.content_of_row
    labels, _, names = data.labels
    distinct = np.unique(number * len(names) + labels)
    several = np.bincount(distinct // max(1, len(names)), minlength=len(first)) > 1
    at_fault = several[number]
    says = f"{at_fault.sum():,} of {len(at_fault):,} rows have a content that has another label elsewhere"
    return _check("conflicting_labels", limit, _share(at_fault), says, at_fault=at_fault, keys=data.keys)


def _unseen_labels(limit: ShareCheck, data: _Data) -> Check:
    if data.before is None:
        return _incomparable("unseen_labels", limit)
    labels, labels_before, names = data.labels
    unseen = np.bincount(labels_before, minlength=len(names)) == 0
    at_fault = unseen[labels]
    says = f"{at_fault.sum():,} of {data.counted(data.new)} have a label that the last snapshot did not hold"
    says += _listed(names, unseen)
    return _check("unseen_labels", limit, _share(at_fault, data.new), says, at_fault=at_fault, keys=data.keys)


def _vanished_labels(limit: ShareCheck, data: _Data) -> Check:
    if data.before is None:
        return _incomparable("vanished_labels", limit)
    labels, labels_before, names = data.labels
    vanished = np.bincount(labels, minlength=len(names)) == 0
    at_fault = vanished[labels_before]
    says = f"{at_fault.sum():,} of the last snapshot's {len(at_fault):,} rows had a label that no row has now"
    says += _listed(names, vanished)
    return _check("vanished_labels", limit, _share(at_fault), says, at_fault=at_fault, keys=data.before["key"])


def _moved_labels(limit: ShareCheck, data: _Data) -> Check:
    labels, labels_before, names = data.labels
    if data.before is None or not len(names):
        return _incomparable("moved_labels", limit)
    compared = data.new if data.new.sum() >= _FEW else np.ones(len(labels), np.bool_)
    now = np.bincount(labels[compared], minlength=len(names)) / max(1, compared.sum())
    was = np.bincount(labels_before, minlength=len(names)) / max(1, len(labels_before))
    moved = np.abs(now - was)
    worst = int(moved.argmax())
    says = f"label {_short(names[worst].as_py())} is on {now[worst]:.1%} of {data.counted(compared)}, and was on "
    says += f"{was[worst]:.1%} of the last snapshot's: a difference of {moved[worst]:.1%}"
    return _check(
        "moved_labels", limit, float(moved[worst]), says, at_fault=compared & (labels == worst), keys=data.keys
    )


def _future_labels(limit: ShareCheck, ahead: timedelta, data: _Data, now: datetime) -> Check:
    times = data.rows["label_time"]
    at_fault = _mask(pc.greater(times, pa.scalar(now + ahead, times.type)))
    says = f"{at_fault.sum():,} of {len(at_fault):,} rows were labelled more than {duration_text(ahead)} in the future"
    return _check("future_labels", limit, _share(at_fault), says, at_fault=at_fault, keys=data.keys)


# ── the keys


def _resequenced_keys(limit: ShareCheck, data: _Data) -> Check:
    """Find rows under another key by the contents that both snapshots hold once each, which identify a row.

    Among few contents some come again under another key by chance: with n rows spread evenly over k contents, a share
    of n/k · exp(−2n/k), which is never above 0.19.
    """
    if data.before is None or data.contents is None:
        return _incomparable("resequenced_keys", limit)
    (content, row), (content_before, row_before) = map(_held_once, data.contents)
    _, here, there = np.intersect1d(content, content_before, assume_unique=True, return_indices=True)
    here, there = row[here], row_before[there]
    at_fault = np.zeros(len(data.rows), np.bool_)
    at_fault[here[data.place[here] != there]] = True
    rows = len(data.before)
    says = f"the content of {at_fault.sum():,} of the last snapshot's {rows:,} rows stands under another key now"
    return _check(
        "resequenced_keys", limit, float(at_fault.sum() / max(1, rows)), says, at_fault=at_fault, keys=data.keys
    )


def _changed_rows(limit: ShareCheck, data: _Data) -> Check:
    if data.contents is None:
        return _incomparable("changed_rows", limit)
    content, content_before = data.contents
    held = data.place >= 0
    at_fault = held.copy()
    at_fault[held] = content[held] != content_before[data.place[held]]
    says = f"{at_fault.sum():,} of the {held.sum():,} rows that the last snapshot held have another content now"
    return _check("changed_rows", limit, _share(at_fault, held), says, at_fault=at_fault, keys=data.keys)


def _fallen_rows(limit: ShareCheck, data: _Data) -> Check:
    if data.before is None:
        return _incomparable("fallen_rows", limit)
    gone = np.ones(len(data.before), np.bool_)
    gone[data.place[data.place >= 0]] = False
    says = f"{gone.sum():,} of the last snapshot's {len(gone):,} rows are gone"
    return _check("fallen_rows", limit, _share(gone), says, at_fault=gone, keys=data.before["key"])


# ── below


def _check(name: str, limit: ShareCheck, share: float, says: str, *, at_fault: Mask, keys: pa.ChunkedArray) -> Check:
    """at_fault: mask of the faulty ones among the rows with these `keys`, both of shape (rows,)."""
    passed = share <= limit.max
    allowed = f"at most {100 * limit.max:g}% may be" if limit.max else "none may be"
    return Check(
        name=name,
        passed=passed,
        blocks=limit.on_fail == "block",
        says=f"{says}; {allowed}",
        count=int(at_fault.sum()),
        keys=() if passed else _examples(keys, np.flatnonzero(at_fault)),
    )


def _incomparable(name: str, limit: ShareCheck) -> Check:
    return Check(name=name, passed=True, blocks=limit.on_fail == "block", says=_NOTHING, count=0)


def _listed(names: pa.Array, mask: Mask) -> str:
    some = np.flatnonzero(mask)
    more = f" and {len(some) - _EXAMPLES:,} more" if len(some) > _EXAMPLES else ""
    return f": {', '.join(_examples(names, some))}{more}" if len(some) else ""


def _examples(texts: pa.Array | pa.ChunkedArray, places: Integers) -> tuple[str, ...]:
    """The first few of the texts at these places."""
    return tuple(map(_short, texts.take(pa.array(places[:_EXAMPLES])).to_pylist()))


def _short(text: str) -> str:
    """Shorten a label or a key, which may have any length; its spaces stay, as two keys may differ in them alone."""
    return shorten(text, 60, keep_lines=True)


def _share(mask: Mask, of: Mask | None = None) -> float:
    """The mask's share of all rows, or of those of another mask; 0 where there are none."""
    count, rows = (mask.sum(), len(mask)) if of is None else ((mask & of).sum(), of.sum())
    return float(count / rows) if rows else 0.0


def _held_once(contents: Integers) -> tuple[Integers, Integers]:
    """The contents that exactly one row has, and the position of that row."""
    distinct, first, counts = np.unique(contents, return_index=True, return_counts=True)
    return distinct[counts == 1], first[counts == 1]


def _is_text(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_string(column.type))


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    # `large_string`, because the texts of a column may have more than 2 GiB together.
    return column.cast(pa.large_string())


def _joined(table: pa.Table, names: list[str]) -> pa.ChunkedArray:
    """Join the values of these columns into one text for each row."""
    columns = [table[name] if _is_text(table[name]) else table[name].cast(pa.float64(), safe=False) for name in names]
    texts = [pc.fill_null(_as_text(column), "\1") for column in columns]
    return pc.binary_join_element_wise(*texts, pa.scalar("\0", pa.large_string()))


def _encode(one: pa.ChunkedArray, other: pa.ChunkedArray | None) -> tuple[Integers, Integers, pa.Array]:
    """Give each distinct text a number: those of either column, each of shape (rows,), and the texts by number."""
    columns = [one] if other is None else [one, other]
    both = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.large_string())
    encoded = both.combine_chunks().dictionary_encode()
    numbers = _integers(pa.chunked_array([encoded.indices]))
    return numbers[: len(one)], numbers[len(one) :], encoded.dictionary


def _mask(column: pa.ChunkedArray) -> Mask:
    return np.asarray(pc.fill_null(column, False).to_numpy(), np.bool_)


def _integers(column: pa.ChunkedArray) -> Integers:
    return np.asarray(pc.fill_null(column, -1).to_numpy(), np.int64)
