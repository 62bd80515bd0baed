"""What no cycle would notice, with a real PostgreSQL and a real MLflow server."""

import pytest

from retrain.cycle.watch import watch
from stack.local import Running
from tests.core.conftest import Cast, Make, World
from tests.core.cycle.looking import quick


def look(model: World) -> list[str]:
    """Names of what is wrong."""
    found = watch(model.spec, source=model.source, ledger=model.ledger, tracker=model.tracker)
    return [fault.name for fault in found]


def labelled(model: World, ago: str) -> None:
    model.execute(f"UPDATE rows SET labelled_at = now() - interval '{ago}' WHERE label IS NOT NULL")


def in_production(world: Make) -> World:
    model = quick(world, watch={"late": None})
    model.feed(1000)
    model.promote()
    model.headlines()
    return model


def test_of_a_model_that_was_never_used_nothing_is_wrong(world: Make) -> None:
    model = world()
    assert look(model) == []
    assert model.headlines() == []


def test_a_source_without_a_labelled_row_for_so_long_is_silent_until_one_arrives(world: Make) -> None:
    model = world(watch={"silence": "3d", "late": None})
    model.feed(10)
    labelled(model, "2 days")
    assert look(model) == []
    labelled(model, "4 days")
    model.execute("INSERT INTO rows (id, a, b) VALUES (90001, 0, 0)")  # unlabelled: no sign of life
    for _ in range(2):
        assert look(model) == ["watch/silence"]
    assert model.headlines() == [f"{model.model}: no labelled row has arrived for 3d."]
    labelled(model, "1 day")
    assert look(model) == []
    (over,) = model.headlines()
    assert over.startswith(f"{model.model}: recovered. It was: no labelled row has arrived for 3d. (since ")


def test_a_label_in_the_future_does_not_hide_silence(world: Make) -> None:
    model = world(watch={"silence": "3d", "late": None})
    model.feed(10)
    labelled(model, "4 days")
    model.execute("UPDATE rows SET labelled_at = now() + interval '30 days' WHERE id = 7")
    assert look(model) == ["watch/silence"]


def test_an_empty_source_is_silent_only_after_that_time(world: Make) -> None:
    model = world(watch={"silence": "3d", "late": None})
    assert look(model) == ["watch/silence"]
    assert model.headlines() == []
    model.execute("UPDATE retrain.faults SET since = since - interval '4 days'")
    look(model)
    assert model.headlines() == [f"{model.model}: no labelled row has arrived for 3d."]


def test_a_cycle_that_should_have_come_by_itself_is_late_until_it_has(world: Make) -> None:
    model = quick(world, schedule="@hourly", watch={"late": "6h"})
    assert look(model) == []
    model.feed(600)
    assert look(model) == ["watch/late/first"]
    assert model.headlines() == []
    model.execute("UPDATE retrain.faults SET since = since - interval '7 hours'")
    look(model)
    (headline,) = model.headlines()
    assert headline.startswith(f"{model.model}: a cycle is late: for 6h there have been rows enough for one")
    model.judge()
    model.headlines()
    assert look(model) == []
    assert model.headlines()[0].startswith(f"{model.model}: recovered. It was: a cycle is late")


def test_who_starts_cycles_by_hand_is_not_told_that_one_is_late(world: Make) -> None:
    model = world(watch={"late": "0h"})
    model.feed(600)
    assert look(model) == []


def test_production_changed_by_hand_is_told_once(cast: Cast) -> None:
    model = cast(in_production)
    model.tracker._client.delete_registered_model_alias(model.model, "production")
    for _ in range(2):
        assert look(model) == []
    (headline,) = model.headlines()
    assert "nothing is in Production, in place of version 1, by somebody, outside of Retrain" in headline


@pytest.mark.parametrize("known", [True, False], ids=["logged", "of another's"])
def test_production_whose_files_are_gone_is_told_until_they_are_back(
    cast: Cast, mlflow_server: Running, known: bool
) -> None:
    model = cast(in_production)
    file = model.ledger.model_file_of_version(model.model, "1")
    assert file is not None
    if not known:
        model.execute("UPDATE retrain.model_files SET version = NULL")
    assert look(model) == []
    (stored,) = mlflow_server.home.artifacts.rglob(file.uri.removeprefix("models:/"))
    away = stored.rename(stored.with_suffix(".away"))
    try:
        assert look(model) == ["watch/files/1"]
    finally:
        away.rename(stored)  # other tests are cast from the same mould
    (headline,) = model.headlines()
    assert "the files of version 1, which is in Production, are gone" in headline
    assert look(model) == []
    assert "recovered" in model.headlines()[0]
