"""What holds for every route: problems, names, numbers, and who did what."""

import math
from typing import Any
from uuid import uuid4

import httpx
import pytest

from retrain.errors import LedgerError, NoAnswerError
from retrain.tracker.client import ExperimentTracker
from retrain_airflow.api.backend import Backend
from tests.api.conftest import As, mounted, serving
from tests.api.requests import PROBLEM, post_text, refused

NUMBERS = {"f1": 0.5}


# ── problems


def test_a_problem_has_its_fields_and_its_type(api: httpx.Client) -> None:
    response = api.get(f"/runs/{uuid4().hex}")
    assert response.headers["content-type"] == PROBLEM
    assert response.json().keys() == {"type", "title", "status", "detail"}
    assert response.json()["title"] == "Not found"


def test_each_field_that_is_wrong_is_named(api: httpx.Client) -> None:
    response = api.post("/runs/start", json={"experiment_id": "x", "run_name": "", "more": 1})
    assert response.status_code == 422
    assert {each["field"] for each in response.json()["errors"]} == {"experiment_id", "run_name", "more"}


def test_what_was_sent_is_not_sent_back(api: httpx.Client) -> None:
    assert "길다" not in api.post("/create", json={"name": "길다" * 1_000}).text


@pytest.mark.parametrize("path", ["/없는", "/runs/a/b/c/d", "/models/a/b"])
def test_a_path_that_is_not_there_is_a_problem(path: str, api: httpx.Client) -> None:
    refused(api.get(path), 422 if path == "/없는" else 404)


def test_a_method_that_is_not_there_is_a_problem_and_says_which_are(api: httpx.Client, experiment: str) -> None:
    response = api.patch(f"/{experiment}")
    refused(response, 405)
    assert response.headers["allow"] == "DELETE, GET"
    assert api.put("/create").headers["allow"] == "POST"


@pytest.mark.parametrize("error", [NoAnswerError("no", where="http://10.0.0.1"), LedgerError("no")])
def test_what_does_not_answer_is_to_be_asked_again(error: Exception, backend: Backend, as_person: As) -> None:
    def fail(*_: object) -> Any:
        raise error

    with serving(mounted(Backend(fail, fail, fail, fail, fail, backend.scheduler))) as place:
        response = as_person(address=f"{place}/api/experiments").get("/health")
    refused(response, 503)
    assert response.headers["retry-after"] == "5"
    assert "10.0.0.1" not in response.text


# ── names


def test_korean_names_come_back_byte_for_byte(api: httpx.Client, name: str) -> None:
    # The second of each is in parts, as files of a Mac are called: another name, and not to be changed into the first.
    tags = {"팀 이름": "채용 😀", "\u1112\u1161\u11ab": "분해된 글자"}
    experiment = api.post("/create", json={"name": name, "tags": tags}).json()
    found = api.get(f"/{experiment['id']}").json()
    assert found["name"] == name
    assert {key: found["tags"][key] for key in tags} == tags

    body = {"experiment_id": experiment["id"], "run_name": "로지스틱 회귀", "tags": tags, "note": "첫 줄\n둘째 줄"}
    run = api.post("/runs/start", json=body).json()["id"]
    params = {"규제": "약하게", "\u1112\u1161\u11ab": "분해된 글자", "목록": ["합격", "불합격"]}
    metrics = {"정확도": 0.5, "재현율/합격": 0.25, "\u1112\u1161\u11ab": 1.0}
    assert api.post("/runs/log-params", json={"run_id": run, "params": params}).status_code == 200
    assert api.post("/runs/log-metrics", json={"run_id": run, "metrics": metrics}).status_code == 200
    assert api.put(f"/runs/{run}/artifacts/그림/혼동 행렬.txt", content=b"1").status_code == 201

    found = api.get(f"/runs/{run}").json()
    assert found["name"] == "로지스틱 회귀"
    assert {key: found["tags"][key] for key in tags} == tags
    assert found["tags"]["mlflow.note.content"] == "첫 줄\n둘째 줄"
    assert found["params"] == params | {"목록": '["합격", "불합격"]'}
    assert found["metrics"] == metrics
    assert api.get(f"/runs/{run}/metrics/재현율/합격").json()["points"][0]["value"] == 0.25
    listed = api.get(f"/runs/{run}/artifacts", params={"path": "그림"}).json()["artifacts"]
    assert [each["path"] for each in listed] == ["그림/혼동 행렬.txt"]
    assert name in api.get("/", params={"max_results": 1_000}).content.decode("utf-8")


def test_korean_is_found(api: httpx.Client, experiment: str, run: str) -> None:
    api.patch(f"/runs/{run}/tags", json={"tags": {"팀": "채용"}})
    api.post("/runs/log-metrics", json={"run_id": run, "metrics": {"정확도": 0.5}})
    api.post(f"/runs/{run}/end", json={})
    conditions = [
        {"kind": "tag", "name": "팀", "comparison": "=", "value": "채용"},
        {"kind": "metric", "name": "정확도", "comparison": ">", "value": 0.4},
        {"kind": "attribute", "name": "run_name", "comparison": "=", "value": "실행"},
    ]
    found = api.post("/runs/search", json={"experiment_ids": [experiment], "filter": conditions}).json()["runs"]
    assert [each["id"] for each in found] == [run]
    assert api.get(f"/runs/best/{experiment}", params={"metric_key": "정확도"}).json()["id"] == run


