"""What a caller sends is bounded before it is parsed, and makes nobody else wait."""

import json
import time
from contextlib import suppress
from typing import Any

import httpx
import pytest

from retrain_airflow.api import limits
from retrain_airflow.api.access import Permission
from retrain_airflow.api.limits import LARGEST, MOST_VALUES, refuse_unbounded
from retrain_airflow.api.problems import UnprocessableError
from stack.local import Running
from tests.api.conftest import As
from tests.api.requests import post_text, refused

RUN = "0" * 32
HOSTILE = {
    "a quote and then escaped ones": b'"' + b'\\"' * LARGEST,
    "escaped quotes in a list": b'["' + b'\\"' * LARGEST,
    "backslashes": b'"' + b"\\" * LARGEST,
    "an odd number of backslashes": b'{"a":"' + b'\\\\\\"' * LARGEST,
    "quotes": b'"' * LARGEST,
    "empty texts": b'[""' + b',""' * LARGEST,
    "brackets": b"[" * LARGEST,
    "brackets of both kinds": b'[{"":' * LARGEST,
    "pairs of brackets": b"[" + b"[]," * LARGEST,
    "closed brackets": b"]" * LARGEST,
    "commas": b"," * LARGEST,
    "numbers": b"[" + b"1," * LARGEST,
    "a long number": b"[" + b"9" * LARGEST,
    "a long fraction": b"[0." + b"1" * LARGEST,
    "a long exponent": b"[1e" + b"9" * LARGEST,
    "unicode escapes": b'["' + b"\\u0041" * LARGEST,
    "blanks": b" " * LARGEST,
    "many keys": b"{" + b",".join(b'"%d":1' % number for number in range(120_000)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_body_is_looked_through_in_linear_time(kind: str) -> None:
    """E1."""
    body = HOSTILE[kind][:LARGEST]
    begun = time.process_time()
    for _ in range(3):
        with suppress(UnprocessableError):
            refuse_unbounded(body)
    assert (time.process_time() - begun) / 3 < 0.3, "it is a hundredth of a second on an idle core"


@pytest.mark.parametrize("path", ["/create", "/runs/log-metrics", "/models/a/rollback"])
def test_the_permission_is_checked_before_the_body_is_read(path: str, as_person: As) -> None:
    """E1."""
    viewer = as_person("lee", Permission.READ)
    assert viewer.post(path, content=b"[" * (LARGEST + 1)).status_code == 403
    assert viewer.post(path, content=HOSTILE["a quote and then escaped ones"][:LARGEST]).status_code == 403
    assert viewer.post(path, content=b"{}").status_code == 403


def test_a_route_without_a_permission_does_not_exist(api: httpx.Client, address: str) -> None:
    """E1: the route checks what its dependency names; one that names nothing would be open."""
    from typing import cast

    from fastapi.routing import APIRoute

    from retrain_airflow.api import access
    from retrain_airflow.api.app import create_app

    app = create_app(cast(Any, None), cast(Any, None))
    routes = [each for each in app.routes if isinstance(each, APIRoute)]
    assert len(routes) > 20
    for each in routes:
        assert isinstance(each, limits.BoundedRoute), each.path
        assert access.needed(each.dependencies), each.path


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"run_id": RUN, "metrics": {f"k{number}": "" for number in range(60_000)}}, "at most 12,000 values"),
        ({f"key number {number}": "" for number in range(40_000)}, "at most 12,000 values"),
        ({f"k{number}": "x" for number in range(11_000)}, "'k0' and 10999 others are not fields"),
        ({"run_id": RUN, "metrics": {f"k{number}": "x" for number in range(11_000)}}, "'k0' holds 'x'; send numbers"),
        ({"run_id": RUN, "metrics": {"a": [1] * 9_000 + [None]}}, "'a' holds None; send numbers"),
        ({"run_id": RUN, "metrics": {f"k\0{number}": 1 for number in range(5_000)}}, "5,000 faults; send less"),
    ],
)
def test_values_are_counted_before_they_are_validated(body: Any, says: str, api: httpx.Client) -> None:
    """E4."""
    begun = time.monotonic()
    assert says in refused(api.post("/runs/log-metrics", json=body))
    assert time.monotonic() - begun < 20, "it was 42 seconds once; it is half a second on an idle core"


