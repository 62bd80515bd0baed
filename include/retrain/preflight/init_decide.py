"""Looks at a table and decides what a spec for it says."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cached_property
from unicodedata import normalize

from retrain.errors import SourceMismatchError
from retrain.preflight.init_estimators import Columns, recipes
from retrain.preflight.init_features import features, subjects, unusable
from retrain.preflight.init_gate import judging
from retrain.preflight.init_label import MOST_CLASSES, label_of
from retrain.preflight.init_places import Key, LabelTime, held_to_rows, key_of, label_time_of, no_key
from retrain.preflight.init_spec import Decided
from retrain.preflight.init_wish import Feature, LeftOut, Values, Wish, counted
from retrain.source.catalogue import Catalogue, Column, Kind
from retrain.source.sample import Connect, Counts, Sample, classes, count, sample
from retrain.text import printable, shorten, sql_name

_MOST_SUBJECTS, _MOST_REASONS = 3, 10


def decide(
    table: Catalogue, wish: Wish, connect: Connect, *, model: str, query: str | None
) -> tuple[Decided, Columns, int]:
    """Return what the spec says, what the estimators are for, and how many rows were looked at.

    query: name of the query file, where the spec needs one. Raises SourceMismatchError where no model can be made.
    """
    wish = _found(wish, table)
    look = _Look(table, wish, connect)
    key = key_of(table, wish)
    if key is None:
        raise no_key(table, look.could_be_keys())
    counts, rows, drawn = look.read(key)
    labels = rows[wish.label]
    key = held_to_rows(table, key, rows[key.name])
    times = [each for each in rows.values() if each.column.kind is Kind.TIME and each is not labels]
    now = datetime.now(UTC)
    time, no_time = label_time_of(table, wish, times, waiting=counts.unlabelled > 0, now=now)
    label = label_of(labels, look.classes(labels), wish.task, f"{table.name}.{labels.name}")
    columns = [rows[each.name] for each in look.usable(key)]
    found, against, notes = features(table, columns, labels, named=bool(wish.features))
    left_out = [*look.unusable(key, time), *against]
    if not found:
        raise _nothing_to_learn_from(table, left_out)
    gate = judging(label, counts.labelled, _contents(rows, found), time, now)
    estimated = Columns(str(table.name), tuple(found), label.task, tuple(label.shares), counts.labelled)
    decided = Decided(
        model=model,
        table=".".join(table.name.parts),
        query=query,
        connection=wish.connection,
        counts=counts,
        key=replace(key, name=_nfc(key.name)),
        label=label,
        time=time,
        no_time=no_time,
        features=tuple(found),
        left_out=tuple(left_out),
        judging=gate,
        recipes=tuple(recipes(estimated)),
        notes=(*look.notes(key, counts, drawn=drawn), *gate.notes, *notes, *_of_subjects(columns, left_out)),
    )
    return decided, estimated, len(labels.all)


@dataclass(frozen=True)
class _Look:
    table: Catalogue
    wish: Wish
    """Its columns are named as in the database."""
    connect: Connect

    @property
    def label(self) -> Column:
        return self._column(self.wish.label)

    def _column(self, name: str) -> Column:
        return next(each for each in self.table.columns if each.name == name)

    @cached_property
    def _twice(self) -> set[str]:
        """Names that several columns have, in different forms of Unicode."""
        names = Counter(_nfc(each.name) for each in self.table.columns)
        return {name for name, times in names.items() if times > 1}

    def usable(self, key: Key | None) -> list[Column]:
        """Return the columns that may be features."""
        wished = self.wish.features
        named = [self._column(name) for name in wished] if wished else self.table.columns
        return [each for each in named if not self._has_a_role(each, key) and not self._why_not(each)]

    def unusable(self, key: Key, time: LabelTime | None) -> Iterator[LeftOut]:
        """Yield the columns that no model can take; none where a person has named the features."""
        for each in self.table.columns if not self.wish.features else ():
            is_time = time is not None and _nfc(each.name) == time.name
            if not self._has_a_role(each, key) and not is_time and (why := self._why_not(each)):
                yield LeftOut(_nfc(each.name), why)

    def _has_a_role(self, column: Column, key: Key | None) -> bool:
        return column.name in (self.wish.label, self.wish.label_time, key and key.name)

    def _why_not(self, column: Column) -> str | None:
        if _nfc(column.name) in self._twice:
            return "two columns have this name, in different forms of Unicode; rename one"
        return unusable(column, _nfc(column.name))

    def could_be_keys(self) -> list[Values]:
        """Read the columns that may be a key, where no index says which one is."""
        kinds = (Kind.INTEGER, Kind.TEXT)
        columns = [each for each in self.table.columns if each.readable and (each.kind in kinds or each.type == "uuid")]
        if not columns:
            return []
        return [*_by_name(sample(self.connect, self.table, self.label, columns, self.table.rows)).values()]

    def read(self, key: Key) -> tuple[Counts, dict[str, Values], bool]:
        """Count the rows, and read some, by the name of the column. Whether these come from all over is the last."""
        times = [each for each in self.table.columns if each.kind is Kind.TIME and each.readable]
        columns = dict.fromkeys([self.label, self._column(key.name), *times, *self.usable(key)])
        counts = count(self.connect, self.table, self.label)
        read = sample(self.connect, self.table, self.label, [*columns], counts.labelled)
        rows = _by_name(read)
        if not rows[self.label.name].all:
            hidden = "; or row-level security hides those that have one" if self.table.hides_rows else ""
            raise SourceMismatchError(
                f"{self.table.name}.{self.label.name}: no row has a label: it is NULL, or empty, in "
                f"{counted(counts.unlabelled, 'row')}; wait until some have one, or name another column{hidden}"
            )
        if not counts.exact:
            labelled = max(read.labelled or counts.labelled, len(read.rows))
            counts = replace(counts, labelled=labelled, unlabelled=max(0, self.table.rows - labelled))
        return counts, rows, read.drawn

    def classes(self, labels: Values) -> list[tuple[object, int]] | None:
        """Count every class; None where there are too many, or counting takes too long."""
        if len(set(labels.all)) > MOST_CLASSES:
            return None
        return classes(self.connect, self.table, self.label, MOST_CLASSES + 1)

    def notes(self, key: Key, counts: Counts, *, drawn: bool) -> Iterator[str]:
        if key.note:
            yield key.note
        if not counts.exact:
            yield "the numbers of rows and classes are estimates, as counting so many takes long"
        if not drawn:
            yield f"only the first rows of the {self.table.kind} were looked at: others may differ"
        if self.table.hides_rows:
            yield "row-level security is active for this role: rows that it may not see do not count"
        if counts.empty is None:
            yield "whether some labels are empty texts is not known; where some are, write source.empty_label"


# ── the names of a person


def _found(wish: Wish, table: Catalogue) -> Wish:
    """Return the wish with each column as the database names it. Raises SourceMismatchError with every fault."""
    faults = list[str]()

    def named(option: str, name: str) -> str:
        column = _like(table, name)
        if column is None:
            faults.append(f"{option} {printable(name)!r}: {table.name} has no such column; {_nearest(table, name)}")
        elif not column.readable:
            grant = f"GRANT SELECT ({sql_name(column.name)}) ON {table.name.quoted} TO {sql_name(table.role)}"
            faults.append(f"{option} {column.name!r}: role {table.role!r} may not read it; run {grant}")
        elif option == "--label-time" and column.kind is not Kind.TIME:
            faults.append(f"{option} {column.name!r}: is of type {column.type}, not a time; name a timestamp or a date")
        elif option == "--label" and column.kind in (Kind.TIME, Kind.OTHER):
            faults.append(
                f"{option} {column.name!r}: is of type {column.type}, neither a class nor a number; cast it in a view, "
                "and name that as --table"
            )
        elif option == "--features" and (why := unusable(column, _nfc(column.name))):
            faults.append(f"{option} {column.name!r}: {why}")
        return column.name if column else name

    found = replace(
        wish,
        label=named("--label", wish.label),
        key=named("--key", wish.key) if wish.key is not None else None,
        label_time=named("--label-time", wish.label_time) if wish.label_time is not None else None,
        features=tuple(dict.fromkeys(named("--features", each) for each in _each_of(wish.features, table))),
    )
    if found.key == found.label:
        faults.append(f"--key {found.key!r}: is the label; name the column that identifies a row")
    faults += [
        f"--features {each!r}: is the {role}; leave it out"
        for each in found.features
        for role, name in (("label", found.label), ("key", found.key), ("label time", found.label_time))
        if each == name
    ]
    if faults:
        raise SourceMismatchError("\n".join(faults))
    return found


def _each_of(features: Sequence[str], table: Catalogue) -> Iterator[str]:
    """Yield each name of a list between commas; a column may have a comma in its name."""
    for each in features:
        yield from [each] if _like(table, each) else filter(None, (name.strip() for name in each.split(",")))


def _like(table: Catalogue, name: str) -> Column | None:
    alike = [each for each in table.columns if _nfc(each.name) == _nfc(name)]
    exact = [each for each in alike if each.name == name]
    return next(iter(exact or (alike if len(alike) == 1 else [])), None)


def _nearest(table: Catalogue, name: str) -> str:
    known = {each.name.casefold(): each.name for each in table.columns}
    close = get_close_matches(name.casefold(), known, n=1)
    if close:
        return f"did you mean {known[close[0]]!r}?"
    return f"it has {shorten(', '.join(known.values()), 300)}"


# ── what was read


def _by_name(sample: Sample) -> dict[str, Values]:
    held = zip(*sample.rows, strict=True) if sample.rows else [()] * len(sample.columns)
    return {each.name: Values(each, tuple(values)) for each, values in zip(sample.columns, held, strict=True)}


def _contents(rows: Mapping[str, Values], found: Sequence[Feature]) -> list[tuple[object, ...]]:
    """Return the features of each row."""
    names = {each.name for each in found}
    return list(zip(*(each.all for each in rows.values() if each.name in names), strict=True))


def _nothing_to_learn_from(table: Catalogue, left_out: Sequence[LeftOut]) -> SourceMismatchError:
    why = "; ".join(f"{each.name}: {each.why}" for each in left_out[:_MOST_REASONS]) or "there is no other column"
    return SourceMismatchError(
        f"{table.name}: has no column that a model should learn from ({why}); name some with --features"
    )


def _of_subjects(columns: Sequence[Values], left_out: Sequence[LeftOut]) -> Iterator[str]:
    names = {each.name for each in left_out}
    for each in [name for name in subjects(columns) if name in names][:_MOST_SUBJECTS]:
        yield (
            f"several rows have the same {each}; if these resemble each other, keep them together: write source.group: "
            f"{each}, and split: {{by: group}}"
        )


def _nfc(name: str) -> str:
    return normalize("NFC", name)
