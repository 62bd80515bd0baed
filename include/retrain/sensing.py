"""The first verb, in a file of its own: who only counts rows, for hours, is not to import MLflow and scikit-learn."""

from retrain.source import Source
from retrain.spec import Spec
from retrain.state import State
from retrain.threshold import Sensed


def sense(spec: Spec, *, source: Source, state: State) -> Sensed:
    """Whether enough new labelled rows are there. A cheap wake-up: `take` counts exactly."""
    last = state.last_consumed(spec.model)
    reach = None if last is None else last.reach
    # Without a label time nothing says which rows are new: then whatever is more than the last snapshot held.
    known = last.rows if last is not None and reach is None else 0
    labelled = source.count_labelled(after=reach, at_most=known + spec.threshold.rows)
    return Sensed(max(0, labelled - known), spec.threshold.rows)
