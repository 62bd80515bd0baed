"""The API under more clients than it has threads, for a minute."""

import asyncio
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import Run

CLIENTS, SECONDS = 50, 60
STEPS, METRICS = 3, 5
"""Of each run: times that metrics are logged, and how many of them at once."""


@dataclass
class Soak:
    """The requests about one experiment, and what was acknowledged."""

    experiment: str
    seconds: list[float] = field(default_factory=list)
    runs: dict[str, dict[str, str]] = field(default_factory=dict)
    """Parameters of each run that was acknowledged."""
    points: dict[str, list[tuple[str, int, float]]] = field(default_factory=dict)
    """Name, step and value of each point of a run."""
    ended: list[str] = field(default_factory=list)


async def _work(api: httpx.AsyncClient, soak: Soak, client: int) -> None:
    """Write one run after the other, and read each of them."""

    async def ask(method: str, path: str, **how: Any) -> Any:
        begun = time.monotonic()
        response = await api.request(method, path, **how)
        soak.seconds.append(time.monotonic() - begun)
        assert response.status_code < 400, f"{method} {path}: {response.status_code} {response.text}"
        return response.json()

    until, number = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        number += 1
        body = {"experiment_id": soak.experiment, "run_name": f"{client}-{number}"}
        run = (await ask("POST", "/runs/start", json=body))["id"]
        soak.runs[run], soak.points[run] = {}, []
        params = {"client": str(client), "number": str(number)}
        assert (await ask("POST", "/runs/log-params", json={"run_id": run, "params": params}))["logged"] == 2
        soak.runs[run] = params
        for step in range(STEPS):
            values = {f"m{which}": number + step / 10 + which / 100 for which in range(METRICS)}
            logged = await ask("POST", "/runs/log-metrics", json={"run_id": run, "metrics": values, "step": step})
            assert logged["logged"] == METRICS
            soak.points[run] += [(name, step, value) for name, value in values.items()]
        assert (await ask("GET", f"/runs/{run}"))["params"] == params
        mine = [{"kind": "param", "name": "client", "comparison": "=", "value": str(client)}]
        search = {"experiment_ids": [soak.experiment], "filter": mine, "max_results": 10}
        assert (await ask("POST", "/runs/search", json=search))["runs"]
        some = list(soak.runs)[-5:]
        table = await ask("POST", "/runs/compare", json={"run_ids": some, "metric_keys": ["m0"]})
        assert [row[0] for row in table["rows"]] == some
        assert (await ask("POST", f"/runs/{run}/end", json={}))["status"] == "FINISHED"
        soak.ended.append(run)
        assert (await ask("GET", f"/runs/best/{soak.experiment}", params={"metric_key": "m0"}))["metrics"]["m0"] >= 1


async def _soak(address: str, soak: Soak) -> None:
    headers = {"Authorization": "Bearer kim:"}
    async with (
        httpx.AsyncClient(
            base_url=address,
            headers=headers,
            timeout=30,
            trust_env=False,
            limits=httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS),
        ) as api,
        asyncio.TaskGroup() as clients,
    ):
        for client in range(CLIENTS):
            clients.create_task(_work(api, soak, client))


@pytest.mark.soak
def test_fifty_clients_for_a_minute_see_no_error_and_lose_nothing(
    address: str, experiment: str, tracker: ExperimentTracker
) -> None:
    soak = Soak(experiment)
    begun = time.monotonic()
    asyncio.run(_soak(address, soak))
    took = time.monotonic() - begun
    p50, p99 = (statistics.quantiles(soak.seconds, n=100)[percent - 1] for percent in (50, 99))
    print(
        f"\n{len(soak.seconds):,} requests of {CLIENTS} clients in {took:.0f} s: {len(soak.seconds) / took:.1f} a "
        f"second, p50 {p50:.2f} s, p99 {p99:.2f} s, the slowest {max(soak.seconds):.2f} s"
    )

    kept = {run.id: run for run in tracker.search_runs([experiment])}

    assert set(kept) == set(soak.runs)
    assert {run: dict(kept[run].params) for run in kept} == soak.runs
    assert {run for run, each in kept.items() if each.status == "FINISHED"} == set(soak.ended)
    assert {run: _points(tracker, each) for run, each in kept.items()} == {
        run: sorted(points) for run, points in soak.points.items()
    }


def _points(tracker: ExperimentTracker, run: Run) -> list[tuple[str, int, float]]:
    return sorted((name, at.step, at.value) for name in run.metrics for at in tracker.metric_history(run.id, name))
