"""What is wrong is told when it begins, ever more rarely while it lasts, and when it is over."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from retrain.nouns import Fault, Incident, Level
from retrain.state import State
from tests.conftest import Database
from tests.mailbox import waiting

MODEL = "letters"


def fault(name: str = "task/take", *, what: str = "task take failed.", after: timedelta = timedelta(0)) -> Fault:
    return Fault(name=name, incident=Incident(model=MODEL, what=what, remedy="Look at it."), after=after)


def headlines(state: State) -> list[str]:
    return [announcement.headline for announcement in waiting(state, MODEL)]


@pytest.fixture
def since(database: Database) -> Callable[[str], None]:
    """Let all that is wrong have been so since then."""

    def since(time: str) -> None:
        with database.connect() as session, session.cursor() as cursor:
            cursor.execute("UPDATE retrain.faults SET since = now() - (now() - %s::timestamptz)", (time,))

    return since


def test_what_is_seen_again_is_told_the_first_second_fourth_and_eighth_time(
    state: State, since: Callable[[str], None]
) -> None:
    told = []
    for number in range(1, 9):
        state.fail(fault(), key=f"run {number}")
        since("2026-03-08 09:12+00")
        told.append(headlines(state))
    assert told == [
        ["letters: task take failed."],
        ["letters: task take failed. (2 times since 2026-03-08 09:12 UTC)"],
        [],
        ["letters: task take failed. (4 times since 2026-03-08 09:12 UTC)"],
        [],
        [],
        [],
        ["letters: task take failed. (8 times since 2026-03-08 09:12 UTC)"],
    ]


def test_who_says_so_twice_has_seen_it_once(state: State) -> None:
    for _ in range(4):
        state.fail(fault(), key="run 1")
    assert len(headlines(state)) == 1


def test_its_end_is_told_and_then_it_is_another_one(state: State, since: Callable[[str], None]) -> None:
    state.fail(fault(), key="run 1")
    state.fail(fault(), key="run 2")
    since("2026-03-08 09:12+00")
    headlines(state)
    for _ in range(2):
        state.end_faults(MODEL, "task/")
    (over,) = waiting(state, MODEL)
    assert over.headline == "letters: recovered. It was: task take failed. (2 times since 2026-03-08 09:12 UTC)"
    assert (over.level, over.act) == (Level.INFO, "")
    state.fail(fault(), key="run 3")
    assert headlines(state) == ["letters: task take failed."]


def test_what_has_not_lasted_long_enough_is_told_neither_then_nor_when_it_ends(
    state: State, since: Callable[[str], None]
) -> None:
    lasting = fault("watch/late", what="a cycle is late.", after=timedelta(hours=1))
    state.fail(lasting, key="watch")
    state.end_faults(MODEL, "watch/")
    assert headlines(state) == []
    state.fail(lasting, key="watch")
    since("2026-03-08 09:12+00")
    for _ in range(3):
        state.fail(lasting, key="watch")
    assert headlines(state) == ["letters: a cycle is late."]


def test_only_those_of_the_name_end_and_some_go_on(state: State) -> None:
    for name in ("task/a/take", "task/a/train", "task/ab/take", "watch/late"):
        state.fail(fault(name, what=f"{name} failed."), key="run 1")
    state.fail(Fault(name="task/a/take", incident=Incident(model="reviews", what="no.", remedy="")), key="run 1")
    headlines(state)
    state.end_faults(MODEL, "task/a/", but=["task/a/train"])
    (over,) = headlines(state)
    assert "task/a/take failed." in over
    assert len(waiting(state, "reviews")) == 1


@pytest.mark.parametrize("name", ["100%", "a_b", "a\\b"])
def test_a_name_is_no_pattern(state: State, name: str) -> None:
    state.fail(fault("100 and ab"), key="run 1")
    headlines(state)
    state.end_faults(MODEL, name)
    assert headlines(state) == []
