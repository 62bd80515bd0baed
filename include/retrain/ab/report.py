"""A split test in MLflow: a run with its numbers look by look, and its report, written again whenever more is known.

If that fails, it is a warning: no answer of a test depends on it.
"""

import logging
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from retrain.ab.testing import Testing
from retrain.arms import Split, SplitEnd, SplitLook
from retrain.reports import kept
from retrain.reports.split_report import Facts, of_split
from retrain.spec.ab import SplitTest
from retrain.tracker.entities import MetricPoint

log = logging.getLogger(__name__)


def run_of(testing: Testing, name: str) -> str:
    """Return the id of the run of the test with this id; make it if needed."""
    tracker, key = testing.tracker, sha256(f"run of split test {name}".encode()).hexdigest()
    experiment = tracker.create_experiment(testing.spec.model)
    return testing.ledger.once(
        key,
        find=lambda: tracker.find_run(experiment, key),
        create=lambda: tracker.start_run(experiment, f"split test {name}", {"retrain.split": name}, key=key),
    )


def refresh(testing: Testing) -> str | None:
    """Bring the run of the newest test up to date; return its id, None where there is none.

    A run that has ended is not written again: nothing about it can change.
    """
    newest = testing.ledger.splits(testing.spec.model, 1)
    if not newest:
        return None
    ((split, end),) = newest
    if split.run_id is None:
        return None
    try:
        _write(testing, split, split.run_id, end)
    except Exception:  # any error: see the docstring of the module
        log.warning("%s: the report of split test %s could not be made.", split.model, split.id, exc_info=True)
    return split.run_id


def _write(testing: Testing, split: Split, run_id: str, end: SplitEnd | None) -> None:
    tracker, ledger = testing.tracker, testing.ledger
    if tracker.get_run(run_id).status != "RUNNING":
        return
    wanted = SplitTest.stored(split.section)
    looks = ledger.split_looks(split.id)
    tracker.log_points(run_id, [*_points(looks)])
    page = tracker.page_of_run(run_id)
    links = [] if page is None else [("Run in MLflow", page)]
    kept.keep(tracker, run_id, of_split(Facts(wanted, split, ledger.split_steps(split.id), looks, end, links)))
    if end is not None:
        tracker.set_tags(run_id, {"retrain.outcome": end.outcome})
        tracker.end_run(run_id)


def _points(looks: Sequence[SplitLook]) -> Iterator[tuple[str, MetricPoint]]:
    """Yield a look's numbers at its place and time: a point that is logged again is stored once."""
    for look in looks:
        for name, value in _numbers(look):
            if value is not None:
                yield name, MetricPoint(step=look.place, value=value, at=look.at)


def _numbers(look: SplitLook) -> Iterator[tuple[str, Any]]:
    yield from (("exposed", look.counts.exposed), ("matured", look.counts.matured), ("mismatch", look.mismatch))
    for effect in look.effects:
        yield f"difference_{effect.metric}", effect.difference
        yield f"low_{effect.metric}", effect.low
        yield f"high_{effect.metric}", effect.high
