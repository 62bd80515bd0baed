"""What the tests of the stack share: which processes are left, whoever looks after them."""

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest


@pytest.fixture
def left() -> Callable[[Path], list[str]]:
    """The command lines of all processes that have to do with a stack's folder; looks without the stack's own code."""
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
