"""A store of one test's own."""

import pytest

from retrain.snapshots.store import SnapshotStore


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "all snapshots 100%"


@pytest.fixture
def store(folder):
    return SnapshotStore(folder.as_uri())
