"""Have enough new labelled rows arrived for a cycle?"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sensed:
    """What a cheap look at the source found."""

    new_rows: int
    """Labelled rows that the last consumed snapshot does not reach; counted up to the threshold, not beyond."""
    threshold: int

    @property
    def enough(self) -> bool:
        return self.new_rows >= self.threshold

    @property
    def missing(self) -> int:
        return max(0, self.threshold - self.new_rows)

    def __str__(self) -> str:
        if self.enough:
            return f"At least {self.threshold:,} new labelled rows are there."
        return f"{self.new_rows:,} of {self.threshold:,} new labelled rows are there; {self.missing:,} are missing."
