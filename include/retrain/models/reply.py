"""What a model answers from a process of its own."""

from dataclasses import dataclass

from retrain.gate.predictions import RawPredictions


@dataclass(frozen=True, eq=False)
class Reply:
    """One model's predictions, and what they cost."""

    predictions: RawPredictions
    latency_ms: float | None
    """95th percentile of the time for one row; None unless it was asked for."""
    size: int
    """Bytes of its files."""
    inputs: dict[str, str] | None
    """Type of each column that it takes, from its signature."""