def test_a_body_of_as_many_points_as_one_may_log_is_not_refused() -> None:
    """E4."""
    refuse_unbounded(json.dumps({"metrics": {f"k{number}": [0.5] * 10 for number in range(1_000)}}).encode())
    refuse_unbounded(json.dumps([1] * (MOST_VALUES - 1)).encode())
    with pytest.raises(UnprocessableError, match="12,000 values"):
        refuse_unbounded(json.dumps([1] * (MOST_VALUES + 1)).encode())


@pytest.mark.parametrize(
    "body",
    [
        '{"name": "a", "name": "b"}',
        '{"name": "a", "n\\u0061me": "b"}',
        '{"name": "a", "tags": {"b": "1", "b": "1"}}',
        '{"tags": {}, "tags": {}, "name": "a"}',
    ],
)
def test_a_name_that_comes_twice_is_refused(body: str, api: httpx.Client) -> None:
    """E8."""
    assert "comes twice; send each name once" in refused(post_text(api, "/create", body))


def test_a_parameter_of_the_address_that_comes_twice_is_refused(api: httpx.Client, run: str) -> None:
    """E8."""
    assert "'why' comes twice" in refused(api.delete(f"/runs/{run}?why=a&why=b"))
    assert "'max_results' comes twice" in refused(api.get("/?max_results=1&max_results="))


@pytest.mark.parametrize("method", ["POST /create", "PUT /runs/{run}/artifacts/a.txt"])
def test_a_body_that_comes_too_slowly_is_refused(
    method: str, api: httpx.Client, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E8."""
    monkeypatch.setattr(limits, "PATIENCE", 0.5)
    monkeypatch.setattr(limits, "SILENCE", 0.5)
    verb, _, path = method.partition(" ")

    def slow() -> Any:
        yield b"{"
        time.sleep(3)
        yield b"}"

    with suppress(httpx.WriteError):  # the server may have closed the connection before the rest was sent
        assert "s" in refused(api.request(verb, path.format(run=run), content=slow()), 408)


@pytest.mark.parametrize("path", ["/health", "/", "/runs/{run}", "/specs/", "/models/", "/nothing/here/at/all"])
def test_private_answers_are_not_stored(path: str, api: httpx.Client, run: str) -> None:
    """E8."""
    for login in (api.headers["Authorization"], "Bearer nobody"):
        answer = api.get(path.format(run=run), headers={"Authorization": login})
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", [".", "..", "a\u2028b", "a "])
def test_a_model_that_no_path_and_no_line_can_hold_is_not_registered(name: str, api: httpx.Client, run: str) -> None:
    """E8."""
    answer = api.post("/models/register", json={"run_id": run, "model_name": name})
    assert "is not a name for a model" in refused(answer)


@pytest.mark.parametrize("leads", ["nowhere", "link"])
def test_a_link_among_artifacts_is_told_as_what_it_is(
    leads: str, api: httpx.Client, experiment: str, run: str, mlflow_server: Running
) -> None:
    """E8."""
    assert api.put(f"/runs/{run}/artifacts/a.txt", content=b"1").status_code == 201
    (mlflow_server.home.artifacts / experiment / run / "artifacts" / "link").symlink_to(leads)
    assert "a link in it that leads nowhere" in refused(api.get(f"/runs/{run}/artifacts"))


def test_no_page_brings_a_script_from_another_host(api: httpx.Client) -> None:
    """E6."""
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect"):
        assert "<" not in refused(api.get(path), 404 if "/" in path[1:] else 422)
    assert api.get("/openapi.json").json()["info"]["title"] == "Retrain"
