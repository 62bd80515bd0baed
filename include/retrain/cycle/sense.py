"""The first verb, in a file of its own: who only counts rows, for hours, is not to import MLflow and scikit-learn."""

from datetime import timedelta

from retrain.cycle.threshold import Sensed
from retrain.ledger.ledger import Ledger
from retrain.records import Snapshot
from retrain.source.table import Source
from retrain.spec.spec import Spec


def sense(spec: Spec, *, source: Source, ledger: Ledger) -> Sensed:
    """Whether enough new labelled rows are there. A cheap wake-up: `recount` is exact."""
    last = ledger.last_consumed(spec.model)
    watermark = None if last is None or spec.source.label_time is None else last.watermark
    # Without a label time nothing says which rows are new: then whatever is more than the last snapshot held. That is
    # too few where rows were deleted since.
    known = last.rows if last is not None and watermark is None else 0
    labelled = source.count_labelled(after=watermark, at_most=known + spec.threshold.rows)
    return Sensed(max(0, labelled - known), spec.threshold, _waited(spec, source, ledger))


def recount(spec: Spec, snapshot: Snapshot, *, source: Source, ledger: Ledger) -> Sensed:
    """What `sense` asks, of a snapshot that was taken: its count of new rows is exact."""
    return Sensed(snapshot.new_rows, spec.threshold, _waited(spec, source, ledger))


def _waited(spec: Spec, source: Source, ledger: Ledger) -> timedelta | None:
    if spec.threshold.max_wait is None:
        return None  # the oldest label of a table without an index is not looked for in vain
    ago = ledger.consumed_ago(spec.model)
    return source.oldest_label_age() if ago is None else ago
