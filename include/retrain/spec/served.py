"""Section `predictions`: what was served, where a team logs it."""

from typing import Annotated

from pydantic import Field

from retrain.spec.fields import Column
from retrain.spec.table import Table


class ServedSpec(Table):
    """A row for each prediction that was served.

    The last one at or before a row's label time counts.
    """

    key: Column | None = None
    """Column with the key of the row that was predicted. Default: the name of `source.key`."""
    version: Column = "version"
    """Column with the number of the version that predicted it."""
    at: Column = "at"
    """Column with the time of the prediction."""
    prediction: Column = "prediction"
    """Column with the class, or the number, that was served."""
    score: Column | None = None
    """Column with the probability of the class that the gate's metric is about (`gate.positive`)."""
    skew: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Share of rows for which something else was served than the version says of the same row: more is an incident."""

    def columns(self, key: str) -> list[str]:
        """Return the columns that are read. key: the name of the source's key."""
        named = (self.key or key, self.version, self.at, self.prediction, self.score)
        return [name for name in dict.fromkeys(named) if name is not None]
