"""Have enough new labelled rows arrived for a cycle? The one place that decides it, for `sense` and for `recount`."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from retrain.spec.fields import duration_text
from retrain.spec.source import Threshold

_FURTHEST = 3650
"""Days: a later expectation is cut to this."""


class Why(StrEnum):
    """Which of the spec's two thresholds was reached."""

    ROWS = "rows"
    MAX_WAIT = "max_wait"


@dataclass(frozen=True)
class Sensed:
    """The result of a look at the source."""

    new_rows: int
    """Labelled rows that the last consumed snapshot does not hold; `sense` counts up to the threshold only."""
    threshold: Threshold
    waited: timedelta | None = None
    """Since the last cycle's verdict; before the first one, since the oldest label. None: not known."""

    @property
    def why(self) -> Why | None:
        """The threshold that was reached; None if there are not enough rows."""
        if self.new_rows >= self.threshold.rows:
            return Why.ROWS
        return Why.MAX_WAIT if self._waited_enough and self.new_rows >= self.threshold.min_rows else None

    @property
    def enough(self) -> bool:
        return self.why is not None

    @property
    def missing(self) -> int:
        """How many rows are missing."""
        if self.enough:
            return 0
        return (self.threshold.min_rows if self._waited_enough else self.threshold.rows) - self.new_rows

    def rows_a_day(self, since: timedelta | None) -> float | None:
        """Return how many of the waiting rows arrived a day. since: how long they have been arriving.

        None if `since` is not known, or if more rows may wait than were counted.
        """
        if self.why is Why.ROWS or not since:
            return None
        return self.new_rows / (since / timedelta(days=1))

    def expected_in(self, since: timedelta | None) -> timedelta | None:
        """Return the time until there are enough rows, if they keep arriving at this rate; None if it is not known."""
        rate = self.rows_a_day(since)
        return timedelta(days=min(self.missing / rate, _FURTHEST)) if rate else None

    def to_json(self) -> dict[str, Any]:
        return {
            "new_rows": self.new_rows,
            "threshold": self.threshold.model_dump(mode="json"),
            "waited_seconds": None if self.waited is None else self.waited.total_seconds(),
            "why": self.why,
        }

    def __str__(self) -> str:
        if self.why is Why.ROWS:
            return f"At least {self.threshold.rows:,} new labelled rows are there."
        parts = [f"{self.new_rows:,} of {self.threshold.rows:,} new labelled rows are there"]
        if self._waited_enough and self.threshold.max_wait is not None:
            wait = duration_text(self.threshold.max_wait)
            parts.append(f"after {wait} without a cycle, {self.threshold.min_rows:,} are enough")
        if not self.enough:
            parts.append(f"{self.missing:,} are missing")
        return "; ".join(parts) + "."

    @property
    def _waited_enough(self) -> bool:
        longest = self.threshold.max_wait
        return longest is not None and self.waited is not None and self.waited >= longest
