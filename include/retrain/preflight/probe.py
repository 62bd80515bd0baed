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


def fail(about: str, says: str, remedy: str) -> Found:
    return Found(about, State.FAIL, says, remedy)


def told(about: str, error: RetrainError | str, remedy: str) -> Iterator[Found]:
    """Yield what an error of ours, or its text, says, a line each.

    remedy: for a line that has none, such as a server's own.
    """
    for line in str(error).splitlines():
        says, _, its = line.partition("; ")
        yield fail(about, says, its or remedy)


@dataclass(frozen=True)
class Look:
    """One part of an installation, and what looks at it."""

    about: str
    probe: Callable[..., Iterator[Found]]
    arguments: tuple[Any, ...]
    remedy: str
    """What to do where it cannot be looked at, and the error does not say."""

    def found(self) -> Iterator[Found]:
        """Yield what the probe finds; its own error is what it has found, so that the others go on."""
        try:
            yield from self.probe(*self.arguments)
        except RetrainError as error:
            yield from told(self.about, error, self.remedy)
        except Exception as error:  # of any kind: what is looked at is somebody else's
            says = f"cannot be looked at: {type(error).__name__}: {one_line(error)}"
            yield fail(self.about, says, self.remedy)
