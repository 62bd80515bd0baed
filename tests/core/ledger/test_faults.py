"""A fault is announced when it begins, ever more rarely while it lasts, and when it is over."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.records import Fault, Incident
from retrain.topics import Level
from tests.conftest import Database
from tests.mailbox import waiting

MODEL = "letters"


def fault(name: str = "task/take", *, what: str = "task take failed.", after: timedelta = timedelta(0)) -> Fault:
    return Fault(name=name, incident=Incident(model=MODEL, what=what, remedy="Look at it."), after=after)


def headlines(ledger: Ledger) -> list[str]:
    return [announcement.headline for announcement in waiting(ledger, MODEL)]


@pytest.fixture
def since(database: Database) -> Callable[[str], None]:
    """Let all that is wrong have been so since then."""

    def since(time: str) -> None:
        with database.connect() as session, session.cursor() as cursor:
            cursor.execute("UPDATE retrain.faults SET since = now() - (now() - %s::timestamptz)", (time,))

    return since


def test_what_is_seen_again_is_told_the_first_second_fourth_and_eighth_time(
    ledger: Ledger, since: Callable[[str], None]
) -> None:
    announced = []
    for number in range(1, 9):
        ledger.fail(fault(), key=f"run {number}", announcement=texts.of_fault)
        since("2026-03-08 09:12+00")
        announced.append(headlines(ledger))
    assert announced == [
        ["letters: task take failed."],
        ["letters: task take failed. (2 times since 2026-03-08 09:12 UTC)"],
        [],
        ["letters: task take failed. (4 times since 2026-03-08 09:12 UTC)"],
        [],
        [],
        [],
        ["letters: task take failed. (8 times since 2026-03-08 09:12 UTC)"],
    ]


def test_who_says_so_twice_has_seen_it_once(ledger: Ledger) -> None:
    for _ in range(4):
        ledger.fail(fault(), key="run 1", announcement=texts.of_fault)
    assert len(headlines(ledger)) == 1


def test_its_end_is_told_and_then_it_is_another_one(ledger: Ledger, since: Callable[[str], None]) -> None:
    ledger.fail(fault(), key="run 1", announcement=texts.of_fault)
    ledger.fail(fault(), key="run 2", announcement=texts.of_fault)
    since("2026-03-08 09:12+00")
    headlines(ledger)
    for _ in range(2):
        ledger.end_faults(MODEL, "task/", announcement=texts.of_recovery)
    (over,) = waiting(ledger, MODEL)
    assert over.headline == "letters: recovered. It was: task take failed. (2 times since 2026-03-08 09:12 UTC)"
    assert (over.level, over.act) == (Level.INFO, "")
    ledger.fail(fault(), key="run 3", announcement=texts.of_fault)
    assert headlines(ledger) == ["letters: task take failed."]


def test_what_has_not_lasted_long_enough_is_told_neither_then_nor_when_it_ends(
    ledger: Ledger, since: Callable[[str], None]
) -> None:
    lasting = fault("watch/late", what="a cycle is late.", after=timedelta(hours=1))
    ledger.fail(lasting, key="watch", announcement=texts.of_fault)
    ledger.end_faults(MODEL, "watch/", announcement=texts.of_recovery)
    assert headlines(ledger) == []
    ledger.fail(lasting, key="watch", announcement=texts.of_fault)
    since("2026-03-08 09:12+00")
    for _ in range(3):
        ledger.fail(lasting, key="watch", announcement=texts.of_fault)
    assert headlines(ledger) == ["letters: a cycle is late."]


def test_only_those_of_the_name_end_and_some_go_on(ledger: Ledger) -> None:
    for name in ("task/a/take", "task/a/train", "task/ab/take", "watch/late"):
        ledger.fail(fault(name, what=f"{name} failed."), key="run 1", announcement=texts.of_fault)
    ledger.fail(
        Fault(name="task/a/take", incident=Incident(model="reviews", what="no.", remedy="")),
        key="run 1",
        announcement=texts.of_fault,
    )
    headlines(ledger)
    ledger.end_faults(MODEL, "task/a/", but=["task/a/train"], announcement=texts.of_recovery)
    (over,) = headlines(ledger)
    assert "task/a/take failed." in over
    assert len(waiting(ledger, "reviews")) == 1


@pytest.mark.parametrize("name", ["100%", "a_b", "a\\b"])
def test_a_name_is_no_pattern(ledger: Ledger, name: str) -> None:
    ledger.fail(fault("100 and ab"), key="run 1", announcement=texts.of_fault)
    headlines(ledger)
    ledger.end_faults(MODEL, name, announcement=texts.of_recovery)
    assert headlines(ledger) == []
