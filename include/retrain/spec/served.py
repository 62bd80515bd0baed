"""Section `predictions`: what was served, where a team logs it."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from retrain.spec.fields import Column, Section


class ServedSpec(Section):
    """A row for each prediction that was served, in the source's database. They are only read.

    The last one at or before a row's label time counts.
    """

    table: str | None = Field(None, pattern=r"^[^.\s]+(\.[^.\s]+)?$")
    """`table` or `schema.table`; either this or `query`."""
    query: str | None = Field(None, pattern=r"^[^/\\]+\.sql$")
    """Name of a file with one SELECT, beside the spec."""
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

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise PydanticCustomError("table", "names both or neither of table and query; name exactly one")
        return self

    @property
    def name(self) -> str:
        """The table or the query file, for messages."""
        return self.table or self.query or ""
