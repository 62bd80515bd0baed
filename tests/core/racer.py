"""`python -m tests.core.racer '{…}'`: a process that puts its own version into Production, again and again."""

import json
import sys

import psycopg2

from retrain.errors import RetrainError
from retrain.registry import Registry
from retrain.snapshot import SnapshotStore
from retrain.state import State
from retrain.tracker import ExperimentTracker


class Racing(Registry):
    """Without the proof, which takes seconds and would keep the racers apart; tests/core/test_registry.py proves it."""

    def prove(self, model: str, version: str) -> None:
        pass


def main() -> None:
    """Prints how many of its calls have changed Production."""
    how = json.loads(sys.argv[1])
    state, tracker = State(lambda: psycopg2.connect(how["dsn"])), ExperimentTracker(how["mlflow"])
    registry, model, version = Racing(state, tracker, SnapshotStore(how["snapshots"])), how["model"], how["version"]
    won = 0
    for _ in range(how["rounds"]):
        head = tracker.production(model)
        try:
            if how["does"] == "rollback":
                if head is not None:
                    registry.rollback(model, expects=head, by=how["name"], why="a race")
                    won += 1
            elif head != version:
                registry.transition_model_stage(
                    model, version, "Production", expects=head, by=how["name"], why="a race"
                )
                won += 1
        except RetrainError as error:
            print(error, file=sys.stderr)
    print(won)


if __name__ == "__main__":
    main()
