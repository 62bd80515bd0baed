"""Pages: a list comes whole, in order, and a token is valid for its own query only."""

import base64
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.requests import refused

KOREAN = "자소서 분류"


def _walk(api: httpx.Client, path: str, items: str, size: int, **params: Any) -> list[Any]:
    """Return the items of all pages, none of which is larger than `size`."""
    found: list[Any] = []
    token = None
    for _ in range(1_000):
        query = {"max_results": size, **params} | ({} if token is None else {"page_token": token})
        response = api.get(path, params=query).raise_for_status().json()
        assert len(response[items]) <= size
        found += response[items]
        token = response["next_page_token"]
        if token is None:
            return found
    raise AssertionError("the list does not end")


def test_all_experiments_come_page_by_page(api: httpx.Client) -> None:
    made = [api.post("/create", json={"name": f"{KOREAN} {uuid4().hex}"}).json()["id"] for _ in range(5)]
    found = [each["id"] for each in _walk(api, "/", "experiments", 3)]
    assert [each for each in found if each in made] == made
    assert len(set(found)) == len(found)


def test_all_runs_come_page_by_page(api: httpx.Client, experiment: str) -> None:
    made = [
        api.post("/runs/start", json={"experiment_id": experiment, "run_name": f"{number}"}).json()["id"]
        for number in range(5)
    ]
    query: dict[str, Any] = {"experiment_ids": [experiment], "max_results": 2}
    found: list[str] = []
    token = None
    while True:
        response = api.post("/runs/search", json=query | {"page_token": token}).raise_for_status().json()
        found += [each["id"] for each in response["runs"]]
        token = response["next_page_token"]
        if token is None:
            break
    assert found == made


def test_all_points_of_a_metric_come_page_by_page(api: httpx.Client, run: str) -> None:
    api.post("/runs/log-metrics", json={"run_id": run, "metrics": {"손실": [5, 4, 3, 2, 1]}})
    assert [each["value"] for each in _walk(api, f"/runs/{run}/metrics/손실", "points", 2)] == [5, 4, 3, 2, 1]


def test_all_artifacts_come_page_by_page(api: httpx.Client, run: str) -> None:
    for name in "가나다라마":
        api.put(f"/runs/{run}/artifacts/{name}", content=b"1")
    assert [each["path"] for each in _walk(api, f"/runs/{run}/artifacts", "artifacts", 2)] == list("가나다라마")


def test_lists_that_are_empty_have_one_page(api: httpx.Client, run: str) -> None:
    assert _walk(api, "/specs/", "specs", 1) == []
    assert _walk(api, f"/runs/{run}/artifacts", "artifacts", 1) == []


def test_a_token_of_another_query_is_refused(api: httpx.Client, run: str) -> None:
    api.post("/runs/log-metrics", json={"run_id": run, "metrics": {"a": [1, 2], "b": [1, 2]}})
    path = f"/runs/{run}/metrics"
    token = api.get(f"{path}/a", params={"max_results": 1}).json()["next_page_token"]
    assert api.get(f"{path}/a", params={"max_results": 1, "page_token": token}).json()["points"][0]["value"] == 2
    assert "another query" in refused(api.get(f"{path}/b", params={"max_results": 1, "page_token": token}))
    assert "another query" in refused(api.get("/", params={"page_token": token}))
    assert "another query" in refused(api.post("/runs/search", json={"experiment_ids": ["0"], "page_token": token}))


def _forged(token: str, place: Any) -> str:
    digest, _ = json.loads(base64.urlsafe_b64decode(token + "=="))
    return base64.urlsafe_b64encode(json.dumps([digest, place]).encode()).decode().rstrip("=")


@pytest.mark.parametrize("token", ["a", "é", "한글", "AAAA", "W10", "bnVsbA", "MQ", "[]", "\0", "W1tbW1tbW1tbW1tb"])
@pytest.mark.parametrize("path", ["/", "/models/", "/specs/"])
def test_an_invalid_token_is_refused(token: str, path: str, api: httpx.Client) -> None:
    assert "page_token" in refused(api.get(path, params={"page_token": token}))


@pytest.mark.parametrize("place", ["--5", "-1", "x", "", "²", "٣", 5, None, ["1"]])
def test_a_place_that_somebody_made_up_is_refused(place: Any, api: httpx.Client, run: str) -> None:
    api.post("/runs/log-metrics", json={"run_id": run, "metrics": {"a": [1, 2]}})
    path = f"/runs/{run}/metrics/a"
    token = api.get(path, params={"max_results": 1}).json()["next_page_token"]
    refused(api.get(path, params={"max_results": 1, "page_token": _forged(token, place)}))


@pytest.mark.parametrize("offset", ["-1", "99999999999999999999", '"x"', "null", "[]"])
def test_a_place_that_somebody_made_up_shows_nothing_of_the_database(offset: str, api: httpx.Client) -> None:
    for _ in range(2):
        api.post("/create", json={"name": f"{KOREAN} {uuid4().hex}"})
    token = api.get("/", params={"max_results": 1}).json()["next_page_token"]
    place = base64.b64encode(f'{{"offset": {offset}}}'.encode()).decode()
    detail = refused(api.get("/", params={"max_results": 1, "page_token": _forged(token, place)}))
    assert not [word for word in ("SELECT", "SQL", "psycopg2", "experiments.name") if word in detail]
