"""What holds for every route: problems, pages, keys, limits, names, and who did what."""

import base64
import json
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from retrain.errors import LedgerError, NoAnswerError
from retrain.tracker.client import ExperimentTracker
from retrain_airflow.api.backend import Backend
from retrain_airflow.api.limits import LARGEST
from tests.api.conftest import As, mounted, serving

PROBLEM = "application/problem+json"
KOREAN = "자소서 분류"
NUMBERS = {"f1": 0.5}


@pytest.fixture
def key() -> str:
    return uuid4().hex


def _refused(answer: httpx.Response, status: int = 422) -> str:
    """What is said of it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    told = answer.json()
    assert told["status"] == status
    return " ".join([told["detail"], *(f"{each['field']}: {each['says']}" for each in told.get("errors", []))])


def _json(api: httpx.Client, path: str, body: str) -> httpx.Response:
    """Of a body that json.dumps would not write."""
    return api.post(path, content=body.encode(), headers={"Content-Type": "application/json"})


# ── problems


def test_a_problem_has_its_fields_and_its_type(api: httpx.Client) -> None:
    answer = api.get(f"/runs/{uuid4().hex}")
    assert answer.headers["content-type"] == PROBLEM
    assert answer.json().keys() == {"type", "title", "status", "detail"}
    assert answer.json()["title"] == "Not found"


def test_each_field_that_is_wrong_is_named(api: httpx.Client) -> None:
    answer = api.post("/runs/start", json={"experiment_id": "x", "run_name": "", "more": 1})
    assert answer.status_code == 422
    assert {each["field"] for each in answer.json()["errors"]} == {"experiment_id", "run_name", "more"}


def test_what_was_sent_is_not_sent_back(api: httpx.Client) -> None:
    assert "길다" not in api.post("/create", json={"name": "길다" * 1_000}).text


@pytest.mark.parametrize("path", ["/없는", "/runs/a/b/c/d", "/models/a/b"])
def test_a_path_that_is_not_there_is_a_problem(path: str, api: httpx.Client) -> None:
    _refused(api.get(path), 422 if path == "/없는" else 404)


def test_a_method_that_is_not_there_is_a_problem_and_says_which_are(api: httpx.Client, experiment: str) -> None:
    answer = api.patch(f"/{experiment}")
    _refused(answer, 405)
    assert answer.headers["allow"] == "DELETE, GET"
    assert api.put("/create").headers["allow"] == "POST"


@pytest.mark.parametrize("error", [NoAnswerError("no", where="http://10.0.0.1"), LedgerError("no")])
def test_what_does_not_answer_is_to_be_asked_again(error: Exception, backend: Backend, as_person: As) -> None:
    def fail() -> Any:
        raise error

    with serving(mounted(Backend(fail, fail, fail, lambda _: fail(), fail, backend.scheduler))) as place:
        answer = as_person(address=f"{place}/api/experiments").get("/health")
    _refused(answer, 503)
    assert answer.headers["retry-after"] == "5"
    assert "10.0.0.1" not in answer.text


# ── pages


def _walk(api: httpx.Client, path: str, items: str, size: int, **params: Any) -> list[Any]:
    """All pages of a list, of which none is larger than asked."""
    found: list[Any] = []
    token = None
    for _ in range(1_000):
        given = {"max_results": size, **params} | ({} if token is None else {"page_token": token})
        answer = api.get(path, params=given).raise_for_status().json()
        assert len(answer[items]) <= size
        found += answer[items]
        token = answer["next_page_token"]
        if token is None:
            return found
    raise AssertionError("it has no end")


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
    question: dict[str, Any] = {"experiment_ids": [experiment], "max_results": 2}
    found: list[str] = []
    token = None
    while True:
        answer = api.post("/runs/search", json=question | {"page_token": token}).raise_for_status().json()
        found += [each["id"] for each in answer["runs"]]
        token = answer["next_page_token"]
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


def test_a_token_of_another_question_is_refused(api: httpx.Client, run: str) -> None:
    api.post("/runs/log-metrics", json={"run_id": run, "metrics": {"a": [1, 2], "b": [1, 2]}})
    path = f"/runs/{run}/metrics"
    token = api.get(f"{path}/a", params={"max_results": 1}).json()["next_page_token"]
    assert api.get(f"{path}/a", params={"max_results": 1, "page_token": token}).json()["points"][0]["value"] == 2
    assert "another query" in _refused(api.get(f"{path}/b", params={"max_results": 1, "page_token": token}))
    assert "another query" in _refused(api.get("/", params={"page_token": token}))
    assert "another query" in _refused(api.post("/runs/search", json={"experiment_ids": ["0"], "page_token": token}))


def _forged(token: str, place: Any) -> str:
    question, _ = json.loads(base64.urlsafe_b64decode(token + "=="))
    return base64.urlsafe_b64encode(json.dumps([question, place]).encode()).decode().rstrip("=")


@pytest.mark.parametrize("token", ["a", "é", "한글", "AAAA", "W10", "bnVsbA", "MQ", "[]", "\0", "W1tbW1tbW1tbW1tb"])
@pytest.mark.parametrize("path", ["/", "/models/", "/specs/"])
def test_a_token_that_is_none_is_refused(token: str, path: str, api: httpx.Client) -> None:
    assert "page_token" in _refused(api.get(path, params={"page_token": token}))


@pytest.mark.parametrize("place", ["--5", "-1", "x", "", "²", "٣", 5, None, ["1"]])
def test_a_place_that_somebody_made_up_is_refused(place: Any, api: httpx.Client, run: str) -> None:
    api.post("/runs/log-metrics", json={"run_id": run, "metrics": {"a": [1, 2]}})
    path = f"/runs/{run}/metrics/a"
    token = api.get(path, params={"max_results": 1}).json()["next_page_token"]
    _refused(api.get(path, params={"max_results": 1, "page_token": _forged(token, place)}))


@pytest.mark.parametrize("offset", ["-1", "99999999999999999999", '"x"', "null", "[]"])
def test_a_place_that_somebody_made_up_shows_nothing_of_the_database(offset: str, api: httpx.Client) -> None:
    for _ in range(2):
        api.post("/create", json={"name": f"{KOREAN} {uuid4().hex}"})
    token = api.get("/", params={"max_results": 1}).json()["next_page_token"]
    place = base64.b64encode(f'{{"offset": {offset}}}'.encode()).decode()
    said = _refused(api.get("/", params={"max_results": 1, "page_token": _forged(token, place)}))
    assert not [word for word in ("SELECT", "SQL", "psycopg2", "experiments.name") if word in said]


# ── Idempotency-Key


def _start(api: httpx.Client, experiment: str, key: str | None, name: str = "실행") -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.post("/runs/start", json={"experiment_id": experiment, "run_name": name}, headers=headers)


def _runs(tracker: ExperimentTracker, experiment: str) -> set[str]:
    return {each.id for each in tracker.search_runs([experiment])}


def test_a_key_sent_twice_makes_one_run(
    api: httpx.Client, experiment: str, key: str, tracker: ExperimentTracker
) -> None:
    first, second = (_start(api, experiment, key) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert _runs(tracker, experiment) == {first.json()["id"]}


def test_without_a_key_each_request_makes_a_run(api: httpx.Client, experiment: str, tracker: ExperimentTracker) -> None:
    made = {_start(api, experiment, None).json()["id"] for _ in range(2)}
    assert len(made) == 2
    assert _runs(tracker, experiment) == made


def test_a_key_with_another_body_is_refused(
    api: httpx.Client, experiment: str, key: str, tracker: ExperimentTracker
) -> None:
    _start(api, experiment, key)
    assert "another body" in _refused(_start(api, experiment, key, "다른 것"))
    assert len(_runs(tracker, experiment)) == 1


def test_a_key_sent_four_times_at_once_makes_one_run(
    as_person: As, experiment: str, key: str, tracker: ExperimentTracker
) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: _start(as_person(), experiment, key), range(4)))
    assert {each.status_code for each in answers} == {201}
    assert {each.json()["id"] for each in answers} == _runs(tracker, experiment)
    assert len(_runs(tracker, experiment)) == 1


def test_the_same_key_of_two_people_makes_two_runs(
    as_person: As, experiment: str, key: str, tracker: ExperimentTracker
) -> None:
    made = {_start(as_person(name), experiment, key).json()["id"] for name in ("kim", "lee")}
    assert len(made) == 2
    assert _runs(tracker, experiment) == made


def test_the_same_key_for_two_kinds_of_things_makes_both(api: httpx.Client, name: str, key: str) -> None:
    headers = {"Idempotency-Key": key}
    experiment = api.post("/create", json={"name": name}, headers=headers)
    assert experiment.status_code == 201
    assert _start(api, experiment.json()["id"], key).status_code == 201


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
    _refused(api.post("/runs/log-metrics", json=body | {"step": 8}, headers={"Idempotency-Key": key}))


@pytest.mark.parametrize("bad", ["", "x" * 201, "a b", "a\tb"])
def test_a_key_that_is_none_is_refused(bad: str, api: httpx.Client, experiment: str) -> None:
    assert "Idempotency-Key" in _refused(_start(api, experiment, bad))


# ── limits


def _of(size: int) -> str:
    """A body of so many bytes."""
    body = json.dumps({"name": ""})
    return body[:-2] + "x" * (size - len(body)) + body[-2:]


def test_a_body_that_is_too_large_is_refused(api: httpx.Client) -> None:
    assert "at most 250 characters" in _refused(_json(api, "/create", _of(LARGEST)))
    assert "1,048,576 bytes" in _refused(_json(api, "/create", _of(LARGEST + 1)), 413)


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "application/x-www-form-urlencoded", None])
def test_a_large_body_is_refused_whatever_it_says_to_be(kind: str | None, api: httpx.Client) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    _refused(api.post("/create", content=b"x" * (LARGEST + 1), headers=headers), 413)


def test_a_large_body_is_refused_that_does_not_say_its_length(api: httpx.Client) -> None:
    chunks = (b"x" * (1 << 16) for _ in range(17))
    _refused(api.post("/create", content=chunks, headers={"Content-Type": "application/json"}), 413)


def test_a_body_that_is_too_deep_is_refused(api: httpx.Client, run: str) -> None:
    def nested(depth: int) -> str:
        return f'{{"run_id": "{run}", "params": {{"깊이": {"[" * (depth - 2)}{"]" * (depth - 2)}}}}}'

    assert _json(api, "/runs/log-params", nested(32)).status_code == 200
    assert "32 deep" in _refused(_json(api, "/runs/log-params", nested(33)))
    assert "32 deep" in _refused(_json(api, "/runs/log-params", nested(100_000)))


def test_brackets_in_a_text_are_no_depth(api: httpx.Client, run: str) -> None:
    text = '[{"\\' * 100
    assert api.post("/runs/log-params", json={"run_id": run, "params": {"a": text}}).status_code == 200
    assert api.get(f"/runs/{run}").json()["params"]["a"] == text


LONG = "가" * 251


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/create", {"name": LONG}),
        ("/create", {"name": ""}),
        ("/create", {"name": "a", "tags": {LONG: "x"}}),
        ("/create", {"name": "a", "tags": {"x": "가" * 8_001}}),
        ("/create", {"name": "a", "tags": {str(number): "x" for number in range(101)}}),
        ("/runs/start", {"experiment_id": "0", "run_name": LONG}),
        ("/runs/start", {"experiment_id": "0", "run_name": "a", "note": "가" * 8_001}),
        ("/runs/start", {"experiment_id": "0" * 2, "run_name": "a"}),
        ("/runs/start", {"experiment_id": "1" * 19, "run_name": "a"}),
        ("/runs/log-params", {"run_id": "a", "params": {}}),
        ("/runs/log-params", {"run_id": "a", "params": {LONG: 1}}),
        ("/runs/log-params", {"run_id": "a", "params": {"a": "가" * 6_001}}),
        ("/runs/log-params", {"run_id": "a", "params": {str(number): 1 for number in range(1_001)}}),
        ("/runs/log-metrics", {"run_id": "a", "metrics": {LONG: 1}}),
        ("/runs/log-metrics", {"run_id": "a", "metrics": {"a": [1] * 1_001}}),
        ("/runs/log-metrics", {"run_id": "a", "metrics": {"a": []}}),
        ("/runs/log-metrics", {"run_id": "a", "metrics": {str(number): [1] * 1_000 for number in range(11)}}),
        ("/runs/log-metrics", {"run_id": "a", "metrics": {"a": 1}, "step": 2**53 + 1}),
        ("/runs/search", {"experiment_ids": []}),
        ("/runs/search", {"experiment_ids": ["1"] * 101}),
        ("/runs/search", {"experiment_ids": ["1"], "max_results": 1_001}),
        ("/runs/search", {"experiment_ids": ["1"], "max_results": 0}),
        ("/runs/search", {"experiment_ids": ["1"], "order_by": [{"kind": "metric", "name": "a"}] * 6}),
        ("/runs/compare", {"run_ids": []}),
        ("/runs/compare", {"run_ids": ["a"] * 101}),
        ("/runs/compare", {"run_ids": ["a"], "metric_keys": ["a"] * 1_001}),
        ("/models/register", {"run_id": "a", "model_name": LONG}),
        ("/models/register", {"run_id": "a", "model_name": "a/b"}),
        ("/models/a/rollback", {"expects": "1", "why": "가" * 1_001}),
        ("/models/a/rollback", {"expects": "1", "why": "  "}),
        ("/models/a/rollback", {"expects": "0", "why": "x"}),
    ],
    ids=lambda each: str(each)[:40],
)
def test_what_is_too_long_or_too_many_is_refused(path: str, body: Any, api: httpx.Client) -> None:
    _refused(api.post(path, json=body))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/create", b'{"name": "\xff"}'),
        ("/create", b"\xff"),
        ("/create", '{"name": "가"}'.encode("utf-16")),
        ("/create", b'{"name": "\\ud800"}'),
        ("/create", b'{"name": "\\u0000"}'),
        ("/create", b'{"name": "a", "tags": {"b": "\\u0000"}}'),
        ("/create", b'{"name": "a", "tags": {"b": "\\udfff"}}'),
        ("/create", b'{"name": "a", "name": 1}'),
        ("/create", b"{"),
        ("/create", b"null"),
        ("/create", b""),
        ("/runs/log-params", b'{"run_id": "a", "params": {"a": ' + b"9" * 5_000 + b"}}"),
        ("/runs/log-params", b'{"run_id": "a", "params": {"a": ["\\ud800"]}}'),
        ("/runs/log-params", b'{"run_id": "a", "params": {"\\ud800": 1}}'),
        ("/runs/log-params", b'{"run_id": "a", "params": {"a": "\\u0000"}}'),
        ("/runs/log-metrics", b'{"run_id": "a", "metrics": {"a": 1e999}}'),
        ("/runs/log-metrics", b'{"run_id": "a", "metrics": {"a": -Infinity}}'),
        ("/runs/log-metrics", b'{"run_id": "a", "metrics": {"a": "1"}}'),
        ("/runs/log-metrics", b'{"run_id": "a", "metrics": {"a": true}}'),
        ("/runs/log-metrics", b'{"run_id": "a", "metrics": {"a": ' + b"9" * 400 + b"}}"),
        ("/runs/log-metrics", b'{"run_id": "a", "metrics": {"a": 1}, "step": 1.5}'),
        ("/models/a/rollback", b'{"expects": "1", "why": "\\u0000"}'),
    ],
)
def test_what_no_database_keeps_is_refused(path: str, body: bytes, api: httpx.Client) -> None:
    _refused(api.post(path, content=body, headers={"Content-Type": "application/json"}))


def test_what_no_database_keeps_is_refused_in_a_url(api: httpx.Client, run: str) -> None:
    _refused(api.get(f"/runs/{run}/metrics/a%00b"))
    _refused(api.get("/models/a%00b"))
    _refused(api.delete(f"/runs/{run}", params={"why": "a\0b"}))


def test_an_id_has_one_spelling(api: httpx.Client, experiment: str) -> None:
    _refused(api.get(f"/0{experiment}"))
    _refused(api.delete(f"/0{experiment}", params={"why": "그냥"}))


@pytest.mark.parametrize("number", [2**31, 2**32, 10**18 - 1])
def test_an_id_beyond_what_the_database_counts_is_not_found(number: int, api: httpx.Client) -> None:
    _refused(api.get(f"/{number}"), 404)
    _refused(api.get(f"/stats/{number}"), 404)
    _refused(api.delete(f"/{number}", params={"why": "그냥"}), 404)
    _refused(_start(api, str(number), None), 404)
    assert api.post("/runs/search", json={"experiment_ids": [str(number)]}).json()["runs"] == []


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
    assert _json(api, "/runs/log-metrics", f'{{"run_id": "{run}", "metrics": {{"b": NaN}}}}').status_code == 200
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
    _refused(api.delete(f"/runs/{run}"))
    _refused(api.delete(f"/runs/{run}", params={"why": " "}))
    assert not tracker.get_run(run).deleted


def test_what_is_not_there_is_not_deleted(api: httpx.Client) -> None:
    _refused(api.delete(f"/runs/{uuid4().hex}", params={"why": "그냥"}), 404)
    _refused(api.delete("/999999999", params={"why": "그냥"}), 404)


@pytest.mark.parametrize("tag", ["retrain.key", "retrain.by", "retrain.", "mlflow.parentRunId", "mlflow.user"])
def test_a_tag_of_ours_is_not_forged(tag: str, api: httpx.Client, experiment: str, run: str, name: str) -> None:
    tags = {"tags": {tag: "x"}}
    before = api.get(f"/runs/{run}").json()["tags"]
    assert tag in _refused(api.patch(f"/runs/{run}/tags", json=tags))
    assert tag in _refused(api.post("/create", json={"name": name} | tags))
    assert tag in _refused(api.post("/runs/start", json={"experiment_id": experiment, "run_name": "a"} | tags))
    assert api.get(f"/runs/{run}").json()["tags"] == before


# ── filters

HOSTILE = [
    "' OR 1=1",
    "' OR '1'='1",
    '" OR "1"="1',
    "x' OR tags.`a` = 'x",
    "x\" OR tags.`a` = 'x",
    "\\",
    "\\' OR 1=1 --",
    "'\"",
    "`",
    "%",
    "_",
    "a\nb",
    ";--",
    ") OR (1=1",
    "",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_is_found_literally_or_refused(value: str, api: httpx.Client, experiment: str, run: str) -> None:
    other = _start(api, experiment, None).json()["id"]
    api.patch(f"/runs/{other}/tags", json={"tags": {"a": "다른 값"}})
    assert api.patch(f"/runs/{run}/tags", json={"tags": {"a": value}}).status_code == 200
    condition = {"kind": "tag", "name": "a", "comparison": "=", "value": value}
    answer = api.post("/runs/search", json={"experiment_ids": [experiment], "filter": [condition]})
    if "\\" in value or ("'" in value and '"' in value):
        _refused(answer)
    else:
        assert [each["id"] for each in answer.json()["runs"]] == [run]


@pytest.mark.parametrize("name", ["a`", "a` = 'x' OR tags.`b", "a'b", 'a"b', " a", "a = 1", "a;b", "a(b)", "a\\b"])
@pytest.mark.parametrize("kind", ["metric", "param", "tag", "attribute"])
def test_a_name_adds_no_clause(name: str, kind: str, api: httpx.Client, experiment: str) -> None:
    value = 1.0 if kind == "metric" else "x"
    condition = {"kind": kind, "name": name, "comparison": "=", "value": value}
    _refused(api.post("/runs/search", json={"experiment_ids": [experiment], "filter": [condition]}))
    order = {"kind": kind, "name": name}
    _refused(api.post("/runs/search", json={"experiment_ids": [experiment], "order_by": [order]}))
    if kind == "metric":
        _refused(api.get(f"/runs/best/{experiment}", params={"metric_key": name}))


def test_a_field_is_asked_for_twice(api: httpx.Client, experiment: str, run: str) -> None:
    """MLflow's server breaks on a second order by the same field."""
    for kind, name in (("tag", "a"), ("metric", "a"), ("param", "a"), ("attribute", "start_time")):
        orders = [{"kind": kind, "name": name}, {"kind": kind, "name": name, "ascending": False}]
        answer = api.post("/runs/search", json={"experiment_ids": [experiment], "order_by": orders})
        assert [each["id"] for each in answer.raise_for_status().json()["runs"]] == [run]
