"""Labelled rows in a file instead of a table: the columns that the spec names, in the form of `Source.labelled`."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from retrain.errors import BacktestError
from retrain.source.columns import GROUP, KEY_ORDER, NUMBERS, TEXT
from retrain.spec.spec import Spec
from retrain.text import one_line

_SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read(path: Path, spec: Spec) -> pa.Table:
    """Return the labelled rows of a Parquet, CSV or TSV file (these two also .gz), in the order of their keys.

    Raises BacktestError where the file cannot be read, lacks a column, or holds no time where the label time should be.
    """
    found = _file(path)
    source = spec.source
    columns = {"key": source.key, "label": source.label}
    if source.label_time is not None:
        columns["label_time"] = source.label_time
    if source.group is not None:
        columns[GROUP] = source.group
    columns |= {name: name for name in source.features}
    missing = [name for name in columns.values() if name not in found.column_names]
    if missing:
        raise BacktestError(
            f"{path}: has no column {', '.join(map(repr, missing))}, only {', '.join(found.column_names)}; "
            "name the columns as the spec does"
        )
    found = found.filter(_labelled(found[source.label], source.empty_label == "unlabelled"))
    numbers = pa.types.is_integer(found[source.key].type)
    found = found.take(pc.sort_indices(found, [(source.key, "ascending")]))
    arrays = {name: _typed(found[own]) for name, own in columns.items()}
    for name in {"key", GROUP} & arrays.keys():
        arrays[name] = arrays[name].cast(pa.string())
    if source.label_time is not None:
        arrays["label_time"] = _times(found[source.label_time], path, source.label_time, source.time_zone)
    table = pa.table(arrays)
    return table.replace_schema_metadata({KEY_ORDER: NUMBERS if numbers else TEXT})


def _file(path: Path) -> pa.Table:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else "".join(suffixes[-1:])
    try:
        if kind == ".parquet":
            return pq.read_table(path)
        if kind in _SEPARATORS:
            # A quotation mark in tab-separated text is a character like any other.
            quoted = {} if kind == ".csv" else {"quote_char": False}
            return csv.read_csv(
                path,
                parse_options=csv.ParseOptions(
                    delimiter=_SEPARATORS[kind], newlines_in_values=kind == ".csv", **quoted
                ),
                convert_options=csv.ConvertOptions(strings_can_be_null=True, null_values=[""]),
            )
    except (OSError, pa.ArrowException) as error:
        raise BacktestError(
            f"{path}: cannot be read: {one_line(error)}; save it as Parquet, or as CSV in UTF-8"
        ) from error
    raise BacktestError(f"{path}: is none of .parquet, .csv and .tsv (the last two also .gz); save it as one of them")


def _labelled(labels: pa.ChunkedArray, empty_is_none: bool) -> pa.ChunkedArray:
    """Return which rows have a label. empty_is_none: whether white space, or NaN, is none."""
    there = pc.is_valid(labels)
    if not empty_is_none:
        return there
    if pa.types.is_floating(labels.type):
        return pc.and_kleene(there, pc.invert(pc.is_nan(labels)))
    if pa.types.is_string(labels.type) or pa.types.is_large_string(labels.type):
        return pc.and_kleene(there, pc.not_equal(pc.utf8_trim_whitespace(labels), ""))
    return there


def _typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the column in the type in which a source gives it: see `retrain.source.layout`."""
    type_ = column.type
    if pa.types.is_dictionary(type_):
        return _typed(column.cast(type_.value_type))
    if pa.types.is_boolean(type_):
        return column
    if pa.types.is_integer(type_):
        return column.cast(pa.int64())
    if pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return column.cast(pa.float64())
    return column.cast(pa.string())


def _times(column: pa.ChunkedArray, path: Path, name: str, zone: str | None) -> pa.ChunkedArray:
    """Return label times as a source gives them: in UTC, in microseconds, later digits cut off."""
    try:
        if not pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us"))
        if column.type.tz is None:
            column = pc.assume_timezone(column, zone or "UTC", ambiguous="earliest", nonexistent="earliest")
        return column.cast(pa.timestamp("us", tz="UTC"), safe=False)
    except pa.ArrowException as error:
        raise BacktestError(
            f"{path}: {name}: is not a column of times: {one_line(error)}; write times in ISO 8601"
        ) from error
