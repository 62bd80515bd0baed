"""What one caller sends, and how long another waits for it.

Twenty kinds of hostile request are generated: quadratic texts, deep nesting, long numbers, many keys, many wrong
values, many streams, slow bodies. A viewer sends each for some seconds, one request after the other, each of at most
1 MiB. Meanwhile another client asks in turn for health and for a run. Before each kind it asks for as long while
nothing is sent. Its p99 with each kind is compared with its p99 of all the quiet times.

The API runs in a process of its own under uvicorn, as in `api.py`, with a real MLflow server behind it. The clients,
both servers and PostgreSQL share the machine's cores.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import httpx
import psutil

from stack import local, ports

LARGEST = 1 << 20
SECONDS, SHORT = 8.0, 2.0
"""Of each kind, and of the quiet time before it."""
AIM_RATIO, AIM_SLOWEST = 3.0, 1.0
METRICS, STREAMS = 1_000, 20
ALLOWED, REFUSED = "/runs/search", "/runs/log-metrics"
"""A path that the viewer may post to, and one that the viewer may not."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="2 s of each kind: p99 then rests on few requests")
    parser.add_argument("--serve", nargs=2, metavar=("MLFLOW", "PORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        _serve(arguments.serve[0], int(arguments.serve[1]))
        return
    with (
        tempfile.TemporaryDirectory(prefix="retrain-") as folder,
        local.running(Path(folder) / "home", services=("postgres", "retrain-migrate", "mlflow")) as stack,
        _serving(stack.mlflow_url) as (api, process),
    ):
        measured = asyncio.run(_measured(api, process, SHORT if arguments.short else SECONDS))
    _report(measured)


# ── what is sent


@dataclass(frozen=True)
class Kind:
    name: str
    path: str
    body: bytes

    async def send(self, viewer: httpx.AsyncClient) -> None:
        await viewer.post(self.path, content=self.body, headers={"Content-Type": "application/json"})


@dataclass(frozen=True)
class Streams:
    """Twenty streams at once of a run with a thousand metrics."""

    run: str
    name: str = f"{STREAMS} streams"

    async def send(self, viewer: httpx.AsyncClient) -> None:
        async def one() -> None:
            async with viewer.stream("GET", f"/runs/{self.run}/stream") as response:
                async for _ in response.aiter_bytes():
                    pass

        await asyncio.gather(*(one() for _ in range(STREAMS)))


@dataclass(frozen=True)
class Slow:
    """Twenty bodies at once, of which a byte comes each tenth of a second."""

    name: str = f"{STREAMS} slow bodies"

    async def send(self, viewer: httpx.AsyncClient) -> None:
        async def drops() -> AsyncIterator[bytes]:
            for _ in range(600):
                yield b" "
                await asyncio.sleep(0.1)

        await asyncio.gather(*(viewer.post(ALLOWED, content=drops()) for _ in range(STREAMS)))


def _kinds(run: str) -> list[Kind | Streams | Slow]:
    """Return twenty kinds: what is repeated, between a beginning and an end, until the body is full."""
    repeated = {
        "escaped quotes": ('"', '\\"', ""),
        "escaped backslashes and a quote": ('["', '\\\\"', '"]'),
        "quotes": ('["', '","', '"]'),
        "unicode escapes": ('["', "\\u0041", '"]'),
        "brackets": ("", "[", ""),
        "brackets of both kinds": ("", '[{"a":', ""),
        "pairs of brackets": ("[[]", ",[]", "]"),
        "deep fields in a field": ('{"filter":', '{"a":', ""),
        "a long number": ('{"max_results":', "9", "}"),
        "a long fraction": ('{"max_results":0.', "1", "}"),
        "many numbers": ('{"experiment_ids":[1', ",1", "]}"),
        "wrong conditions": ('{"experiment_ids":["1"],"filter":[{}', ",{}", "]}"),
        "blanks": ("", " \n", "{}"),
    }
    kinds: list[Kind | Streams | Slow] = [
        Kind(name, (ALLOWED, REFUSED)[place % 2], _full(*parts)) for place, (name, parts) in enumerate(repeated.items())
    ]
    kinds += [
        Kind("many keys", ALLOWED, _fields("k", "1", LARGEST)),
        Kind("as many keys as are counted", ALLOWED, _fields("k", "1", 11_000 * 12)),
        Kind("long keys", ALLOWED, _fields("k" * 80, "1", LARGEST)),
        Kind("many wrong metrics", REFUSED, b'{"run_id":"a","metrics":' + _fields("k", '"x"', LARGEST - 100) + b"}"),
        Kind("as many wrong ids as are counted", ALLOWED, b'{"experiment_ids":[' + b",".join([b"1"] * 11_000) + b"]}"),
    ]
    return [*kinds, Streams(run), Slow()]


def _full(begin: str, repeated: str, end: str) -> bytes:
    return (begin + repeated * ((LARGEST - len(begin) - len(end)) // len(repeated)) + end).encode()


def _fields(name: str, value: str, size: int) -> bytes:
    each = len(f'"{name}000000":{value},')
    return ("{" + ",".join(f'"{name}{number:06}":{value}' for number in range((size - 2) // each)) + "}").encode()


# ── the API, in a process of its own


@contextmanager
def _serving(mlflow: str) -> Iterator[tuple[str, psutil.Process]]:
    """The address of an API that runs as long as the block, and its process."""
    from retrain_airflow.api.app import PREFIX

    port = ports.free().airflow
    with subprocess.Popen([sys.executable, __file__, "--serve", mlflow, str(port)]) as process:
        try:
            address = f"http://127.0.0.1:{port}{PREFIX}"
            _until_healthy(f"{address}/health", process)
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()


def _until_healthy(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        assert process.poll() is None
        with suppress(httpx.TransportError):
            if httpx.get(url, timeout=30, trust_env=False).is_success:
                return
        time.sleep(0.1)
    raise TimeoutError(url)


@dataclass(frozen=True)
class Person:
    """The viewer may read; the other one may do everything."""

    name: str

    def may(self, permission: Any, _dag_id: str | None = None) -> bool:
        return self.name != "viewer" or str(permission) == "read"


def _serve(mlflow: str, port: int) -> None:
    import uvicorn
    from fastapi import FastAPI

    from retrain.spec.files import SpecFolder
    from retrain.tracker.client import ExperimentTracker
    from retrain_airflow.api.app import DEADLINE, PREFIX, create_app
    from retrain_airflow.api.backend import Backend

    async def identify(_request: Any, token: str | None) -> Person:
        return Person(token or "")

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
    uvicorn.run(around, port=port, log_level="error", access_log=False)


# ── the measurement


@dataclass
class Measured:
    quiet: list[float] = field(default_factory=list)
    """Seconds of each request of the other client while nothing hostile is sent."""
    beside: dict[str, list[float]] = field(default_factory=dict)
    """Seconds of each, by the kind that is sent meanwhile."""
    memory: list[float] = field(default_factory=list)
    """Of the API, in MB: before the first kind, and after each."""

    def ratio(self, kind: str) -> float:
        return _p99(self.beside[kind]) / _p99(self.quiet)

    @property
    def slowest(self) -> float:
        return max(seconds for each in self.beside.values() for seconds in each)


async def _measured(api: str, process: psutil.Process, seconds: float) -> Measured:
    measured = Measured()
    async with _client(api, "other") as other, _client(api, "viewer") as viewer:
        run = await _run(other)
        await _asked(other, run, seconds)  # warm
        measured.memory.append(process.memory_info().rss / 1e6)
        kinds = _kinds(run)
        assert len({each.name for each in kinds}) == 20
        for kind in kinds:
            measured.quiet += await _asked(other, run, seconds)
            sending = asyncio.create_task(_again_and_again(lambda kind=kind: kind.send(viewer)))  # type: ignore[misc]
            measured.beside[kind.name] = await _asked(other, run, seconds)
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            measured.memory.append(process.memory_info().rss / 1e6)
            _print(kind.name, measured)
    return measured


def _client(base: str, who: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=2 * STREAMS)
    headers = {"Authorization": f"Bearer {who}"}
    return httpx.AsyncClient(base_url=base, headers=headers, timeout=60, trust_env=False, limits=limits)


async def _again_and_again(send: Callable[[], Any]) -> None:
    while True:
        # The server answers before it has read all, and then closes the connection.
        with suppress(httpx.TransportError):
            await send()
        await asyncio.sleep(0)


async def _asked(other: httpx.AsyncClient, run: str, seconds: float) -> list[float]:
    """Ask for health and for a run, one after the other; return the seconds of each."""
    found, until = list[float](), time.perf_counter() + seconds
    while time.perf_counter() < until:
        for path in ("/health", f"/runs/{run}"):
            begun = time.perf_counter()
            response = await other.get(path)
            found.append(time.perf_counter() - begun)
            assert response.is_success, response.text
    return found


async def _run(other: httpx.AsyncClient) -> str:
    """Make a run with many metrics; return its id."""
    experiment = (await other.post("/create", json={"name": "abuse"})).json()["id"]
    run = (await other.post("/runs/start", json={"experiment_id": experiment, "run_name": "abused"})).json()["id"]
    metrics = {f"m{number}": number / 10 for number in range(METRICS)}
    response = await other.post("/runs/log-metrics", json={"run_id": run, "metrics": metrics})
    assert response.is_success, response.text
    return str(run)


# ── the report


def _p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[98]


def _print(kind: str, measured: Measured) -> None:
    seconds = measured.beside[kind]
    print(
        f"{kind}: p50 / p99 / slowest {statistics.median(seconds) * 1000:.1f} / {_p99(seconds) * 1000:.1f} / "
        f"{max(seconds) * 1000:.1f} ms of {len(seconds):,}, {measured.ratio(kind):.2f} times; "
        f"{measured.memory[-1]:.0f} MB",
        flush=True,
    )


def _report(measured: Measured) -> None:
    ratios = {kind: round(measured.ratio(kind), 2) for kind in measured.beside}
    print(
        json.dumps(
            {
                "name": "api_abuse",
                "p99_quiet_ms": round(_p99(measured.quiet) * 1000, 1),
                "p99_ratio": ratios,
                "worst_p99_ratio": max(ratios.values()),
                "slowest_s": round(measured.slowest, 3),
                "slowest_quiet_s": round(max(measured.quiet), 3),
                "memory_mb": {"before": round(measured.memory[0]), "after": round(measured.memory[-1])},
                "requests": {"quiet": len(measured.quiet), "beside": sum(map(len, measured.beside.values()))},
                "aim": {"worst_p99_ratio": f"<= {AIM_RATIO:g}", "slowest_s": f"<= {AIM_SLOWEST:g}"},
                "missed": [kind for kind, ratio in ratios.items() if ratio > AIM_RATIO],
                "met": max(ratios.values()) <= AIM_RATIO and measured.slowest <= AIM_SLOWEST,
            }
        )
    )


if __name__ == "__main__":
    main()
