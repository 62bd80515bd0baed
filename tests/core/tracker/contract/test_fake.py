"""The fake in memory has the methods of the tracker."""

import inspect

from retrain.tracker.client import ExperimentTracker
from retrain.tracker.inspection import Inspection
from tests.fake_tracker import FakeTracker


def test_the_fake_has_the_methods_of_the_tracker() -> None:
    """But those by which the audit reads what others have stored: only real servers show that."""
    theirs, ours = (
        {
            name: inspect.signature(method)
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_") and name not in vars(Inspection)
        }
        for kind in (ExperimentTracker, FakeTracker)
    )
    assert theirs == ours
