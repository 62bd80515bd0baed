"""The requests of a front end, one after the other, each with a fast response."""

import time
from statistics import median
from typing import Any

import httpx
import pytest

METRICS = ("f1", "accuracy", "precision", "recall")


class Hurried:
    """A client that measures the time of each response."""

    def __init__(self, api: httpx.Client) -> None:
        self._api = api
        self.seconds: list[float] = []

    def __call__(self, method: str, path: str, expected: int = 200, **how: Any) -> Any:
        begun = time.monotonic()
        response = self._api.request(method, path, **how)
        self.seconds.append(time.monotonic() - begun)
        assert response.status_code == expected, response.text
        return response.json() if response.content else None


@pytest.fixture
def ask(api: httpx.Client) -> Hurried:
    # The very first request waits for the import of MLflow; its time does not count.
    assert api.get("/health").status_code == 200
    return Hurried(api)


def test_the_eleven_scenarios(ask: Hurried, name: str) -> None:
    assert ask("GET", "/health") == {"api": "ok", "mlflow": "ok"}

    assert ask("GET", "/")["experiments"][0]["name"] == "Default"

    experiment = ask("POST", "/create", 201, json={"name": name, "tags": {"팀": "채용"}})
    assert (experiment["name"], experiment["tags"]["팀"], experiment["deleted"]) == (name, "채용", False)
    listed = ask("GET", "/", params={"max_results": 1000})["experiments"]
    assert [each["name"] for each in listed if each["id"] == experiment["id"]] == [name]

    first, second = (
        ask("POST", "/runs/start", 201, json={"experiment_id": experiment["id"], "run_name": each})["id"]
        for each in ("로지스틱", "나무")
    )

    params = {"C": 1.0, "ngram": [1, 2], "classes": ["합격", "불합격"], "solver": "liblinear"}
    assert ask("POST", "/runs/log-params", json={"run_id": first, "params": params})["logged"] == 4
    assert ask("POST", "/runs/log-params", json={"run_id": second, "params": params | {"C": 10}})["logged"] == 4

    for run, better in ((first, 0.0), (second, 0.1)):
        for step in range(3):
            values = {each: 0.5 + better + step / 10 for each in METRICS}
            body = {"run_id": run, "metrics": values, "step": step}
            assert ask("POST", "/runs/log-metrics", json=body)["logged"] == 4
        assert ask("POST", f"/runs/{run}/end", json={})["status"] == "FINISHED"

    found = ask("GET", f"/runs/{first}")
    assert (found["name"], found["status"], found["params"]["classes"]) == (
        "로지스틱",
        "FINISHED",
        '["합격", "불합격"]',
    )
    assert found["metrics"] == pytest.approx(dict.fromkeys(METRICS, 0.7))
    points = ask("GET", f"/runs/{first}/metrics/f1")["points"]
    assert [(each["step"], each["value"]) for each in points] == [(0, 0.5), (1, 0.6), (2, 0.7)]

    search = {
        "experiment_ids": [experiment["id"]],
        "filter": [
            {"kind": "metric", "name": "f1", "comparison": ">", "value": 0.75},
            {"kind": "param", "name": "solver", "comparison": "=", "value": "liblinear"},
        ],
    }
    assert [each["id"] for each in ask("POST", "/runs/search", json=search)["runs"]] == [second]

    table = ask("POST", "/runs/compare", json={"run_ids": [second, first], "metric_keys": ["f1"]})
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    assert [(row["run_id"], row["metric_f1"], row["param_C"]) for row in rows] == [
        (second, pytest.approx(0.8), "10"),
        (first, pytest.approx(0.7), "1.0"),
    ]

    assert ask("GET", f"/runs/best/{experiment['id']}", params={"metric_key": "f1"})["id"] == second

    stats = ask("GET", f"/stats/{experiment['id']}")["metrics"]
    assert set(stats) == set(METRICS)
    assert (stats["f1"]["count"], stats["f1"]["best_run"]) == (2, second)
    assert stats["f1"]["mean"] == pytest.approx(0.75)

    print(f"{len(ask.seconds)} responses, the slowest after {max(ask.seconds):.2f} s")
    # The median: a busy machine may delay one of them.
    assert median(ask.seconds) < 1
