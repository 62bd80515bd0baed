"""What several sections read beside the source: a table or a query in its database."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from retrain.spec.fields import Section


class Table(Section):
    """Rows in the source's database. They are only read."""

    table: str | None = Field(None, pattern=r"^[^.\s]+(\.[^.\s]+)?$")
    """`table` or `schema.table`; either this or `query`."""
    query: str | None = Field(None, pattern=r"^[^/\\]+\.sql$")
    """Name of a file with one SELECT, beside the spec."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise PydanticCustomError("table", "names both or neither of table and query; name exactly one")
        return self

    @property
    def name(self) -> str:
        """The table or the query file, for messages."""
        return self.table or self.query or ""
