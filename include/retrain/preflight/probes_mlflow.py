"""MLflow: reached, with the rights of a cycle, tried in an experiment of its own."""

from collections.abc import Iterator, Sequence

from retrain.preflight.probe import Found, fail, good
from retrain.preflight.probes_ledger import clock
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.rights import missing_rights


def look(about: str, tracker: ExperimentTracker, models: Sequence[str]) -> Iterator[Found]:
    """Yield whether a cycle's calls are permitted on this server. models: of the specs that use it."""
    missing = missing_rights(tracker, user="doctor", models=models)
    for each in missing:
        yield fail(about, f"its login cannot {each.what}: {each.why}", each.remedy)
    if not missing:
        yield good(about, "answers, and its login may do what a cycle does")
    there = tracker.clock()
    if there is not None:
        yield from clock(about, there)
