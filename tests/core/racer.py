"""`python -m tests.core.racer '{…}'`: a process that changes Production as it is told, a line of JSON for each change.

In: `{"does": "promote", "version": "2", "expects": "1"}`, or `"rollback"`. Out: the number of the ledger's row, or why
there is none.
"""

import json
import sys

import psycopg2

from retrain.errors import RetrainError
from retrain.registry import Registry
from retrain.snapshot import SnapshotStore
from retrain.state import State
from retrain.tracker import ExperimentTracker


class Unproven(Registry):
    """Without the proof, which takes seconds and would keep racers apart; tests/core/test_registry.py has it."""

    def prove(self, model: str, version: str) -> None:
        pass


def main() -> None:
    how = json.loads(sys.argv[1])
    state = State(lambda: psycopg2.connect(how["dsn"]), patience=how.get("patience", 300))
    registry = Unproven(state, ExperimentTracker(how["mlflow"]), SnapshotStore(how["snapshots"]))
    for line in sys.stdin:
        print(_change(registry, how["model"], how["name"], **json.loads(line)), flush=True)


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
