"""`python -m tests.core.racer`: each connection to it is a process that changes Production on command.

Input: a line with its settings, to which it replies with the id of its process; then a line for each change, such as
`{"does": "promote", "version": "2", "expects": "1"}`, or `"rollback"`. Output: the number of the ledger's row, or why
there is none. The processes are forks of one that has only done the imports, which take seconds.
"""

import json
import os
import signal
import socket
import sys
from typing import IO

import psycopg2

from retrain.errors import RetrainError
from retrain.ledger.ledger import Ledger
from retrain.production.registry import Registry
from retrain.snapshots.store import SnapshotStore
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import ModelVersion


class Unproven(Registry):
    """A registry without the proof, which takes seconds and would keep racers apart. test_registry.py tests it."""

    def prove(self, version: ModelVersion) -> None:
        pass


def main() -> None:
    """The argument is the path of a Unix socket; it prints a line when it listens."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(sys.argv[1])
        server.listen()
        print("listening", flush=True)
        while True:
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                with connection.makefile("rw") as stream:
                    _race(stream)
                os._exit(0)
            connection.close()


def _race(stream: IO[str]) -> None:
    settings = json.loads(stream.readline())
    print(os.getpid(), file=stream, flush=True)
    ledger = Ledger(lambda: psycopg2.connect(settings["dsn"]), patience=settings.get("patience", 300))
    registry = Unproven(ledger, ExperimentTracker(settings["mlflow"]), SnapshotStore(settings["snapshots"]))
    for line in stream:
        print(_change(registry, settings["model"], settings["name"], **json.loads(line)), file=stream, flush=True)


def _change(registry: Registry, model: str, by: str, *, does: str, expects: str | None, version: str | None) -> object:
    try:
        if does == "rollback":
            row = registry.rollback(model, expects=expects or "", to=version, by=by, why="a race")
        else:
            made = registry.transition_model_stage(
                model, version or "", "Production", expects=expects, by=by, why="a race"
            )
            assert made is not None
            row = made
    except RetrainError as error:
        return f"{type(error).__name__}: {error}"
    return row.seq


if __name__ == "__main__":
    main()
