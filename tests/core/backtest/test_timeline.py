"""When cycles would have come, and what their snapshots hold."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from retrain.backtest.history import History
from retrain.backtest.replayed import Blocked
from retrain.backtest.timeline import Taken, timeline
from retrain.errors import BacktestError
from retrain.records import Subset
from retrain.snapshots.split import as_time
from retrain.spec.spec import Spec
from tests.core.backtest.conftest import A_DAY, ROWS, spec_in

FIRST = 500


def taken(spec: Spec, history: History) -> list[Taken]:
    return [each for each in timeline(spec, history, FIRST) if isinstance(each, Taken)]


def varied(folder: Path, **fields: Any) -> Spec:
    return spec_in(folder, **fields).spec


def test_the_first_cycle_comes_with_the_first_rows_and_the_next_ones_with_the_threshold(
    history: History, tmp_path: Path
) -> None:
    found = taken(varied(tmp_path), history)
    assert [each.new_rows for each in found] == [501, *[400] * 8]  # ten a day, and one at midnight itself
    assert all(each.at.hour == 0 for each in found)
    assert found[0].at == datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=FIRST // A_DAY)


def test_a_row_is_known_from_its_label_time_on(history: History, tmp_path: Path) -> None:
    for each in taken(varied(tmp_path), history):
        assert history.times[each.rows(history)].max() <= as_time(each.at)
        assert each.end == np.count_nonzero(history.times <= as_time(each.at))


def test_each_look_of_the_schedule_counts_for_itself(history: History, tmp_path: Path) -> None:
    weekly = taken(varied(tmp_path, schedule="0 6 * * 1", schedule_time_zone="Asia/Seoul"), history)
    assert {(each.at.weekday(), each.at.hour) for each in weekly} == {(6, 21)}
    assert all(each.new_rows >= 400 for each in weekly[1:])


def test_woken_by_arrival_a_cycle_comes_with_the_row_that_fills_the_threshold(history: History, tmp_path: Path) -> None:
    found = taken(varied(tmp_path, schedule=None, wake="on_arrival"), history)
    assert [each.end for each in found] == [*range(FIRST, ROWS + 1, 400)]


def test_after_a_long_wait_fewer_rows_are_enough(history: History, tmp_path: Path) -> None:
    found = taken(varied(tmp_path, threshold={"rows": 1000, "max_wait": "10d", "min_rows": 50}), history)
    assert {later.at - earlier.at for earlier, later in pairwise(found)} == {timedelta(days=10)}


def test_a_window_and_a_greatest_number_of_rows_leave_older_rows_out(history: History, tmp_path: Path) -> None:
    windowed = taken(varied(tmp_path, snapshot={"window": "60d"}), history)
    assert {each.end - each.begin for each in windowed[1:]} == {60 * A_DAY}
    few = taken(varied(tmp_path, snapshot={"max_rows": 300}), history)
    assert {each.end - each.begin for each in few} == {300}
    assert all(each.new_rows == 300 for each in few[1:])  # of 401 new ones, as many as it holds


def test_no_row_that_judges_has_trained_before(history: History, tmp_path: Path) -> None:
    trained = np.empty(0, np.int64)
    for each in taken(varied(tmp_path), history):
        holdout = each.part(history, Subset.HOLDOUT)
        assert len(holdout)
        assert not np.isin(history.content[holdout], history.content[trained]).any()
        trained = np.union1d(trained, each.part(history, Subset.TRAIN, Subset.VALIDATION))


def test_rows_that_a_check_blocks_make_no_cycle_and_are_looked_at_again_with_more(
    history: History, tmp_path: Path
) -> None:
    numbers = history.table["a"].to_numpy().copy()
    begin, end = 1_000, 1_100
    numbers[begin:end] = np.nan
    place = history.table.schema.get_field_index("a")
    broken = replace(history, table=history.table.set_column(place, "a", pa.array(numbers, from_pandas=True)))
    spec = varied(tmp_path, checks={"null_share": {"max": 0.2, "on_fail": "block"}})
    found = [*timeline(spec, broken, FIRST)]
    blocked = [each for each in found if isinstance(each, Blocked)]
    assert blocked
    assert {each.checks for each in blocked} == {("null_share",)}
    after = next(each for each in found if isinstance(each, Taken) and each.at > blocked[-1].at)
    assert after.new_rows > 401


def test_more_first_rows_than_there_are_is_refused(history: History, tmp_path: Path) -> None:
    with pytest.raises(BacktestError, match=r"--first = 9,999: the history has 4,000 labelled rows"):
        next(iter(timeline(varied(tmp_path), history, 9_999)))


def test_where_the_window_holds_fewer_rows_than_the_threshold_no_cycle_comes(history: History, tmp_path: Path) -> None:
    narrow = {"snapshot": {"window": "30d"}, "threshold": {"rows": 400}}  # 300 rows
    for when in ({"schedule": "@daily"}, {"schedule": None, "wake": "on_arrival"}):
        assert len(taken(varied(tmp_path, **narrow, **when), history)) == 1
