"""The API against the REST API of the MLflow server behind it: what the hop costs.

One client asks both, over connections that are warm, one request after the other (concurrency 1) and eight at once:

get     one run, of five parameters and five metrics
search  100 runs of 110, by a metric, the oldest first
log     100 metrics of a run; ours in one POST, MLflow's in one `runs/log-batch`

The two sides take turns, many short ones, and the one that was first is last the next time; p50 and p99 over all
requests of a side are compared. The API runs in a process of its own under uvicorn, as Airflow runs it, but without
Airflow: every caller may do everything, because MLflow's server asks for no login either. So Airflow's login is not
measured. Ours also stores who has logged, as a tag. The client, both servers and PostgreSQL share the machine's cores.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import httpx

from stack import local, ports

RUNS, FOUND, METRICS = 110, 100, 100
CONCURRENCIES = (1, 8)
AIMS = {"get": 1.3, "search": 1.3, "log": 1.0}
"""The greatest ratios to MLflow's p50 and p99."""
TURNS, TURN = 20, 1.0
"""How many a side has, and seconds of one; it ends with the request that has begun."""

Ask = Callable[[int], Awaitable[httpx.Response]]
"""Sends a request; the number says which of those that are sent at once it is."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="4 turns of each side: p99 then rests on few requests")
    parser.add_argument("--serve", nargs=2, metavar=("MLFLOW", "PORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        _serve(arguments.serve[0], int(arguments.serve[1]))
        return
    turns = 4 if arguments.short else TURNS
    with (
        tempfile.TemporaryDirectory(prefix="retrain-") as folder,
        local.running(Path(folder) / "home", services=("postgres", "retrain-migrate", "mlflow")) as stack,
        _serving(stack.mlflow_url) as api,
    ):
        sides = asyncio.run(_measured(api, stack.mlflow_url, turns))
    _report(sides)


# ── the API, in a process of its own


@contextmanager
def _serving(mlflow: str) -> Iterator[str]:
    """The address of an API that runs as long as the block."""
    from retrain_airflow.api.app import PREFIX

    port = ports.free().airflow
    with subprocess.Popen([sys.executable, __file__, "--serve", mlflow, str(port)]) as process:
        try:
            address = f"http://127.0.0.1:{port}{PREFIX}"
            _until_healthy(f"{address}/health", process)
            yield address
        finally:
            process.terminate()


def _until_healthy(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        assert process.poll() is None
        try:
            if httpx.get(url, timeout=30, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(url)


@dataclass(frozen=True)
class Everybody:
    name: str = "benchmark"

    def may(self, _permission: Any, _dag_id: str | None = None) -> bool:
        return True


def _serve(mlflow: str, port: int) -> None:
    import uvicorn
    from fastapi import FastAPI

    from retrain.spec.files import SpecFolder
    from retrain.tracker.client import ExperimentTracker
    from retrain_airflow.api.app import DEADLINE, PREFIX, create_app
    from retrain_airflow.api.backend import Backend

    async def identify(_request: Any, _token: str | None) -> Everybody:
        return Everybody()

    def unused(*_: Any) -> NoReturn:
        raise AssertionError("no measured request needs this")

    tracker = ExperimentTracker(mlflow, deadline=DEADLINE)
    backend = Backend(
        tracker_at=lambda _: tracker,
        ledger_at=unused,
        snapshots=unused,
        source=unused,
        specs=lambda: SpecFolder((), ()),
        scheduler=unused,  # type: ignore[arg-type]
    )
    around = FastAPI()
    around.mount(PREFIX, create_app(backend, identify))
    uvicorn.run(around, port=port, log_level="warning", access_log=False)


# ── the measurement


@dataclass
class Sides:
    """Seconds of each request."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def ratio(self, percent: int) -> float:
        return _percentile(self.ours, percent) / _percentile(self.theirs, percent)


async def _measured(api: str, mlflow: str, rounds: int) -> dict[str, Sides]:
    found: dict[str, Sides] = {}
    async with _client(api) as ours, _client(f"{mlflow}/api/2.0/mlflow") as theirs:
        for what, (our, their) in (await _acts(ours, theirs)).items():
            for at_once in CONCURRENCIES:
                sides = found[f"{what}_{at_once}"] = Sides()
                await asyncio.gather(*(act(each) for act in (our, their) for each in range(at_once)))  # warm
                turns = [(our, sides.ours), (their, sides.theirs)]
                for _ in range(rounds):
                    for act, seconds in turns:
                        await _turn(act, at_once, seconds)
                    turns.reverse()
                _print(f"{what}_{at_once}", sides)
    return found


def _client(base: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=base, timeout=60, trust_env=False, limits=httpx.Limits(max_connections=8))


async def _turn(act: Ask, at_once: int, seconds: list[float]) -> None:
    until = time.perf_counter() + TURN

    async def one_after_the_other(which: int) -> None:
        while (begun := time.perf_counter()) < until:
            response = await act(which)
            seconds.append(time.perf_counter() - begun)
            assert response.is_success, response.text

    await asyncio.gather(*(one_after_the_other(which) for which in range(at_once)))


