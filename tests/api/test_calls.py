"""How long a call waits for a thread. Times are short here; the API's own are ten times as long."""

import asyncio
import time
from collections.abc import Callable

import pytest

from retrain.errors import NoAnswerError
from retrain_airflow.api.calls import Calls
from retrain_airflow.api.problems import BusyError


def answered_after(seconds: float) -> Callable[[], str]:
    def call() -> str:
        time.sleep(seconds)
        return "answered"

    return call


def dead_after(seconds: float) -> Callable[[], str]:
    def call() -> str:
        time.sleep(seconds)
        raise NoAnswerError("MLflow does not answer")

    return call


def results(call: Callable[[], str], how_often: int, **how: float) -> list[tuple[str, float]]:
    """Send all calls at once to one thread; return the result of each, and after how many seconds it came."""

    async def all_at_once() -> list[tuple[str, float]]:
        calls = Calls("test", at_once=1, **{"wait": 0.3, "in_all": 5, "seconds": 1, **how})
        begun = time.monotonic()

        async def one() -> tuple[str, float]:
            try:
                result = await calls(call)
            except (BusyError, NoAnswerError) as error:
                result = type(error).__name__
            return result, time.monotonic() - begun

        return await asyncio.gather(*(one() for _ in range(how_often)))

    return asyncio.run(all_at_once())


def test_a_slow_server_is_waited_for_as_long_as_it_answers_others() -> None:
    found = results(answered_after(0.15), 8)

    assert [result for result, _ in found] == ["answered"] * 8
    assert found[-1][1] > 1


def test_nobody_waits_longer_for_a_thread_than_all_may() -> None:
    found = results(answered_after(0.15), 12, in_all=0.6)

    assert {result for result, _ in found} == {"answered", "BusyError"}
    assert max(seconds for result, seconds in found if result == "BusyError") < 1


@pytest.mark.parametrize("after", [0.1, 0.9])
def test_a_dead_server_is_not_waited_for(after: float) -> None:
    """However soon it fails: a call that ends without a reply does not extend the wait of the others."""
    found = results(dead_after(after), 20)

    assert [result for result, _ in found].count("BusyError") >= 16
    assert max(seconds for _, seconds in found) < 0.3 + after + 0.5


def test_a_call_without_an_answer_is_given_up_and_keeps_its_thread() -> None:
    found = results(answered_after(1.0), 2, seconds=0.2, wait=0.5)

    assert [result for result, _ in found] == ["BusyError", "BusyError"]
    assert found[0][1] < 0.6
