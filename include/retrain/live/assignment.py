"""Which units Staging serves in a split test: a pure function of a unit and a test, the same in every process.

It takes the standard library alone, no database and no service: what serves is told a test's id and share, and asks
here. docs/ab.md has the algorithm in words, its test vectors, and the same function in JavaScript.
"""

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum

_BYTES = 6
"""Of a hash, for one number: 48 bits are exact as a float, also in JavaScript."""


class Arm(StrEnum):
    PRODUCTION = "production"
    STAGING = "staging"


@dataclass(frozen=True)
class Experiment:
    """A split test, as a serving process is told of it."""

    id: str
    """Of the test, such as `Churn/5f0c2a…`."""
    share: float
    """Of the units that Staging serves now, 0 to 0.5; as many others are held against them."""
    holdout: str | None = None
    """Name of the units that are in no test."""
    holdout_share: float = 0.0
    """How many of all these are, 0 to 1."""

    def __post_init__(self) -> None:
        # Written so that NaN is refused as well.
        if not 0 <= self.share <= 0.5:
            raise ValueError(f"share = {self.share}: is Staging's, as many others are its control; write 0 to 0.5")
        if not 0 <= self.holdout_share <= 1:
            raise ValueError(f"holdout_share = {self.holdout_share}: is no share; write 0 to 1")


@dataclass(frozen=True)
class Assignment:
    arm: Arm
    """What serves the unit."""
    exposed: bool
    """Whether the unit is in the test: only then is it logged, and counts."""


def assign(unit: str, experiment: Experiment) -> Assignment:
    """Return what serves a unit. A greater share lets more units in, and moves none from one arm to the other.

    unit: any text; its bytes in UTF-8 count as they are, without normalisation, and half a surrogate pair as U+FFFD.
    """
    outside = Assignment(Arm.PRODUCTION, exposed=False)
    if experiment.holdout is not None:
        held, _ = _numbers(f"holdout/{experiment.holdout}", unit)
        if held < experiment.holdout_share:
            return outside
    in_test, arm = _numbers(experiment.id, unit)
    if in_test >= 2 * experiment.share:
        return outside
    return Assignment(Arm.STAGING if arm < 0.5 else Arm.PRODUCTION, exposed=True)


def _numbers(key: str, unit: str) -> tuple[float, float]:
    """Return two independent numbers, each at least 0 and less than 1."""
    digest = hmac.digest(_bytes(key), _bytes(unit), hashlib.sha256)
    return _number(digest[:_BYTES]), _number(digest[_BYTES : 2 * _BYTES])


def _number(part: bytes) -> float:
    return int.from_bytes(part, "big") / 2.0 ** (8 * _BYTES)


def _bytes(text: str) -> bytes:
    # As JavaScript's TextEncoder does it: no text is refused.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
