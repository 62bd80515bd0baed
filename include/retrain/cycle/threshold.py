"""Have enough new labelled rows arrived for a cycle? The one place that decides it, for `sense` and `take` alike."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from retrain.spec.fields import duration_text
from retrain.spec.source import Threshold

_FAR = 3650
"""Days: what is expected later than that is not said more precisely."""


class Why(StrEnum):
    """Which of the spec's two thresholds lets a cycle go on."""

    ROWS = "rows"
    MAX_WAIT = "max_wait"


@dataclass(frozen=True)
class Sensed:
    """What a look at the source found."""

    new_rows: int
    """Labelled rows that the last consumed snapshot does not hold; a cheap look counts up to the threshold only."""
    threshold: Threshold
    waited: timedelta | None = None
    """Since the last cycle's verdict; before the first, since the oldest label. None: nothing says since when."""

    @property
    def why(self) -> Why | None:
        """None: it is not enough."""
        if self.new_rows >= self.threshold.rows:
            return Why.ROWS
        return Why.MAX_WAIT if self._waited_enough and self.new_rows >= self.threshold.min_rows else None

    @property
    def enough(self) -> bool:
        return self.why is not None

    @property
    def missing(self) -> int:
        """Rows."""
        if self.enough:
            return 0
        return (self.threshold.min_rows if self._waited_enough else self.threshold.rows) - self.new_rows

    def rows_a_day(self, since: timedelta | None) -> float | None:
        """How fast rows arrive, by those that wait. since: the time in which they have; None where nothing says.

        None as well where more may wait than were counted.
        """
        if self.why is Why.ROWS or not since:
            return None
        return self.new_rows / (since / timedelta(days=1))

    def expected_in(self, since: timedelta | None) -> timedelta | None:
        """When there will be enough rows, if they go on arriving as they did; None where nothing says."""
        rate = self.rows_a_day(since)
        return timedelta(days=min(self.missing / rate, _FAR)) if rate else None

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
