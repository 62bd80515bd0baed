"""`retrain audit` of a registry of 500 versions, against a plain loop over MLflow's own client.

A server with 50 models of 10 versions each, logged as MLflow 3 does: every version with a run and a logged model of its
own, five files each. Every tenth model has something wrong. The two take turns at going first, and the medians are
compared.

audit_vs_loop   seconds of the loop divided by those of the audit. The loop asks for all models, the versions of each
                and the run of each version, and downloads each `MLmodel` with `mlflow.artifacts.download_artifacts`. It
                finds nothing: the audit also lists all files, looks at the logged models, and reads requirements.
requests        of the audit for each version, all included
"""

import argparse
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import mlflow.artifacts
from mlflow import MlflowClient
from requests.adapters import HTTPAdapter

from stack import local
from stack.home import PROJECT

sys.path.insert(0, str(PROJECT))

from retrain.preflight.audit import audit
from retrain.preflight.audit_finding import Audit
from retrain.preflight.audit_text import to_html
from retrain.tracker.client import ExperimentTracker
from tests.core.preflight.others import Others

AIMS = {"audit_vs_loop": 1.5, "requests": 4.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--versions", type=int, default=10, help="of each model")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--page", type=Path, help="also write the page of the audit into this file")
    parser.add_argument("--short", action="store_true", help="10 models, 3 repeats")
    arguments = parser.parse_args()
    models, repeats = (10, 3) if arguments.short else (arguments.models, arguments.repeats)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    with (
        tempfile.TemporaryDirectory(prefix="retrain-") as folder,
        local.running(Path(folder) / "home", services=("postgres", "retrain-migrate", "mlflow")) as stack,
    ):
        address = stack.mlflow_url
        tracker = ExperimentTracker(address)
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
        begun = time.monotonic()
        fill(address, models, arguments.versions)
        print(f"{models * arguments.versions:,} versions registered in {time.monotonic() - begun:.0f} s")
        sides = [lambda: audit(tracker, address), lambda: plain(address)]
        ours, theirs = medians(sides, repeats)
        requests, theirs_requests = (requests_of(side) for side in sides)
        found = audit(tracker, address)
    if arguments.page:
        arguments.page.write_text(to_html(found), encoding="utf-8")
    report(found, repeats, (ours, theirs), (requests, theirs_requests))


def fill(address: str, models: int, versions: int) -> None:
    """Register the models; every tenth one has two versions in Production, a failed run, and an alias apart."""
    for number in range(models):
        others = Others.at(address, Path(), f"model-{number:03}")
        for version in range(versions):
            is_last, is_wrong = version == versions - 1, number % 10 == 0
            others.version(
                stage="Production" if is_last or (is_wrong and version % 2) else None,
                alias="champion" if version == 0 and is_wrong else None,
                status="FAILED" if is_wrong and version == 1 else "FINISHED",
                metrics={"test_accuracy": 0.8 + version / 100},
                params={"test_rows": 1_000},
            )


def plain(address: str) -> int:
    """Return how many versions an engineer's loop has looked at."""
    client, looked = MlflowClient(address, address), 0
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        for model in client.search_registered_models(max_results=1_000):
            for version in client.search_model_versions(f"name = '{model.name}'"):
                client.get_run(version.run_id)
                uri = f"{version.source}/MLmodel"
                mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder, tracking_uri=address)
                looked += 1
    return looked


def medians(sides: list[Callable[[], object]], repeats: int) -> list[float]:
    """Return the median seconds of each side. They take turns at going first; the first round is not counted."""
    rounds = []
    for number in range(repeats + 1):
        seconds = [0.0] * len(sides)
        for turn in range(len(sides)):
            side = (turn + number) % len(sides)
            begun = time.perf_counter()
            sides[side]()
            seconds[side] = time.perf_counter() - begun
        rounds.append(seconds)
    return [statistics.median(column) for column in zip(*rounds[1:], strict=True)]


def requests_of(side: Callable[[], object]) -> int:
    with counting() as counter:
        side()
    return next(counter)


@contextmanager
def counting() -> Iterator["count[int]"]:
    """Count the requests of this process while the block runs."""
    counter, send = count(), HTTPAdapter.send

    def counted(self: HTTPAdapter, *words: Any, **named: Any) -> Any:
        next(counter)  # of C, so that threads do not lose one
        return send(self, *words, **named)

    with patch.object(HTTPAdapter, "send", counted):
        yield counter


def report(found: Audit, repeats: int, seconds: tuple[float, float], sent: tuple[int, int]) -> None:
    (ours, theirs), (requests, theirs_requests) = seconds, sent
    values = {"audit_vs_loop": round(theirs / ours, 2), "requests": round(requests / found.versions, 2)}
    print(f"audit {ours:.1f} s and {requests:,} requests, loop {theirs:.1f} s and {theirs_requests:,} requests")
    print(f"{len(found.models):,} models, {found.versions:,} versions, {len(found.findings):,} findings")
    print(
        json.dumps(
            {
                "name": "audit",
                "versions": found.versions,
                "repeats": repeats,
                **values,
                "seconds": round(ours, 2),
                "loop_seconds": round(theirs, 2),
                "loop_requests": round(theirs_requests / found.versions, 2),
                "aim": {
                    "audit_vs_loop": f">= {AIMS['audit_vs_loop']:g}",
                    "requests": f"<= {AIMS['requests']:g}",
                },
                "met": {
                    "audit_vs_loop": values["audit_vs_loop"] >= AIMS["audit_vs_loop"],
                    "requests": values["requests"] <= AIMS["requests"],
                },
            }
        )
    )


if __name__ == "__main__":
    main()