async def _acts(ours: httpx.AsyncClient, theirs: httpx.AsyncClient) -> dict[str, tuple[Ask, Ask]]:
    """Return our request and theirs for each kind; both find the same."""
    experiment = str(_body(await ours.post("/create", json={"name": "benchmark"}))["id"])
    runs = [await _run(theirs, experiment, number) for number in range(RUNS)]
    condition = {"kind": "metric", "name": "m0", "comparison": ">=", "value": float(RUNS - FOUND)}
    our_search = {"experiment_ids": [experiment], "filter": [condition], "max_results": FOUND}
    their_search = {
        "experiment_ids": [experiment],
        "filter": f"metrics.`m0` >= {RUNS - FOUND}",
        "order_by": ["attributes.start_time ASC"],
        "max_results": FOUND,
    }
    names = [f"metric {number}" for number in range(METRICS)]

    async def log_ours(which: int) -> httpx.Response:
        # Both sides make a new body for each request, as their clients do.
        values = {name: 1 / (place + 1) for place, name in enumerate(names)}
        return await ours.post("/runs/log-metrics", json={"run_id": runs[which], "metrics": values, "step": 1})

    async def log_theirs(which: int) -> httpx.Response:
        now = int(time.time() * 1000)
        points = [
            {"key": name, "value": 1 / (place + 1), "timestamp": now, "step": 1} for place, name in enumerate(names)
        ]
        return await theirs.post("/runs/log-batch", json={"run_id": runs[8 + which], "metrics": points})

    acts: dict[str, tuple[Ask, Ask]] = {
        "get": (
            lambda which: ours.get(f"/runs/{runs[-1 - which]}"),
            lambda which: theirs.get("/runs/get", params={"run_id": runs[-1 - which]}),
        ),
        "search": (
            lambda _: ours.post("/runs/search", json=our_search),
            lambda _: theirs.post("/runs/search", json=their_search),
        ),
        "log": (log_ours, log_theirs),
    }
    our, their = [_body(await act(0)) for act in acts["get"]]
    assert (our["id"], our["metrics"]["m0"]) == (their["run"]["info"]["run_id"], RUNS - 1)
    our, their = [_body(await act(0)) for act in acts["search"]]
    assert [each["id"] for each in our["runs"]] == [each["info"]["run_id"] for each in their["runs"]] == runs[-FOUND:]
    return acts


async def _run(theirs: httpx.AsyncClient, experiment: str, number: int) -> str:
    """Make a run with parameters and metrics; return its id."""
    now = int(time.time() * 1000)
    made = _body(await theirs.post("/runs/create", json={"experiment_id": experiment, "start_time": now + number}))
    run_id = str(made["run"]["info"]["run_id"])
    params = [{"key": f"p{which}", "value": str(number * which)} for which in range(5)]
    metrics = [{"key": f"m{which}", "value": number, "timestamp": now, "step": 0} for which in range(5)]
    _body(await theirs.post("/runs/log-batch", json={"run_id": run_id, "params": params, "metrics": metrics}))
    return run_id


def _body(response: httpx.Response) -> Any:
    assert response.is_success, response.text
    return response.json()


# ── the report


def _percentile(seconds: Sequence[float], percent: int) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1]


def _print(name: str, sides: Sides) -> None:
    ours, theirs = (
        f"{_percentile(each, 50) * 1000:.1f} / {_percentile(each, 99) * 1000:.1f} ms of {len(each):,}"
        for each in (sides.ours, sides.theirs)
    )
    ratios = f"{sides.ratio(50):.2f} / {sides.ratio(99):.2f}"
    print(f"{name}: p50 / p99 ours {ours}, theirs {theirs}: {ratios} times", flush=True)


def _report(sides: dict[str, Sides]) -> None:
    ratios = {
        f"{name}_p{percent}": round(each.ratio(percent), 2) for name, each in sides.items() for percent in (50, 99)
    }
    aims = {name: AIMS[name.partition("_")[0]] for name in ratios}
    print(
        json.dumps(
            {
                "name": "api",
                "requests": {name: [len(each.ours), len(each.theirs)] for name, each in sides.items()},
                "p50_p99_ms": {
                    name: {
                        "ours": [round(_percentile(each.ours, percent) * 1000, 1) for percent in (50, 99)],
                        "theirs": [round(_percentile(each.theirs, percent) * 1000, 1) for percent in (50, 99)],
                    }
                    for name, each in sides.items()
                },
                **ratios,
                "aim": {name: f"<= {aim:g}" for name, aim in AIMS.items()},
                "missed": [name for name, aim in aims.items() if ratios[name] > aim],
                "met": all(ratios[name] <= aim for name, aim in aims.items()),
            }
        )
    )


if __name__ == "__main__":
    main()
