"""Limits: what is too large, too deep, too long, too many, or not storable is refused."""

import json
from typing import Any

import httpx
import pytest

from retrain_airflow.api.limits import LARGEST
from tests.api.requests import post_text, refused, start


def _of(size: int) -> str:
    """Return a body of this many bytes."""
    body = json.dumps({"name": ""})
    return body[:-2] + "x" * (size - len(body)) + body[-2:]


def test_a_body_that_is_too_large_is_refused(api: httpx.Client) -> None:
    assert "at most 250 characters" in refused(post_text(api, "/create", _of(LARGEST)))
    assert "1,048,576 bytes" in refused(post_text(api, "/create", _of(LARGEST + 1)), 413)


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "application/x-www-form-urlencoded", None])
def test_a_large_body_is_refused_whatever_it_says_to_be(kind: str | None, api: httpx.Client) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    refused(api.post("/create", content=b"x" * (LARGEST + 1), headers=headers), 413)


def test_a_large_body_is_refused_that_does_not_say_its_length(api: httpx.Client) -> None:
    chunks = (b"x" * (1 << 16) for _ in range(17))
    refused(api.post("/create", content=chunks, headers={"Content-Type": "application/json"}), 413)


def test_a_body_that_is_too_deep_is_refused(api: httpx.Client, run: str) -> None:
    def nested(depth: int) -> str:
        return f'{{"run_id": "{run}", "params": {{"깊이": {"[" * (depth - 2)}{"]" * (depth - 2)}}}}}'

    assert post_text(api, "/runs/log-params", nested(32)).status_code == 200
    assert "32 deep" in refused(post_text(api, "/runs/log-params", nested(33)))
    assert "32 deep" in refused(post_text(api, "/runs/log-params", nested(5_000)))


def test_brackets_in_a_text_do_not_count_as_depth(api: httpx.Client, run: str) -> None:
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
    refused(api.post(path, json=body))


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
    refused(api.post(path, content=body, headers={"Content-Type": "application/json"}))


def test_what_no_database_keeps_is_refused_in_a_url(api: httpx.Client, run: str) -> None:
    refused(api.get(f"/runs/{run}/metrics/a%00b"))
    refused(api.get("/models/a%00b"))
    refused(api.delete(f"/runs/{run}", params={"why": "a\0b"}))


def test_an_id_has_one_spelling(api: httpx.Client, experiment: str) -> None:
    refused(api.get(f"/0{experiment}"))
    refused(api.delete(f"/0{experiment}", params={"why": "그냥"}))


@pytest.mark.parametrize("number", [2**31, 2**32, 10**18 - 1])
def test_an_id_beyond_what_the_database_counts_is_not_found(number: int, api: httpx.Client) -> None:
    refused(api.get(f"/{number}"), 404)
    refused(api.get(f"/stats/{number}"), 404)
    refused(api.delete(f"/{number}", params={"why": "그냥"}), 404)
    refused(start(api, str(number), None), 404)
    assert api.post("/runs/search", json={"experiment_ids": [str(number)]}).json()["runs"] == []
