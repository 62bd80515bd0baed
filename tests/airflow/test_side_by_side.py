"""The same work for many things, a few at once."""

import threading
import time
from contextvars import ContextVar

from retrain_airflow.side_by_side import side_by_side


def test_each_thing_has_its_own_result_or_error() -> None:
    done = dict(side_by_side(lambda each: 6 // each, [1, 0, 3], at_once=2, longest=10, altogether=10))
    assert (done[1], done[3]) == (6, 2)
    assert isinstance(done[0], ZeroDivisionError)


def test_no_more_than_so_many_are_at_work_at_once() -> None:
    gate, busy, most = threading.Lock(), 0, 0

    def work(_: int) -> None:
        nonlocal busy, most
        with gate:
            busy += 1
            most = max(most, busy)
        time.sleep(0.05)
        with gate:
            busy -= 1

    assert len(list(side_by_side(work, range(9), at_once=3, longest=10, altogether=10))) == 9
    assert most == 3


def test_what_takes_too_long_is_given_up_and_the_rest_goes_on() -> None:
    freed = threading.Event()

    def work(each: int) -> int:
        if each == 0:
            freed.wait(30)
        return each

    done = dict(side_by_side(work, [0, 1, 2], at_once=1, longest=0.2, altogether=10))
    freed.set()
    assert (done[1], done[2]) == (1, 2)
    assert isinstance(done[0], TimeoutError)


def test_a_late_result_of_what_was_given_up_is_not_taken_for_anothers() -> None:
    def work(each: int) -> int:
        time.sleep(0.3 if each == 0 else 0.25)
        return each

    done = list(side_by_side(work, [0, 1, 2], at_once=1, longest=0.28, altogether=10))
    assert [each for each, _ in done] == [0, 1, 2]
    assert [found for _, found in done[1:]] == [1, 2]


def test_nothing_is_begun_when_the_time_is_over() -> None:
    ((thing, found),) = side_by_side(lambda each: each, ["a"], at_once=1, longest=10, altogether=0)
    assert thing == "a"
    assert isinstance(found, TimeoutError)


def test_what_a_context_holds_is_there_in_the_threads() -> None:
    here: ContextVar[str] = ContextVar("here", default="")
    here.set("x")
    assert list(side_by_side(lambda _: here.get(), [1], at_once=1, longest=10, altogether=10)) == [(1, "x")]
