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


def fit(folder: Path, number: int, mebibytes: int) -> None:
    """Take so much memory for half a second, and write down when."""
    with _turns[0].of(mebibytes, MIB):
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
