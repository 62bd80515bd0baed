"""What a look finds of a split test in the tables."""

from dataclasses import dataclass

from retrain.arms import Counts, Exposed, Pair


@dataclass(frozen=True)
class Seen:
    days: tuple[Exposed, ...]
    """Of the whole test until now."""
    counts: Counts
    pairs: tuple[tuple[Pair, ...], ...]
    """For each metric, in the order of the spec, the phases of the ramp."""
