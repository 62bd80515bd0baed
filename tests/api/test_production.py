"""What was in Production when, and freezes, over HTTP."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from retrain.errors import FrozenError
from retrain_airflow.api.backend import Backend
from tests.api import test_models
from tests.api.conftest import As
from tests.core.conftest import World

api, two = test_models.api, test_models.two
"""Its fixtures: a model whose second version has replaced the first, and the API before it."""

BODY = {"days": 2, "why": "a campaign"}


def test_what_was_in_production_at_a_time_is_told(api: httpx.Client, two: World) -> None:
    first, second = two.ledger.history(two.model)
    assert first.applied_at and second.applied_at  # noqa: PT018 - one thing
    path = f"/models/{two.model}/production"
    between = first.applied_at + (second.applied_at - first.applied_at) / 2
    asked = [None, between.isoformat(), between.replace(tzinfo=None).isoformat(), "2001-01-01T00:00:00Z"]
    found = [api.get(path, params={"at": each} if each else {}).json()["version"] for each in asked]
    assert found == ["2", "1", "1", None]
    assert api.get(path, params={"at": "yesterday"}).status_code == 422
    assert api.get("/models/none/production").status_code == 404


def test_a_freeze_holds_until_its_end_or_until_somebody_ends_it(
    api: httpx.Client,
    two: World,
) -> None:
    path, key = f"/models/{two.model}/freeze", {"Idempotency-Key": "once"}
    two.headlines()
    begun = [api.post(path, json=BODY, headers=key).json() for _ in range(2)]
    assert begun[0] == begun[1]
    assert (begun[0]["by"], begun[0]["why"]) == ("kim", "a campaign")
    left = datetime.fromisoformat(begun[0]["until"]) - datetime.now(UTC)
    assert timedelta(days=1.9) < left < timedelta(days=2)
    with pytest.raises(FrozenError):
        two.registry.promote(two.model, "1", expects="2", by="kim", why="x")
    assert api.post(path, json={"days": 0, "why": "it is over"}).json() is None
    two.registry.promote(two.model, "1", expects="2", by="kim", why="x")
    assert len([each for each in two.headlines() if "frozen" in each]) == 2


@pytest.mark.parametrize("body", [{"days": -1, "why": "x"}, {"days": 366, "why": "x"}, {"days": 1}, {"why": "x"}])
def test_a_freeze_without_a_sense_is_refused(api: httpx.Client, two: World, body: dict[str, object]) -> None:
    assert api.post(f"/models/{two.model}/freeze", json=body).status_code == 422
    assert two.ledger.freeze_of(two.model) is None


def test_who_may_not_start_the_dag_or_promote_the_model_freezes_nothing(
    two: World,
    backend: Backend,
    as_person: As,
) -> None:
    with test_models._serving(two, backend) as address:
        own, both = (as_person(f"lee@retrain_toy{more}", address=address) for more in ("", "+retrain-freeze"))
        refused = own.post(f"/models/{two.model}/freeze", json=BODY)
        assert (refused.status_code, refused.json()["detail"]) == (403, "lee may not start DAG retrain-freeze")
        may = [each.get(f"/specs/{two.model}").json()["may_freeze"] for each in (own, both)]
        assert may == [False, True]
        assert both.post(f"/models/{two.model}/freeze", json=BODY).status_code == 201
