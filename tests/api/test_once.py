"""Idempotency-Key: a request that is sent again makes nothing again."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from retrain.tracker.client import ExperimentTracker
from tests.api.conftest import As
from tests.api.requests import refused, start


@pytest.fixture
def key() -> str:
    return uuid4().hex


def _runs(tracker: ExperimentTracker, experiment: str) -> set[str]:
    return {each.id for each in tracker.search_runs([experiment])}


def test_a_key_sent_twice_makes_one_run(
    api: httpx.Client, experiment: str, key: str, tracker: ExperimentTracker
) -> None:
    first, second = (start(api, experiment, key) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert _runs(tracker, experiment) == {first.json()["id"]}


def test_without_a_key_each_request_makes_a_run(api: httpx.Client, experiment: str, tracker: ExperimentTracker) -> None:
    made = {start(api, experiment, None).json()["id"] for _ in range(2)}
    assert len(made) == 2
    assert _runs(tracker, experiment) == made


def test_a_key_with_another_body_is_refused(
    api: httpx.Client, experiment: str, key: str, tracker: ExperimentTracker
) -> None:
    start(api, experiment, key)
    assert "another body" in refused(start(api, experiment, key, "다른 것"))
    assert len(_runs(tracker, experiment)) == 1


def test_a_key_sent_four_times_at_once_makes_one_run(
    as_person: As, experiment: str, key: str, tracker: ExperimentTracker
) -> None:
    with ThreadPoolExecutor(4) as threads:
        responses = list(threads.map(lambda _: start(as_person(), experiment, key), range(4)))
    assert {each.status_code for each in responses} == {201}
    assert {each.json()["id"] for each in responses} == _runs(tracker, experiment)
    assert len(_runs(tracker, experiment)) == 1


def test_the_same_key_of_two_people_makes_two_runs(
    as_person: As, experiment: str, key: str, tracker: ExperimentTracker
) -> None:
    made = {start(as_person(name), experiment, key).json()["id"] for name in ("kim", "lee")}
    assert len(made) == 2
    assert _runs(tracker, experiment) == made


def test_the_same_key_for_two_kinds_of_things_makes_both(api: httpx.Client, name: str, key: str) -> None:
    headers = {"Idempotency-Key": key}
    experiment = api.post("/create", json={"name": name}, headers=headers)
    assert experiment.status_code == 201
    assert start(api, experiment.json()["id"], key).status_code == 201


def test_an_experiment_is_made_once_for_its_name_and_for_its_key(api: httpx.Client, name: str, key: str) -> None:
    headers = {"Idempotency-Key": key}
    made = [api.post("/create", json={"name": name}, headers=each).json()["id"] for each in (headers, headers, {})]
    assert len(set(made)) == 1


def test_points_sent_twice_with_a_key_are_there_once(api: httpx.Client, run: str, key: str) -> None:
    body = {"run_id": run, "metrics": {"f1": [0.1, 0.2], "손실": 3}, "step": 7}
    for _ in range(2):
        assert api.post("/runs/log-metrics", json=body, headers={"Idempotency-Key": key}).json()["logged"] == 3
    points = api.get(f"/runs/{run}/metrics/f1").json()["points"]
    assert [(each["step"], each["value"]) for each in points] == [(7, 0.1), (8, 0.2)]
    refused(api.post("/runs/log-metrics", json=body | {"step": 8}, headers={"Idempotency-Key": key}))


@pytest.mark.parametrize("bad", ["", "x" * 201, "a b", "a\tb"])
def test_an_invalid_key_is_refused(bad: str, api: httpx.Client, experiment: str) -> None:
    assert "Idempotency-Key" in refused(start(api, experiment, bad))
