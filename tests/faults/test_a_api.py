"""Over HTTP a number alone names no version either."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from retrain.production.apply import apply
from retrain.spec.aliases import Aliases
from retrain.spec.files import SpecFile, SpecFolder
from retrain_airflow.api.app import PREFIX
from retrain_airflow.api.backend import Backend
from tests.api.conftest import As, as_person, backend, mounted, serving  # noqa: F401 - fixtures
from tests.core.conftest import Build, Make, World
from tests.core.cycle.looking import quick
from tests.faults import by_hand

Serve = Callable[[World], httpx.Client]


def two(world: Make) -> World:
    """A model whose second version has replaced the first."""
    model = quick(world)
    model.feed(1000)
    model.promote()
    model.feed(2000, turn=1.2)
    model.promote()
    return model


@contextmanager
def served(model: World, backend: Backend) -> Iterator[httpx.Client]:  # noqa: F811
    of_model = replace(
        backend,
        ledger_at=lambda _: model.ledger,
        snapshots=lambda _: model.snapshots,
        source=lambda _: model.source,
        specs=lambda: SpecFolder((SpecFile(Path("toy.yaml"), model.spec, None),), ()),
    )
    login = {"Authorization": "Bearer kim:"}
    with (
        serving(mounted(of_model)) as address,
        httpx.Client(base_url=address + PREFIX, headers=login, timeout=60, trust_env=False) as client,
    ):
        yield client


def test_a_verdict_is_not_told_with_another_version_of_its_number(world: Make, backend: Backend) -> None:  # noqa: F811
    """A3."""
    model = two(world)
    with served(model, backend) as api:
        old = api.get(f"/models/{model.model}/versions/2").json()
        assert (old["verdict"]["outcome"], old["verdict"]["matchup"]["identity"]) == ("PROMOTE", old["identity"])
        by_hand.delete(model.tracker, model.model)
        for _ in range(2):
            by_hand.register(model.tracker, model.model)
        new = api.get(f"/models/{model.model}/versions/2").json()
        assert new["identity"] != old["identity"]
        assert (new["verdict"], new["judged_at"]) == (None, None)
        model.tracker.set_production(model.model, "2")
        back = api.post(f"/models/{model.model}/rollback", json={"expects": "2", "to": "1", "why": "x"})
        assert back.status_code == 409
        assert "version 1 is not the one that was in Production" in back.json()["detail"]
        assert model.tracker.production(model.model) == "2"


def test_the_page_of_a_model_names_the_versions_that_cannot_go_back(
    cast: Callable[[Build], World],
    backend: Backend,  # noqa: F811
) -> None:
    """A6."""
    model = cast(two)
    theirs = by_hand.register(model.tracker, model.model)
    for version in (theirs, "2"):
        model.tracker.set_production(model.model, version)
        apply(model.model, model.ledger, model.tracker)
    with served(model, backend) as api:
        state = api.get(f"/specs/{model.model}").json()
        assert (state["were_in_production"], state["cannot_go_back"]) == (["1"], [theirs])
        back = api.post(f"/models/{model.model}/rollback", json={"expects": "2", "why": "x"})
        assert back.status_code == 200, back.text
        assert back.json()["to_version"] == "1"


def test_the_versions_in_production_and_staging_are_by_the_aliases_of_the_spec(
    world: Make,
    backend: Backend,  # noqa: F811
) -> None:
    """A1."""
    model = quick(world, aliases={"production": "champion", "staging": "challenger"})
    assert model.spec.aliases == Aliases(production="champion", staging="challenger")
    model.feed(1000)
    model.promote()
    model.judge()
    body = {"model_name": model.model, "version": "2", "stage": "Staging", "expects": "1", "why": "x"}
    with served(model, backend) as api:
        assert api.post("/models/transition-stage", json=body).status_code == 200
        found = api.get(f"/models/{model.model}").json()
        assert (found["production"], found["staging"]) == ("1", "2")
        (listed,) = [each for each in api.get("/models/").json()["models"] if each["name"] == model.model]
        assert listed == found
        moved = api.post("/models/transition-stage", json={**body, "stage": "Production"})
        assert moved.status_code == 200, moved.text
        assert api.get(f"/models/{model.model}").json()["production"] == "2"
    assert model.tracker.get_model(model.model).aliases == {"champion": "2"}
