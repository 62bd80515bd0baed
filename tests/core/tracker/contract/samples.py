"""What the tests of the contract have in common."""

from collections.abc import Callable

import pandas as pd
import pytest

from retrain.errors import NoAnswerError, TrackerError
from retrain.records import Snapshot
from retrain.tracker.client import ExperimentTracker
from tests.fake_tracker import FakeTracker

Tracker = ExperimentTracker | FakeTracker

ROWS = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [1.0, 0.0, 1.0, 0.0]})
LABELS = pd.Series(["no", "no", "yes", "yes"])
SNAPSHOT = Snapshot(
    id="1", model="toy", uri="file:///x", watermark=None, rows=4, new_rows=4, subsets={}, holdout_round=1
)
NOWHERE = "0" * 32


def refused(call: Callable[[], object], says: str | None = None) -> None:
    """MLflow or Retrain refuses the call. NoAnswerError is not a refusal: a call that has no answer is sent again."""
    with pytest.raises(TrackerError, match=says) as raised:
        call()
    assert not isinstance(raised.value, NoAnswerError)
