"""The document that the API is built from, and what it must say of each route."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from retrain_airflow.api.access import Permission
from retrain_airflow.api.document import text
from stack.home import PROJECT
from tests.api.conftest import EVERYTHING, As

DOCUMENT: dict[str, Any] = json.loads(text())
ID = "6f0c1b7e2d3a4c5b8e9f0a1b2c3d4e5f"

NEEDS = {
    "GET /": Permission.READ,
    "GET /health": Permission.READ,
    "GET /stats/{experiment_id}": Permission.READ,
    "GET /{experiment_id}": Permission.READ,
    "POST /create": Permission.LOG,
    "DELETE /{experiment_id}": Permission.DELETE,
    "GET /runs/best/{experiment_id}": Permission.READ,
    "GET /runs/{run_id}": Permission.READ,
    "GET /runs/{run_id}/artifacts": Permission.READ,
    "GET /runs/{run_id}/metrics/{name}": Permission.READ,
    "GET /runs/{run_id}/report": Permission.READ,
    "GET /runs/{run_id}/stream": Permission.READ,
    "POST /runs/compare": Permission.READ,
    "POST /runs/search": Permission.READ,
    "PATCH /runs/{run_id}/tags": Permission.LOG,
    "POST /runs/log-metrics": Permission.LOG,
    "POST /runs/log-params": Permission.LOG,
    "POST /runs/start": Permission.LOG,
    "POST /runs/{run_id}/end": Permission.LOG,
    "PUT /runs/{run_id}/artifacts/{path}": Permission.LOG,
    "DELETE /runs/{run_id}": Permission.DELETE,
    "GET /models/": Permission.READ,
    "GET /models/{model_name}": Permission.READ,
    "GET /models/{model_name}/history": Permission.READ,
    "GET /models/{model_name}/versions": Permission.READ,
    "GET /models/{model_name}/versions/{version}": Permission.READ,
    "POST /models/register": Permission.LOG,
    "POST /models/transition-stage": Permission.PROMOTE,
    "POST /models/{model_name}/rollback": Permission.PROMOTE,
    "POST /models/{model_name}/adopt": Permission.DELETE,
    "GET /models/{model_name}/production": Permission.READ,
    "POST /models/{model_name}/freeze": Permission.PROMOTE,
    "GET /specs/": Permission.READ,
    "GET /specs/{model_name}": Permission.READ,
    "GET /specs/{model_name}/verdicts": Permission.READ,
    "GET /specs/{model_name}/live": Permission.READ,
    "GET /specs/{model_name}/ab": Permission.READ,
    "GET /models/{model_name}/assignment": Permission.READ,
    "POST /specs/{model_name}/cycles": Permission.LOG,
    "GET /specs/{model_name}/cycles/{dag_run_id}": Permission.READ,
    "POST /specs/{model_name}/cycles/{dag_run_id}/approval": Permission.PROMOTE,
}

GIVEN = {
    "GET /health",
    "POST /create",
    "GET /{experiment_id}",
    "GET /",
    "DELETE /{experiment_id}",
    "POST /runs/start",
    "POST /runs/{run_id}/end",
    "GET /runs/{run_id}",
    "POST /runs/search",
    "DELETE /runs/{run_id}",
    "POST /runs/log-params",
    "POST /runs/log-metrics",
    "POST /runs/compare",
    "GET /runs/best/{experiment_id}",
    "GET /stats/{experiment_id}",
    "POST /models/register",
    "POST /models/transition-stage",
    "GET /models/{model_name}",
    "GET /models/",
    "POST /models/{model_name}/rollback",
    "GET /models/{model_name}/history",
}
"""Paths of the contract: other programs use them."""


class Operation(NamedTuple):
    method: str
    path: str
    says: dict[str, Any]

    @property
    def label(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def url(self) -> str:
        """The path with ids of things that do not exist."""
        ids = {"experiment_id": "7", "run_id": ID, "model_name": "없는 모델", "version": "3", "dag_run_id": "x"}
        return self.path.format(**ids, name="f1", path="a")


def _operations() -> Iterator[Operation]:
    for path, operations in DOCUMENT["paths"].items():
        for method, says in operations.items():
            yield Operation(method.upper(), path, says)


OPERATIONS = {each.label: each for each in _operations()}
each_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


def test_the_document_is_the_committed_one() -> None:
    committed = (PROJECT / "docs" / "openapi.json").read_text(encoding="utf-8")
    assert text() == committed, "the API is not what docs/openapi.json announces: run `make openapi`, and commit it"


def test_the_given_paths_are_there() -> None:
    assert len(GIVEN) == 21
    assert not GIVEN - OPERATIONS.keys()


def test_each_operation_needs_a_permission() -> None:
    assert OPERATIONS.keys() == NEEDS.keys()


@each_operation
def test_says_what_it_is(operation: Operation) -> None:
    assert operation.says["summary"]
    assert operation.says["description"]


@each_operation
def test_asks_for_a_login(operation: Operation) -> None:
    assert operation.says["security"] == [{"HTTPBearer": []}]


@each_operation
def test_announces_each_error_as_a_problem(operation: Operation) -> None:
    errors = {status: says for status, says in operation.says["responses"].items() if status >= "400"}
    assert errors.keys() >= {"401", "403", "422", "503"}
    assert ("413" in errors) == ("requestBody" in operation.says)
    assert ("404" in errors) >= ("{" in operation.path)
    for status, says in errors.items():
        problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
        assert says["content"] == {"application/problem+json": problem}, status


_SHORT = {
    *("aliases", "candidates", "cannot_go_back", "may", "running", "runs", "were_in_production"),
    *("alarms", "cohorts", "looks", "promises", "splits", "trials"),
}
"""Lists of a spec, a version or a cycle without pages: they are short, or cut."""


@each_operation
def test_a_list_has_page_tokens(operation: Operation) -> None:
    response = operation.says["responses"].get("200", {}).get("content", {}).get("application/json", {})
    schema = DOCUMENT["components"]["schemas"].get(response.get("schema", {}).get("$ref", "").rpartition("/")[2], {})
    if "next_page_token" not in schema.get("properties", {}):
        lists = [name for name, says in schema.get("properties", {}).items() if says.get("type") == "array"]
        assert operation.label == "POST /runs/compare" or set(lists) <= _SHORT, f"{lists}: a list without pages"
    elif operation.method == "GET":
        assert {"page_token", "max_results"} <= {each["name"] for each in operation.says["parameters"]}
    else:
        body = DOCUMENT["components"]["schemas"]["Search"]["properties"]
        assert {"page_token", "max_results"} <= body.keys()


@each_operation
def test_what_creates_takes_an_idempotency_key(operation: Operation) -> None:
    creates = operation.method == "POST" and operation.says["responses"].keys() & {"201", "202"}
    takes = "Idempotency-Key" in {each["name"] for each in operation.says.get("parameters", [])}
    assert takes == bool(creates or operation.label == "POST /runs/log-metrics")


@each_operation
def test_a_body_has_an_example_that_is_one(operation: Operation) -> None:
    if "requestBody" not in operation.says or operation.method == "PUT":
        return
    (content,) = operation.says["requestBody"]["content"].values()
    schema = DOCUMENT["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    assert schema.get("examples"), f"{schema['title']} has no example"


@each_operation
def test_answers_nobody_without_a_login(operation: Operation, address: str) -> None:
    response = httpx.request(operation.method, address + operation.url, trust_env=False)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["status"] == 401


@pytest.mark.parametrize("body", [b"{", b"[" * 40, b"\xff", b"x" * (2 << 20)], ids=["cut", "deep", "no text", "large"])
def test_reads_no_body_without_a_login(body: bytes, address: str) -> None:
    headers = {"Content-Type": "application/json"}
    response = httpx.post(f"{address}/create", content=body, headers=headers, trust_env=False)
    assert response.status_code == 401


@each_operation
def test_answers_nobody_without_its_permission(operation: Operation, as_person: As) -> None:
    needed = NEEDS[operation.label]
    others = EVERYTHING - {needed}
    body = {"json": _example(operation)} if operation.method in ("POST", "PATCH") else {}
    response = as_person("lee", *others).request(operation.method, operation.url, params={"why": "그냥"}, **body)
    assert response.status_code == 403
    assert response.json()["detail"] == f"lee may not {needed}"


def _example(operation: Operation) -> Any:
    (content,) = operation.says["requestBody"]["content"].values()
    schema = DOCUMENT["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    return schema.get("examples", [{}])[0]


def test_the_document_is_for_all(address: str) -> None:
    assert httpx.get(f"{address}/openapi.json", trust_env=False).json()["paths"].keys() == DOCUMENT["paths"].keys()


@pytest.mark.parametrize("path", ["/redoc", "/docs", "/models", "/runs/start/", "/docs/oauth2-redirect", "/없는/것"])
def test_nothing_answers_beside_what_is_announced(path: str, address: str) -> None:
    assert httpx.get(address + path, trust_env=False).status_code in (401, 404)
