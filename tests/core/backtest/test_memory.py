"""Fits of many rows wait for each other."""

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from retrain.backtest.memory import Turns, taken

MIB = 1 << 20
_turns: list[Turns] = []


def begin(turns: Turns) -> None:
    _turns.append(turns)


def fit(folder: Path, number: int, mebibytes: int, rows: int | None = None) -> None:
    """Take so much memory for half a second, and write down when. rows: as many as mebibytes, if not said."""
    with _turns[0].of(rows or mebibytes, MIB if rows is None else 1.0):
        begun = time.monotonic()
        taken_now = np.ones(mebibytes * MIB // 8)
        time.sleep(0.5)
        (folder / f"{number}.txt").write_text(f"{begun} {time.monotonic()}", encoding="utf-8")
        del taken_now


def overlapping(folder: Path, most: int | None, sizes: list[int]) -> bool:
    """Return whether two fits of these sizes ran at the same time."""
    context = get_context("spawn")
    turns = Turns(context, most)
    with ProcessPoolExecutor(2, mp_context=context, initializer=begin, initargs=(turns,)) as pool:
        list(pool.map(fit, [folder] * 2, range(2), [1, 1]))  # both processes are there
        list(pool.map(fit, [folder] * 2, range(2), sizes))
    (_, first_end), (second_begin, _) = sorted(
        tuple(map(float, (folder / f"{number}.txt").read_text("utf-8").split())) for number in range(2)
    )
    return second_begin < first_end


@pytest.mark.parametrize(("most", "together"), [(None, True), (8 << 30, True), (200 * MIB, False)])
def test_two_fits_run_together_where_there_is_room_for_both(tmp_path: Path, most: int | None, together: bool) -> None:
    room = None if most is None else most + taken()
    assert overlapping(tmp_path, room, [300, 300]) is together


def test_one_fit_runs_however_small_the_bound_is(tmp_path: Path) -> None:
    assert not overlapping(tmp_path, 1, [50, 50])


def test_what_every_small_fit_takes_does_not_make_large_ones_wait(tmp_path: Path) -> None:
    """A hundred rows take hardly more than one."""
    context = get_context("spawn")
    turns = Turns(context, taken() + 1000 * MIB)
    with ProcessPoolExecutor(2, mp_context=context, initializer=begin, initargs=(turns,)) as pool:
        list(pool.map(fit, [tmp_path] * 2, range(2), [100, 100], [1, 1]))
        list(pool.map(fit, [tmp_path] * 2, range(2), [110, 110], [100, 100]))
        list(pool.map(fit, [tmp_path] * 2, range(2), [120, 120], [100, 100]))
    (_, first_end), (second_begin, _) = sorted(
        tuple(map(float, (tmp_path / f"{number}.txt").read_text("utf-8").split())) for number in range(2)
    )
    assert second_begin < first_end
