"""Filters: a name or a value adds no clause to MLflow's search."""

import httpx
import pytest

from tests.api.requests import refused, start

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
    other = start(api, experiment, None).json()["id"]
    api.patch(f"/runs/{other}/tags", json={"tags": {"a": "다른 값"}})
    assert api.patch(f"/runs/{run}/tags", json={"tags": {"a": value}}).status_code == 200
    condition = {"kind": "tag", "name": "a", "comparison": "=", "value": value}
    response = api.post("/runs/search", json={"experiment_ids": [experiment], "filter": [condition]})
    if "\\" in value or ("'" in value and '"' in value):
        refused(response)
    else:
        assert [each["id"] for each in response.json()["runs"]] == [run]


@pytest.mark.parametrize("name", ["a`", "a` = 'x' OR tags.`b", "a'b", 'a"b', " a", "a = 1", "a;b", "a(b)", "a\\b"])
@pytest.mark.parametrize("kind", ["metric", "param", "tag", "attribute"])
def test_a_name_adds_no_clause(name: str, kind: str, api: httpx.Client, experiment: str) -> None:
    value = 1.0 if kind == "metric" else "x"
    condition = {"kind": kind, "name": name, "comparison": "=", "value": value}
    refused(api.post("/runs/search", json={"experiment_ids": [experiment], "filter": [condition]}))
    order = {"kind": kind, "name": name}
    refused(api.post("/runs/search", json={"experiment_ids": [experiment], "order_by": [order]}))
    if kind == "metric":
        refused(api.get(f"/runs/best/{experiment}", params={"metric_key": name}))


def test_a_field_is_asked_for_twice(api: httpx.Client, experiment: str, run: str) -> None:
    """MLflow's server breaks on a second order by the same field."""
    for kind, name in (("tag", "a"), ("metric", "a"), ("param", "a"), ("attribute", "start_time")):
        orders = [{"kind": kind, "name": name}, {"kind": kind, "name": name, "ascending": False}]
        response = api.post("/runs/search", json={"experiment_ids": [experiment], "order_by": orders})
        assert [each["id"] for each in response.raise_for_status().json()["runs"]] == [run]
