"""Decides which columns a model learns from, and how it takes each."""

import re
from collections.abc import Callable, Sequence

from retrain.preflight.init_leaks import leak, separates
from retrain.preflight.init_wish import Feature, LeftOut, Use, Values, counted
from retrain.source.catalogue import Catalogue, Column, Kind

MOST_CATEGORIES = 50
"""A text or a code with more values than this is a category only where they come again and again."""
_OF_EACH = 5
"""Rows that a value of a category has on average, at least."""
_ENOUGH = 100
"""With fewer rows, numbers that are all different are not yet those of the rows."""
_MOSTLY = 0.9
_ID_NAME = re.compile(r"(^|_)(id|uuid|guid|key|no)$|[a-z](Id|ID|No)$|(번호|아이디|식별자|코드)$", re.IGNORECASE)
_DATE = re.compile(r"\d{4}[-./]\d{1,2}[-./]\d{1,2}([ T].*)?")
_RESERVED = ("key", "label", "label_time")
"""Names of our own columns in a snapshot."""
_LOOKED_AT = 500
"""Texts whose letters are counted."""

# Scripts by the ranges of their letters.
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
_WITHOUT_BLANKS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")


def features(
    table: Catalogue, columns: Sequence[Values], labels: Values, *, named: bool
) -> tuple[list[Feature], list[LeftOut], list[str]]:
    """Return the features, the columns that are left out, and notes.

    columns: those that are neither key, label nor label time, and that a model can take. named: whether a person has
    named them; then all are features, and what speaks against one is a note.
    """
    found, left_out, notes = list[Feature](), list[LeftOut](), list[str]()
    identified = {names[0] for names in table.unique if len(names) == 1}
    for each in columns:
        feature = _feature(each)
        against = _against(each, feature, identified=each.column.name in identified) or leak(each, labels)
        if against and not named:
            left_out.append(LeftOut(each.name, against))
            continue
        found.append(feature)
        if against:
            notes.append(f"{each.name} is a feature because --features names it, but {against}")
        elif separates(each, labels):
            notes.append(
                f"{each.name} parts the two classes without an error; remove it if it is known only afterwards"
            )
    return found, left_out, notes


def unusable(column: Column, name: str) -> str | None:
    """Return why no model can take a column of this type and name; None where one can."""
    if not column.readable:
        return "this role may not read it"
    if name in _RESERVED or name.startswith("retrain."):
        return "a snapshot has a column of this name of its own; rename it in a query file (source.query)"
    if column.kind is Kind.TIME:
        return "it is a time; take what matters of it in a query file (source.query), as in extract(hour FROM …)"
    if column.kind is Kind.OTHER:
        return f"its type is {column.type}; take what matters of it in a query file (source.query)"
    return None


def subjects(columns: Sequence[Values]) -> list[str]:
    """Return the columns that name what several rows are about: a person with several orders, say."""
    found = list[str]()
    for each in columns:
        if MOST_CATEGORIES < each.distinct < _MOSTLY * len(each.held) and _names_something(each):
            found.append(each.name)
    return found


def _feature(values: Values) -> Feature:
    """Return how a model takes the column, whether or not it should."""
    held, distinct, kind = values.held, values.distinct, values.column.kind
    if kind is Kind.BOOLEAN:
        return Feature(values.name, Use.BOOLEAN, values.missing)
    if kind is not Kind.TEXT:
        code = _names_something(values) and distinct <= MOST_CATEGORIES
        return Feature(values.name, Use.CODE if code else Use.NUMBER, values.missing)
    analyzer = _analyzer(held)
    few = distinct <= MOST_CATEGORIES and distinct * _OF_EACH <= len(held)
    if few or (distinct * 2 <= len(held) and not _is_written(held, analyzer)):
        return Feature(values.name, Use.CATEGORY, values.missing)
    return Feature(values.name, Use.TEXT, values.missing, analyzer)


def _against(values: Values, feature: Feature, *, identified: bool) -> str | None:
    """Return why the column should not be a feature; None where nothing speaks against it."""
    held, distinct = values.held, values.distinct
    if not held:
        return f"it holds nothing in {counted(len(values.all), 'row')}"
    if distinct == 1 and (feature.use is not Use.CATEGORY or not values.missing):
        return f"it has one value only{', or none' if values.missing else ''}"
    if identified or values.column.numbered:
        return "it identifies a row"
    return (_against_text if values.column.kind is Kind.TEXT else _against_number)(values, feature, held, distinct)


def _against_number(values: Values, feature: Feature, held: Sequence[int], distinct: int) -> str | None:
    if feature.use is Use.NUMBER and _names_something(values):
        return f"it names something, and has {_differ(distinct, held)}: a model would take it for an amount"
    if feature.use is Use.NUMBER and values.column.kind is Kind.INTEGER and _runs(held, len(values.all)):
        return "it numbers the rows"
    return None


def _against_text(values: Values, feature: Feature, held: Sequence[str], distinct: int) -> str | None:
    if _share(held, _is_date) > _MOSTLY:
        return "it holds times as text; take what matters of them in a query file (source.query)"
    if distinct <= MOST_CATEGORIES and feature.use is Use.CATEGORY:
        return None
    if _share(held, _is_number) > _MOSTLY:
        return "it holds numbers as text; cast it in a query file (source.query)"
    alone = feature.use is Use.TEXT and not _is_written(held, feature.analyzer)
    if alone or (feature.use is Use.CATEGORY and _names_something(values)):
        return (
            f"it has {_differ(distinct, held)}, all of them single words: it names something, and tells nothing of it"
        )
    return None


def _names_something(values: Values) -> bool:
    if not (values.column.refers or _ID_NAME.search(values.name)):
        return False
    return values.column.kind is not Kind.NUMBER or all(each == each // 1 for each in values.held)


def _runs(held: Sequence[int], rows: int) -> bool:
    """Return whether these whole numbers count the rows: they are all there, all different, and close together."""
    return len(set(held)) == rows >= _ENOUGH and max(held) - min(held) < 2 * rows


def _differ(distinct: int, held: Sequence[object]) -> str:
    return f"{counted(distinct, 'different value')} in {counted(len(held), 'row')}"


def _is_written(texts: Sequence[str], analyzer: str) -> bool:
    """Return whether somebody has written these texts: they have several words, or are long where words have no blanks
    between them.
    """
    some = texts[:_LOOKED_AT]
    if analyzer == "char":
        return sum(map(len, some)) / len(some) >= 8
    return sum(len(each.split()) for each in some) / len(some) >= 2


def _analyzer(texts: Sequence[str]) -> str:
    """Return what a vectorizer cuts these texts into: words, characters within words, or characters."""
    some = "".join(each[:1000] for each in texts[:_LOOKED_AT])
    letters = max(1, sum(map(str.isalpha, some)))
    if len(_WITHOUT_BLANKS.findall(some)) / letters > 0.3:
        return "char"
    return "char_wb" if len(_HANGUL.findall(some)) / letters > 0.3 else "word"


def _share(texts: Sequence[str], condition: Callable[[str], bool]) -> float:
    some = texts[:_LOOKED_AT]
    return sum(map(condition, some)) / len(some)


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text.strip()) is not None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