# ── numbers


def test_nan_goes_there_and_back(api: httpx.Client, run: str, tracker: ExperimentTracker) -> None:
    assert api.post("/runs/log-metrics", json={"run_id": run, "metrics": {"a": [1, "NaN"]}}).status_code == 200
    assert post_text(api, "/runs/log-metrics", f'{{"run_id": "{run}", "metrics": {{"b": NaN}}}}').status_code == 200
    assert api.get(f"/runs/{run}").json()["metrics"] == {"a": "NaN", "b": "NaN"}
    assert [each["value"] for each in api.get(f"/runs/{run}/metrics/a").json()["points"]] == [1, "NaN"]
    assert math.isnan(tracker.get_run(run).metrics["b"])


@pytest.mark.parametrize("number", [5e-324, -0.0, 1e308, 0.1 + 0.2, -1.7e308, 2**53])
def test_a_number_comes_back_as_it_was(number: float, api: httpx.Client, run: str) -> None:
    assert api.post("/runs/log-metrics", json={"run_id": run, "metrics": {"a": number}}).status_code == 200
    assert api.get(f"/runs/{run}").json()["metrics"]["a"] == number


# ── who did what


def test_who_began_and_who_logged_is_in_tags(as_person: As, name: str, tracker: ExperimentTracker) -> None:
    kim, lee = as_person("kim"), as_person("lee")
    experiment = kim.post("/create", json={"name": name}).json()["id"]
    run = kim.post("/runs/start", json={"experiment_id": experiment, "run_name": "a"}).json()["id"]
    assert tracker.get_experiment(experiment).tags["retrain.by"] == "kim"
    assert tracker.get_run(run).tags["retrain.by"] == "kim"
    assert "retrain.logged_by" not in tracker.get_run(run).tags
    bodies = {"/runs/log-params": {"params": {"C": 1}}, "/runs/log-metrics": {"metrics": NUMBERS}}
    for path, body in bodies.items():
        for who in (kim, lee):
            who.post(path, json={"run_id": run} | body)
        assert tracker.get_run(run).tags["retrain.logged_by"] == "lee"
    kim.post(f"/runs/{run}/end", json={})
    assert tracker.get_run(run).tags["retrain.ended_by"] == "kim"


def test_who_deletes_a_run_and_why_is_in_tags(as_person: As, run: str, tracker: ExperimentTracker) -> None:
    for name in ("kim", "lee"):
        assert as_person(name).delete(f"/runs/{run}", params={"why": f"{name}: 잘못 만듦"}).status_code == 204
    found = tracker.get_run(run)
    assert found.deleted
    tags = {key: found.tags[key] for key in ("retrain.deleted_by", "retrain.deleted_why")}
    assert tags == {"retrain.deleted_by": "kim", "retrain.deleted_why": "kim: 잘못 만듦"}


def test_who_deletes_an_experiment_and_why_is_in_tags(
    as_person: As, experiment: str, tracker: ExperimentTracker
) -> None:
    for name in ("kim", "lee"):
        assert as_person(name).delete(f"/{experiment}", params={"why": f"{name}: 잘못 만듦"}).status_code == 204
    found = tracker.get_experiment(experiment)
    assert found.deleted
    tags = {key: found.tags[key] for key in ("retrain.deleted_by", "retrain.deleted_why")}
    assert tags == {"retrain.deleted_by": "kim", "retrain.deleted_why": "kim: 잘못 만듦"}


def test_nothing_is_deleted_without_a_reason(api: httpx.Client, run: str, tracker: ExperimentTracker) -> None:
    refused(api.delete(f"/runs/{run}"))
    refused(api.delete(f"/runs/{run}", params={"why": " "}))
    assert not tracker.get_run(run).deleted


def test_what_is_not_there_is_not_deleted(api: httpx.Client) -> None:
    refused(api.delete(f"/runs/{uuid4().hex}", params={"why": "그냥"}), 404)
    refused(api.delete("/999999999", params={"why": "그냥"}), 404)


@pytest.mark.parametrize("tag", ["retrain.key", "retrain.by", "retrain.", "mlflow.parentRunId", "mlflow.user"])
def test_a_tag_of_ours_is_not_forged(tag: str, api: httpx.Client, experiment: str, run: str, name: str) -> None:
    tags = {"tags": {tag: "x"}}
    before = api.get(f"/runs/{run}").json()["tags"]
    assert tag in refused(api.patch(f"/runs/{run}/tags", json=tags))
    assert tag in refused(api.post("/create", json={"name": name} | tags))
    assert tag in refused(api.post("/runs/start", json={"experiment_id": experiment, "run_name": "a"} | tags))
    assert api.get(f"/runs/{run}").json()["tags"] == before
