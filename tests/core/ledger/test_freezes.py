"""While Production is frozen no version goes forward into it; freezes are announced to the team."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from retrain.cycle.promote import promote, promotes_now
from retrain.errors import FrozenError
from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.spec.source import Split
from retrain.topics import Level
from tests.conftest import Database
from tests.core.conftest import World
from tests.mailbox import waiting

Make = Callable[..., World]
MODELS = ("letters", "reviews")


@pytest.fixture
def begun(ledger: Ledger) -> Ledger:
    for model in MODELS:
        ledger.begin_model(model, Split(), announcement=texts.of_split_version)
    return ledger


def freeze(ledger: Ledger, model: str | None = "letters", *, days: float = 1, key: str = "run 1") -> datetime:
    until = datetime.now(UTC) + timedelta(days=days)
    ledger.freeze(key, model, until=until, by="kim", why="연말 동결", announcement=texts.of_freeze)
    return until


def headlines(ledger: Ledger, model: str = "letters") -> list[str]:
    return [announcement.headline for announcement in waiting(ledger, model)]


def test_a_freeze_holds_for_its_model_until_it_ends_and_is_told(begun: Ledger) -> None:
    until = freeze(begun)
    found = begun.freeze_of("letters")
    assert found is not None
    assert (found.model, found.until, found.by, found.why) == ("letters", until, "kim", "연말 동결")
    assert begun.freeze_of("reviews") is None
    (announcement,) = waiting(begun, "letters")
    assert announcement.headline == f"letters: Production is frozen until {until:%Y-%m-%d %H:%M} UTC by kim: 연말 동결."
    assert announcement.level is Level.WARNING
    assert headlines(begun, "reviews") == []


def test_a_freeze_of_every_model_is_told_to_each_team(begun: Ledger) -> None:
    freeze(begun, None)
    for model in MODELS:
        assert begun.freeze_of(model) is not None
        assert "Production of every model is frozen until" in headlines(begun, model)[0]
    assert begun.freeze_of("one that comes later") is not None


def test_the_last_word_about_a_model_counts_and_the_longest_freeze_holds(begun: Ledger) -> None:
    freeze(begun, days=30, key="run 1")
    short = freeze(begun, days=2, key="run 2")
    assert begun.freeze_of("letters").until == short  # type: ignore[union-attr]
    long = freeze(begun, None, days=9, key="run 3")
    assert begun.freeze_of("letters").until == long  # type: ignore[union-attr]


def test_who_asks_twice_is_heard_once(begun: Ledger) -> None:
    freeze(begun)
    freeze(begun, days=0, key="run 2")
    freeze(begun)
    assert begun.freeze_of("letters") is None
    assert len(headlines(begun)) == 2


def test_no_days_end_a_freeze_and_that_is_told(begun: Ledger) -> None:
    freeze(begun)
    freeze(begun, days=0, key="run 2")
    assert begun.freeze_of("letters") is None
    assert headlines(begun)[1] == "letters: Production is no longer frozen, says kim: 연말 동결."


def test_to_end_what_does_not_hold_is_told_to_nobody(begun: Ledger) -> None:
    freeze(begun, days=0)
    assert headlines(begun) == []


def test_a_freeze_that_is_over_holds_nothing_up(begun: Ledger, database: Database) -> None:
    freeze(begun)
    with database.connect() as session, session.cursor() as cursor:
        cursor.execute("UPDATE retrain.freezes SET until = now()")
    assert begun.freeze_of("letters") is None


def test_nothing_goes_forward_while_a_rollback_does(world: Make) -> None:
    model = world()
    for _ in range(2):
        model.feed(1000)
        cycle, verdict = model.judge()
        promote(cycle, verdict, force="a test", by="kim")
    model.feed(1000)
    model.headlines()
    freeze(model.ledger, model.model)

    cycle, verdict = model.judge()

    frozen, judged = model.headlines()
    assert judged.endswith(f"; {frozen.removeprefix(f'{model.model}: ').removesuffix('.')}")
    assert not promotes_now(cycle, verdict, force="now")
    with pytest.raises(FrozenError, match=r"frozen until .* by kim: 연말 동결; end the freeze, or wait"):
        promote(cycle, verdict, force="now", by="kim")
    with pytest.raises(FrozenError):
        model.registry.transition_model_stage(model.model, "1", "Production", expects="2", by="kim", why="now")
    assert model.registry.rollback(model.model, expects="2", by="kim", why="it is bad").to_version == "1"
    assert model.tracker.production(model.model) == "1"

    freeze(model.ledger, model.model, days=0, key="run 2")
    assert promotes_now(cycle, verdict, force="now")
