"""What a look at an installation has found."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from retrain.errors import RetrainError
from retrain.text import one_line


class State(StrEnum):
    GOOD = "good"
    WARN = "warn"
    """A cycle runs, and something is lost, slow or soon to fail."""
    FAIL = "fail"
    """A cycle would fail, or would be worth nothing."""


@dataclass(frozen=True)
class Found:
    about: str
    """What was looked at: `ledger retrain_state`, `source of letters`."""
    state: State
    says: str
    remedy: str = ""
    """What to do; empty where all is well."""

    def __str__(self) -> str:
        return f"{self.about}: {self.says}" + (f"; {self.remedy}" if self.remedy else "")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def good(about: str, says: str) -> Found:
    return Found(about, State.GOOD, says)


def warn(about: str, says: str, remedy: str) -> Found:
    return Found(about, State.WARN, says, remedy)


def fail(about: str, says: str, remedy: str = "") -> Found:
    return Found(about, State.FAIL, says, remedy)


def guarded(about: str, probe: Callable[..., Iterator[Found]], *arguments: Any) -> Iterator[Found]:
    """Yield what a probe finds; its own error is what it has found, so that the others go on."""
    try:
        yield from probe(*arguments)
    except RetrainError as error:  # its message has the remedy
        for line in str(error).splitlines():
            yield fail(about, line)
    except Exception as error:  # of any kind: what is looked at is somebody else's
        yield fail(about, f"cannot be looked at: {type(error).__name__}: {one_line(error)}", "look at its server's log")
