"""Ledgers with a model in them."""

import pytest

from retrain.messages import texts
from retrain.spec.source import Split
from tests.core.ledger.rows import MODEL, deliver, save, snapshot, verdict


@pytest.fixture
def begun(ledger):
    """A ledger with a model that has snapshots s1 and s2."""
    ledger.begin_model(MODEL, Split(), announcement=texts.of_split_version)
    ledger.save_snapshot(snapshot("s1"))
    ledger.save_snapshot(snapshot("s2"))
    return ledger


@pytest.fixture
def judged(begun):
    """The same with verdicts v1 and v2, both made where there was no Production."""
    save(begun, verdict("v1", version="1"))
    save(begun, verdict("v2", version="2", of="s2", test=2))
    deliver(begun)
    return begun
