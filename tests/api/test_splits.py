"""Split tests over HTTP: from the ledger, while MLflow and the source are dead."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from retrain.arms import SplitNeed, SplitPlan
from retrain.live.assignment import Experiment, assign
from retrain_airflow.api.backend import Backend
from tests.api.conftest import As
from tests.api.test_live import _serving
from tests.core.ab.world import begun, buying, looked, split_units, two_versions, wanting
from tests.core.conftest import Build, World


@pytest.fixture
def model(cast: Callable[[Build], World]) -> World:
    return wanting(cast(two_versions))


@pytest.fixture
def client(model: World, backend: Backend, as_person: As) -> Iterator[httpx.Client]:
    with _serving(model, backend) as address:
        yield as_person(address=address)


def test_without_a_test_production_serves_every_unit(model: World, client: httpx.Client) -> None:
    found = client.get(f"/models/{model.model}/assignment", params={"unit": "user-1"})
    assert found.status_code == 200, found.text
    assert found.json() == {
        "model": model.model,
        "unit": "user-1",
        "arm": "production",
        "version": "1",
        "exposed": False,
        "split": None,
        "share": 0.0,
    }
    assert client.get(f"/specs/{model.model}/ab").json() == {
        "splits": [],
        "plan": None,
    }


def test_a_plan_is_there_before_the_start(model: World, client: httpx.Client) -> None:
    need = SplitNeed(metric="bought", mean=0.1, deviation=0.3, effect=0.05, days=14, units=4200, smallest=0.02)
    model.ledger.save_split_plan(
        model.model, SplitPlan(phases=(), needs=(need,), longest=56, units=16_800, enough=True)
    )
    found = client.get(f"/specs/{model.model}/ab").json()["plan"]
    assert (found["longest"], found["units"], found["enough"]) == (56, 16_800, True)
    assert (found["needs"][0]["metric"], found["needs"][0]["days"]) == ("bought", 14)


def test_the_holdout_and_the_share_are_those_that_the_test_began_with(model: World, client: httpx.Client) -> None:
    wanting(model, holdout={"name": "quiet", "share": 0.9})
    split = begun(model)
    wanting(model)
    for place in range(30):
        found = client.get(f"/models/{model.model}/assignment", params={"unit": f"u{place}"}).json()
        assert found["exposed"] == assign(f"u{place}", Experiment(split.id, 0.5, "quiet", 0.9)).exposed


def test_a_unit_gets_the_arm_that_the_function_gives_it_and_is_logged_once_where_asked(
    model: World, client: httpx.Client
) -> None:
    split = begun(model)
    for place in range(20):
        unit = f"사용자 {place}"
        for log in ("true", "true", "false"):
            found = client.get(f"/models/{model.model}/assignment", params={"unit": unit, "log": log}).json()
        expected = assign(unit, Experiment(split.id, 0.5))
        assert (found["arm"], found["exposed"]) == (expected.arm.value, expected.exposed)
        assert found["version"] == {"production": "1", "staging": "2"}[found["arm"]]
    client.get(f"/models/{model.model}/assignment", params={"unit": "not logged"})
    assert sum(len(each) for each in model.ledger.exposures(split.id)) == 20


def test_how_a_test_stands_and_how_it_has_ended(model: World, client: httpx.Client) -> None:
    split = begun(model)
    (before,) = client.get(f"/specs/{model.model}/ab").json()["splits"]
    assert (before["split"], before["seen"], before["answer"], before["share"]) == (split.id, [], None, 0.5)
    split_units(model, 4000)
    buying(model, 0.2, 0.3)
    looked(model)
    (after,) = client.get(f"/specs/{model.model}/ab").json()["splits"]
    assert (after["answer"], after["outcome"], after["exposed"]) == ("promote", "promoted", 3999)
    assert after["production_units"] + after["staging_units"] == 3999
    (effect,), (seen,) = after["effects"], after["seen"]
    assert (effect["metric"], effect["guardrail"], effect["matters"]) == ("bought", False, 0.05)
    assert effect["low"] == seen["low"] > 0
    assert seen["exposed"] == 3999


def test_a_unit_is_bounded(model: World, client: httpx.Client) -> None:
    assert client.get(f"/models/{model.model}/assignment", params={"unit": "x" * 501}).status_code == 422
    assert client.get(f"/models/{model.model}/assignment").status_code == 422
