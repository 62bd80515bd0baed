"""What a tracker promises about the files of models."""

import pytest

from retrain.errors import UntrustedModelError
from retrain.tracker.entities import LoggedModel
from tests.core import toys
from tests.core.tracker.contract.samples import LABELS, NOWHERE, ROWS, Tracker, refused


def test_a_model_comes_back_as_it_was_and_no_other_in_its_place(
    tracker: Tracker, run: str, logged: LoggedModel
) -> None:
    loaded = tracker.load_model(logged.uri, logged.digest)
    assert list(loaded.predict(ROWS)) == list(LABELS)
    other = tracker.log_model(run, "toy", toys.logistic(["b"]).fit(ROWS, LABELS), ROWS, key="ab12")
    assert other.uri == logged.uri
    with pytest.raises(UntrustedModelError, match="not the ones that were logged"):
        tracker.load_model(logged.uri, logged.digest)
    refused(lambda: tracker.load_model(f"models:/m-{NOWHERE}", logged.digest))


def test_types_that_nobody_trusts_are_not_logged(tracker: Tracker, run: str) -> None:
    odd = toys.odd().fit(ROWS, LABELS)
    with pytest.raises(UntrustedModelError, match="add what you trust"):
        tracker.log_model(run, "odd", odd, ROWS, key="ab12")
    logged = tracker.log_model(run, "odd", odd, ROWS, key="ab12", trust=("pickle",))
    with pytest.raises(UntrustedModelError, match="is a pickle"):
        tracker.load_model(logged.uri, logged.digest)
    assert len(tracker.load_model(logged.uri, logged.digest, ("pickle",)).predict(ROWS)) == len(ROWS)
