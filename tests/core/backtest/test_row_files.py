"""Rows in a file are read as rows of a table are."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from retrain.backtest import row_files
from retrain.backtest.history import History
from retrain.errors import BacktestError, SourceMismatchError
from retrain.spec.spec import Spec
from tests.core.backtest.conftest import spec_in

ROWS = pd.DataFrame(
    {
        "id": [10, 9, 2],
        "a": [1, 2, 3],
        "b": [0.5, None, 1.5],
        "label": ["yes", "no", "yes"],
        "at": ["2024-01-03T00:00", "2024-01-02T00:00", "2024-01-01T00:00"],
        "other": ["x", "y", "z"],
    }
)


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return spec_in(tmp_path).spec


def written(folder: Path, name: str, rows: pd.DataFrame = ROWS) -> Path:
    path = folder / name
    if name.endswith(".parquet"):
        rows.to_parquet(path, index=False)
    else:
        rows.to_csv(path, index=False, sep="\t" if ".tsv" in name else ",")
    return path


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.csv.gz", "rows.tsv", "rows.tsv.gz"])
def test_each_kind_of_file_gives_the_same_rows_in_the_order_of_their_keys(
    name: str, spec: Spec, tmp_path: Path
) -> None:
    found = row_files.read(written(tmp_path, name), spec)
    assert found.column_names == ["key", "label", "label_time", "a", "b"]
    assert found["key"].to_pylist() == ["2", "9", "10"]
    assert found["b"].to_pylist() == [1.5, None, 0.5]
    assert [str(each.type) for each in found.schema] == ["string", "string", "timestamp[us, tz=UTC]", "int64", "double"]
    assert found["label_time"].to_pylist()[0].isoformat() == "2024-01-01T00:00:00+00:00"


def test_a_time_without_a_zone_is_of_the_zone_that_the_spec_names(tmp_path: Path) -> None:
    source = {"table": "r", "key": "id", "label": "label", "label_time": "at", "features": ["a"]}
    spec = spec_in(tmp_path, source={**source, "time_zone": "Asia/Seoul"}).spec
    found = row_files.read(written(tmp_path, "rows.csv"), spec)
    assert found["label_time"].to_pylist()[0].isoformat() == "2023-12-31T15:00:00+00:00"


def test_rows_without_a_label_are_no_rows_and_rows_without_a_time_are_counted(spec: Spec, tmp_path: Path) -> None:
    rows = ROWS.assign(label=[None, "no", "yes"], at=["2024-01-03", None, "2024-01-01"])
    found = row_files.read(written(tmp_path, "rows.csv", rows), spec)
    history = History.of(spec, found, b"")
    assert (found.num_rows, len(history), history.undated) == (2, 1, 1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"a": None}, "has no column 'a', only id, b, label, at, other; name the columns as the spec does"),
        ({"at": ["soon", "now", "later"]}, "at: is not a column of times"),
    ],
)
def test_a_file_without_what_the_spec_names_is_refused(
    change: dict[str, Any], says: str, spec: Spec, tmp_path: Path
) -> None:
    (name, values), *_ = change.items()
    rows = ROWS.drop(columns=name) if values is None else ROWS.assign(**{name: values})
    with pytest.raises(BacktestError) as refused:
        row_files.read(written(tmp_path, "rows.csv", rows), spec)
    assert says in str(refused.value)
    assert "rows.csv" in str(refused.value)


def test_what_is_no_file_of_rows_is_refused(spec: Spec, tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_text("not Parquet", encoding="utf-8")
    for name, says in (("rows.parquet", "cannot be read"), ("rows.xlsx", "is none of .parquet, .csv and .tsv")):
        with pytest.raises(BacktestError, match=says):
            row_files.read(tmp_path / name, spec)


def test_a_key_that_occurs_twice_is_refused(spec: Spec, tmp_path: Path) -> None:
    path = written(tmp_path, "rows.csv", ROWS.assign(id=[1, 2, 2]))
    with pytest.raises(SourceMismatchError, match="1 keys occur more than once"):
        History.of(spec, row_files.read(path, spec), b"")


def test_without_a_label_time_nothing_can_be_replayed(tmp_path: Path) -> None:
    spec = spec_in(
        tmp_path, source={"table": "r", "key": "id", "label": "label", "features": ["a"]}, schedule=None
    ).spec
    rows = pa.table({"key": ["1"], "label": ["x"], "label_time": pa.nulls(1, pa.timestamp("us", tz="UTC")), "a": [1.0]})
    with pytest.raises(BacktestError, match=r"source\.label_time names no column"):
        History.of(spec, rows, b"")


def test_an_empty_label_is_none_where_the_spec_says_so(tmp_path: Path) -> None:
    source = {"table": "r", "key": "id", "label": "label", "label_time": "at", "features": ["a"]}
    path = written(tmp_path, "rows.parquet", ROWS.assign(label=["yes", " ", "no"]))
    for said, count in ((None, 3), ("unlabelled", 2)):
        spec = spec_in(tmp_path, source={**source, "empty_label": said}).spec
        assert row_files.read(path, spec).num_rows == count
