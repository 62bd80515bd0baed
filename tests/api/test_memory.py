"""The memory of the API's process under mixed load: what callers send leaves nothing behind."""

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from retrain_airflow.api.app import PREFIX
from retrain_airflow.api.limits import LARGEST
from stack import ports
from stack.local import Running

SECONDS = float(os.environ.get("RETRAIN_SOAK_SECONDS", "3600"))
CLIENTS = 8
PROJECT = Path(__file__).resolve().parents[2]

HOSTILE = [
    b'"' + b'\\"' * (LARGEST // 2 - 1),
    b"[" * LARGEST,
    b'{"run_id":"a","metrics":{' + b",".join(b'"k%06d":"x"' % number for number in range(70_000)) + b"}}",
    b"{" + b",".join(b'"k%06d":1' % number for number in range(11_000)) + b"}",
    b'{"run_id":"a","metrics":{' + b",".join(b'"k%06d":null' % number for number in range(11_000)) + b"}}",
    b'{"run_id":"a","params":{"a":"' + b"x" * (LARGEST - 100) + b'"}}',
]


@pytest.fixture
def served(mlflow_server: Running) -> Iterator[tuple[str, psutil.Process]]:
    """The address of an API in a process of its own, and the process."""
    port = ports.free().airflow
    words = [
        sys.executable,
        "-m",
        "tests.api.served",
        mlflow_server.mlflow_url,
        mlflow_server.dsn("retrain"),
        str(port),
    ]
    paths = os.pathsep.join(str(PROJECT / each) for each in ("include", "plugins", "."))
    with subprocess.Popen(words, cwd=PROJECT, env={**os.environ, "PYTHONPATH": paths}) as process:
        address = f"http://127.0.0.1:{port}{PREFIX}"
        try:
            for _ in range(600):
                assert process.poll() is None
                with suppress(httpx.TransportError):
                    httpx.get(f"{address}/openapi.json", trust_env=False)
                    break
                time.sleep(0.2)
            yield address, psutil.Process(process.pid)
        finally:
            process.kill()  # a server that is busy does not heed SIGTERM


def test_hostile_bodies_leave_nothing_behind(served: tuple[str, psutil.Process]) -> None:
    """E9, in short: before, each of these took memory that the process kept."""
    address, process = served
    before = 0

    async def attack() -> None:
        nonlocal before
        async with _client(address) as api:
            for turn in range(4):
                await asyncio.gather(*(_post(api, body) for body in HOSTILE))
                if turn == 0:
                    before = process.memory_info().rss

    asyncio.run(attack())
    assert process.memory_info().rss - before < 40e6


@pytest.mark.soak
def test_an_hour_of_mixed_load_takes_no_memory_that_five_minutes_did_not(served: tuple[str, psutil.Process]) -> None:
    """E9. RETRAIN_SOAK_SECONDS: another length, of which a twelfth stands for the five minutes."""
    address, process = served
    memory = asyncio.run(_soak(address, process))
    early, late = memory[len(memory) // 12], max(memory[-3:])
    print(f"\n{SECONDS:.0f} s: {early / 1e6:.0f} MB after a twelfth, {late / 1e6:.0f} MB at the end")
    assert late <= 1.2 * early


def _client(address: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=4 * CLIENTS)
    return httpx.AsyncClient(
        base_url=address, headers={"Authorization": "Bearer kim:"}, timeout=60, trust_env=False, limits=limits
    )


async def _post(api: httpx.AsyncClient, body: bytes) -> None:
    with suppress(httpx.TransportError):  # the server may close the connection before it has read all
        answer = await api.post("/runs/log-metrics", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (413, 422)


async def _soak(address: str, process: psutil.Process) -> list[int]:
    """Run all clients; return the memory in bytes, a hundred and twenty times in all."""
    memory, until = list[int](), time.monotonic() + SECONDS
    async with _client(address) as api, asyncio.TaskGroup() as clients:
        experiment = (await api.post("/create", json={"name": f"memory {time.time_ns()}"})).json()["id"]
        for number in range(CLIENTS):
            clients.create_task(_work(api, experiment, number, until))
        while time.monotonic() < until:
            await asyncio.sleep(SECONDS / 120)
            memory.append(process.memory_info().rss)
    return memory


async def _work(api: httpx.AsyncClient, experiment: str, client: int, until: float) -> None:
    """Log a run, read it, follow it, upload to it, and send what is refused."""
    for number in itertools.count():
        if time.monotonic() > until:
            return
        body = {"experiment_id": experiment, "run_name": f"{client}-{number}"}
        run = (await api.post("/runs/start", json=body)).json().get("id", "0" * 32)
        metrics = {f"m{which}": [which / (step + 1) for step in range(50)] for which in range(20)}
        await api.post("/runs/log-metrics", json={"run_id": run, "metrics": metrics})
        await api.post("/runs/log-params", json={"run_id": run, "params": {"C": number}})
        one = f"/runs/{run}"
        for path in ("/health", one, f"{one}/metrics/m1", "/models/nothing", "/specs/", f"/stats/{experiment}"):
            await api.get(path)
        await api.put(f"/runs/{run}/artifacts/a.bin", content=_file())
        await api.post("/runs/search", json={"experiment_ids": [experiment], "max_results": 50})
        await _post(api, HOSTILE[number % len(HOSTILE)])
        await api.post(f"/runs/{run}/end", json={})
        async with api.stream("GET", f"/runs/{run}/stream") as response:
            async for _ in response.aiter_bytes():
                pass
        with suppress(httpx.TimeoutException):  # one that goes away in the middle
            await api.get(f"/runs/{run}/artifacts", timeout=0.01)


async def _file() -> AsyncIterator[bytes]:
    for _ in range(8):
        yield b"x" * (1 << 16)
