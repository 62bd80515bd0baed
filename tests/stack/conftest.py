"""Shared by the tests of the stack: the processes that a stack has left behind."""

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest


@pytest.fixture
def left() -> Callable[[Path], list[str]]:
    """The command lines of all processes of a stack's folder, found without the stack's own code."""
    return _left


def _left(home: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            words, variables = process.cmdline(), process.environ()
        except psutil.Error:
            continue
        if variables.get("RETRAIN_STACK") == str(home) or any(str(home) in word for word in words):
            found.append(" ".join(words))
    return found
