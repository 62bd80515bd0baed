"""Decides which column identifies a row, and which says when a row was labelled."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import available_timezones

from retrain.errors import SourceMismatchError
from retrain.preflight.init_wish import Values, Wish, counted
from retrain.source.catalogue import Catalogue, Kind
from retrain.text import sql_name

_NOW = re.compile(r"now\(\)|current_(date|timestamp)|localtimestamp|(clock|statement|transaction)_timestamp", re.I)
_OF_LABEL = (
    r"labell?ed|label|annotated|reviewed|rated|graded|scored|judged|decided|verified|approved|confirmed|resolved|closed"
    r"|completed|finished|known|outcome|판정|심사|검수|검토|평가|확정|라벨|처리"
)
_OF_ROW = (
    r"created?|inserted|added|received|arrived|loaded|ingested|written|recorded|registered|submitted"
    r"|생성|등록|작성|입력|수집"
)
_OF_CHANGE = r"updated?|modified|changed|수정|변경|갱신"
_TIME_WORDS = r"(at|on|time|date|ts|timestamp|일시|시각|일자|일)"
_MOST_EMPTY = 0.1
_LAST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_UTC = {"UTC", "Etc/UTC", "GMT", "Etc/GMT", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal"}


@dataclass(frozen=True)
class Key:
    name: str
    why: str
    note: str = ""


@dataclass(frozen=True)
class LabelTime:
    name: str
    why: str
    zone: str | None
    """Of a column without one, where it is not UTC."""
    times: tuple[float, ...]
    """Of the sample, in seconds since 1970."""


def key_of(table: Catalogue, wish: Wish) -> Key | None:
    """Return the key that the wish or an index names; None where a look at the rows must say more."""
    single = [names[0] for names in table.unique if len(names) == 1]
    if wish.key is not None:
        return Key(wish.key, "a unique index" if wish.key in single else "--key names it")
    usable = [name for name in single if (column := table.column(name)) and column.not_null and column.readable]
    if not usable:
        return None
    primary = table.has_primary_key and table.unique[0] == (usable[0],)
    return Key(usable[0], "the primary key" if primary else "it has a unique index")


def held_to_rows(table: Catalogue, key: Key, values: Values) -> Key:
    """Raise SourceMismatchError where a key has no value in a row of the sample, or the same value in two."""
    if (key.name,) in table.unique and values.column.not_null:
        return key
    rows = len(values.all)
    if values.missing:
        raise SourceMismatchError(
            f"{table.name}.{key.name}: is NULL in some rows, so it is not a key; name another one"
        )
    if len(set(values.all)) < rows:
        raise SourceMismatchError(
            f"{table.name}.{key.name}: has the same value in two of {counted(rows, 'row')}, so it is not a key; name "
            "another one"
        )
    if (key.name,) in table.unique:
        return key
    note = (
        f"nothing in the database keeps {key.name} unique: a cycle stops where two rows have one key; it takes "
        f"CREATE UNIQUE INDEX ON {table.name.quoted} ({sql_name(values.column.name)})"
    )
    return Key(key.name, key.why, note if table.can_be_sampled else "")


def no_key(table: Catalogue, columns: Sequence[Values]) -> SourceMismatchError:
    """Return the error of a table without a key, with the columns that could be one."""
    could_be = [
        each.name
        for each in columns
        if each.column.kind in (Kind.INTEGER, Kind.TEXT, Kind.OTHER)
        and not each.missing
        and 1 < len(each.all) == len(set(each.all))
    ]
    composite = next((names for names in table.unique if len(names) > 1), None)
    has = f"its unique index is over {', '.join(composite)}" if composite else "it has no unique index"
    has = f"it is a {table.kind}" if not table.can_be_sampled else has
    if could_be:
        remedy = f"name the column that identifies a row: --key {' or --key '.join(could_be[:3])} could be it"
    elif composite:
        together = f"concat_ws('-', {', '.join(map(sql_name, composite))}) AS row_id"
        remedy = f"make a view that has {together}, and write --table VIEW --key row_id"
    else:
        remedy = (
            f"run ALTER TABLE {table.name.quoted} ADD COLUMN row_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
        )
    return SourceMismatchError(f"{table.name}: has no column that identifies a row, as {has}; {remedy}")


def label_time_of(
    table: Catalogue, wish: Wish, times: Sequence[Values], *, waiting: bool, now: datetime
) -> tuple[LabelTime | None, str]:
    """Return the label time, and why; or None, and why there is none.

    times: the columns that hold a time. waiting: whether rows wait for a label: then the time when a row was made says
    nothing about its label.
    """
    if wish.label_time is not None:
        named = next(each for each in times if each.column.name == wish.label_time)
        if fault := _fault(named, now):
            raise SourceMismatchError(f"{table.name}.{named.name}: cannot be the label time: {fault}")
        return _made(table, named, "--label-time names it"), ""
    notes = list[str]()
    for each, why in _by_name(times, wish.label, waiting=waiting):
        fault = _fault(each, now)
        if not fault and each.missing > _MOST_EMPTY:
            fault = f"it is NULL in {each.missing:.0%} of the labelled rows"
        if not fault:
            return _made(table, each, why), ""
        notes.append(f"{each.name} is not taken: {fault}")
    if not notes and times:
        notes = [f"nothing says that {' or '.join(each.name for each in times[:5])} is when a row was labelled"]
    remedy = "name one with --label-time" if times else "there is no column with a time"
    return None, "; ".join([*notes, remedy])


def _by_name(times: Sequence[Values], label: str, *, waiting: bool) -> Iterator[tuple[Values, str]]:
    """Yield the columns whose name or default says that they may be it, the likeliest first."""
    own = re.escape(label.casefold())
    for each in times:
        if re.fullmatch(rf"({_OF_LABEL}|{own})(_?({_OF_LABEL}))?_?{_TIME_WORDS}", each.name.casefold()):
            yield each, "its name says when a row is labelled"
    if not waiting:
        for each in times:
            name = each.name.casefold()
            if re.fullmatch(rf"({_OF_ROW})_?{_TIME_WORDS}?", name) or _NOW.search(each.column.default):
                yield each, "it says when a row came, and rows come with their label"
    for each in times:
        if re.fullmatch(rf"({_OF_CHANGE})_?{_TIME_WORDS}?", each.name.casefold()):
            yield each, "it says when a row was changed last, which is when it got its label or later"


def _fault(values: Values, now: datetime) -> str:
    held, ahead = values.held, (now + timedelta(days=1)).timestamp()
    if not held:
        return "it is NULL in every labelled row"
    if max(held) > _LAST or min(held) < -_LAST:
        return "it holds a time that is infinite or after the year 9999"
    late = sum(each > ahead for each in held)
    return f"it lies in the future in {counted(late, 'row')} of {len(held):,}" if late else ""


def _made(table: Catalogue, values: Values, why: str) -> LabelTime:
    zone = None if values.column.is_zoned or table.time_zone in _UTC else table.time_zone
    return LabelTime(values.name, why, zone if zone in available_timezones() else None, tuple(values.held))
