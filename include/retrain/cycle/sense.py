"""The verb `sense`: have enough new labelled rows arrived?

It takes what it uses by keyword, because a trigger and the API have no run. A trigger counts rows for hours, so this
module imports neither MLflow nor scikit-learn.
"""

from datetime import datetime, timedelta

from retrain.cycle.threshold import Sensed
from retrain.ledger.ledger import Ledger
from retrain.records import Snapshot
from retrain.source.table import Source
from retrain.spec.spec import Spec


def sense(spec: Spec, *, source: Source, ledger: Ledger) -> Sensed:
    """Look cheaply whether enough new labelled rows have arrived; `recount` is exact.

    Raises SourceError if the table cannot be read.
    """
    last = ledger.last_consumed(spec.model)
    watermark = None if last is None or spec.source.label_time is None else _counted_to(last)
    # Without a label time nothing says which rows are new, so those above the count of the last snapshot are. These are
    # too few if rows were deleted since.
    known = last.rows if last is not None and watermark is None else 0
    labelled = source.count_labelled(after=watermark, at_most=known + spec.threshold.rows)
    return Sensed(max(0, labelled - known), spec.threshold, _waited(spec, source, ledger))


def _counted_to(last: Snapshot) -> datetime | None:
    """Return the time after which rows are counted. A row of the future does not hide those that come before it."""
    times = [time for time in (last.watermark, last.taken_at) if time is not None]
    return None if last.watermark is None else min(times)


def recount(spec: Spec, snapshot: Snapshot, *, source: Source, ledger: Ledger) -> Sensed:
    """Answer the question of `sense` from a snapshot: its count of new rows is exact."""
    return Sensed(snapshot.new_rows, spec.threshold, _waited(spec, source, ledger))


def _waited(spec: Spec, source: Source, ledger: Ledger) -> timedelta | None:
    if spec.threshold.max_wait is None:
        return None  # without an index, the search for the oldest label is slow, and nobody needs it
    ago = ledger.consumed_ago(spec.model)
    return source.oldest_label_age() if ago is None else ago
