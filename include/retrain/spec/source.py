"""Sections about the rows: where they are, how many start a cycle, how they are split and kept."""

from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from retrain.spec.connections import ConnectionId
from retrain.spec.fields import Column, Duration, Section, Share, duration_text, unique


def _a_zone(name: str) -> str:
    if name not in available_timezones():
        close = get_close_matches(name, available_timezones(), n=1)
        hint = f"did you mean {close[0]}?" if close else "write one of the IANA database, such as Asia/Seoul"
        raise PydanticCustomError("time_zone", "is not a time zone; {hint}", {"hint": hint})
    return name


class SourceSpec(Section):
    """Where the labelled rows are. They are only read."""

    connection: ConnectionId = "postgres_default"
    """Id of an Airflow connection to PostgreSQL."""
    table: str | None = Field(None, pattern=r"^[^.\s]+(\.[^.\s]+)?$")
    """`table` or `schema.table`; either this or `query`."""
    query: str | None = Field(None, pattern=r"^[^/\\]+\.sql$")
    """Name of a file with one SELECT, beside the spec."""
    key: Column
    """Column that identifies a row."""
    label: Column
    """Column with the class; empty until the row has been reviewed."""
    label_time: Column | None = None
    """Column with the time when the label was set; with it, the count of new rows is an index scan."""
    time_zone: Annotated[str, AfterValidator(_a_zone)] | None = None
    """Time zone of a `label_time` without one, a name of the IANA database such as `Asia/Seoul`; UTC by default."""
    empty_label: Literal["unlabelled", "class"] | None = None
    """What an empty label is (a text of nothing but white space, or NaN): a row that is not labelled yet, or a class.
    Until this says it, the check `empty_labels` blocks a cycle that finds one."""
    group: Column | None = None
    """Column whose value is the same in rows that belong together, for `split.by: group`; rows without a value are one
    group. It is a feature only if `features` lists it, too."""
    features: Annotated[tuple[Column, ...], Field(min_length=1), AfterValidator(unique)]
    """Columns that an estimator receives, in this order."""
    also_read: Annotated[tuple[Column, ...], Field(strict=False), AfterValidator(unique)] = ()
    """Further columns that Production still takes, though the candidates do not: it is asked with them."""

    @model_validator(mode="after")
    def _can_be_read_and_learnt_from(self) -> Self:
        faults = []
        if (self.table is None) == (self.query is None):
            faults.append("names both or neither of table and query; name exactly one")
        faults += [
            f"features hold {column}, which is the {role}; remove it"
            for role, column in (("key", self.key), ("label", self.label), ("label_time", self.label_time))
            if column in self.features
        ]
        faults += [
            f"also_read holds {name}, which is a feature; remove it" for name in self.also_read if name in self.features
        ]
        if self.time_zone is not None and self.label_time is None:
            faults.append("time_zone needs label_time; name the column, or remove it")
        if faults:
            raise PydanticCustomError("source", "{faults}", {"faults": "; and ".join(faults)})
        return self


class Threshold(Section):
    """How many new rows start a cycle: `rows`, or fewer after a wait."""

    rows: int = Field(1000, ge=1)
    """New labelled rows that start a cycle."""
    max_wait: Duration | None = None
    """How long after the last verdict `min_rows` are enough; before a first verdict, how long after the oldest label.
    By default they never are."""
    min_rows: int = Field(1, ge=1)
    """New labelled rows that start a cycle after that wait."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.min_rows > self.rows:
            raise PydanticCustomError("min_rows", "min_rows is more than rows; set it to rows or less")
        if self.min_rows > 1 and self.max_wait is None:
            raise PydanticCustomError("max_wait", "min_rows belongs to max_wait; set that too, or remove it")
        return self

    def __str__(self) -> str:
        if self.max_wait is None:
            return f"{self.rows:,}"
        return f"{self.rows:,}, or after {duration_text(self.max_wait)} without a cycle {self.min_rows:,}"


class Split(Section):
    """Which rows train, choose and judge. A change begins a new split version, and the team is told."""

    by: Literal["hash", "group", "time"] = "hash"
    """`hash` of a row's content; `group`: rows of one `source.group` stay together; `time`: the newest rows judge."""
    validation: Share = 0.2
    """Share of the contents or groups; if split by time, of the rows."""
    holdout: Share = 0.2
    """The same for the rows that judge. What both leave is for training."""
    gap: Duration = timedelta(0)
    """If split by time: rows within this time before validation, and before the holdout, are left out."""

    @property
    def judging_share(self) -> float:
        """The share of new rows that will judge: split by time, all that is newer than a round is the next one."""
        return 1 if self.by == "time" else self.holdout

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.validation + self.holdout >= 1:
            raise PydanticCustomError("no_training_rows", "leaves no rows for training; let the two sum to less than 1")
        if self.gap and self.by != "time":
            raise PydanticCustomError("gap", "gap belongs to by: time; split by time, or remove it")
        return self


class SnapshotSpec(Section):
    """Which rows a snapshot takes, and how long it is kept."""

    window: Duration | None = None
    """Only rows that were labelled within this time; all by default. A row that is too old is never new again."""
    max_rows: int | None = Field(None, ge=1)
    """Greatest number of rows, the newest by label time; rows of one moment stay together. All by default."""
    keep: int = Field(10, ge=2)
    """How many of the newest snapshots keep their rows. Those of Production, of the rollback's target and of the last
    verdict are kept as well."""

    @property
    def takes_all(self) -> bool:
        return self.window is None and self.max_rows is None
