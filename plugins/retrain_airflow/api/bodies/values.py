"""Types of single values, and what all bodies have in common."""

from typing import Annotated, Any, Self

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    model_validator,
)

LONGEST_LIST, LONGEST_TEXT = 1_000, 8_000
"""Items of a list, characters of a tag or a note."""
_LONGEST_NAME, LONGEST_REASON = 250, 1_000
_MOST_FAULTS = 100
NO_NUL = r"^[^\x00]*$"
"""PostgreSQL does not store NUL, and MLflow's server fails on it."""


def _refuse_reserved(tags: dict[str, str]) -> dict[str, str]:
    reserved = [name for name in tags if name.startswith(("retrain.", "mlflow.")) and name != "mlflow.note.content"]
    if reserved:
        raise ValueError(f"{reserved[0]!r}: tags that begin with retrain. and mlflow. are not set by hand")
    return tags


EXAMPLE_RUN, OTHER_EXAMPLE_RUN = "6f0c1b7e2d3a4c5b8e9f0a1b2c3d4e5f", "0a1b2c3d4e5f6f0c1b7e2d3a4c5b8e9f"

# One spelling for each id: MLflow takes 007 for 7, and a comparison with 7 would fail.
ExperimentId = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,17})$"), Field(examples=["7"])]
RunId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z_-]{0,63}$"), Field(examples=[EXAMPLE_RUN])]
Version = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}$"), Field(examples=["3"])]
Name = Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_NAME, pattern=NO_NUL)]
ModelName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_LONGEST_NAME, pattern=r"^[^/:\x00-\x1f]+$"),
    Field(examples=["CoverLetterClassifier"]),
]
Tags = Annotated[
    dict[Name, Annotated[str, StringConstraints(max_length=LONGEST_TEXT, pattern=NO_NUL)]],
    Field(max_length=100, examples=[{"팀": "자소서"}]),
    AfterValidator(_refuse_reserved),
]
Why = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_REASON, strip_whitespace=True, pattern=NO_NUL),
    Field(description="Kept, with your name, on what you change.", examples=["customers complain"]),
]

ExperimentInPath = Annotated[ExperimentId, Path()]
RunInPath = Annotated[RunId, Path()]
ModelInPath = Annotated[ModelName, Path()]
DagRunInPath = Annotated[str, StringConstraints(min_length=1, max_length=250, pattern=r"^[^/\x00-\x1f]+$"), Path()]
VersionInPath = Annotated[Version, Path()]
WhyInQuery = Annotated[Why, Query()]
Size = Annotated[int, Query(ge=1, le=1_000, description="Things on a page, at most.")]
PageToken = Annotated[
    str | None, Query(max_length=2_000, description="The `next_page_token` of the page before; none for the first.")
]


def request(**example: Any) -> ConfigDict:
    """Return the configuration of a request's body: strict about fields, and shown with this example."""
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [example]})


class Body(BaseModel):
    """What a caller sends. Of more than a hundred faults only the number is told: to describe each takes longer than to
    find it.
    """

    @model_validator(mode="wrap")
    @classmethod
    def _few_faults(cls, data: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(data, dict):
            unknown = [name for name in data if name not in cls.model_fields]
            if len(unknown) > _MOST_FAULTS:
                raise ValueError(f"{unknown[0][:100]!r} and {len(unknown) - 1} others are not fields")
        try:
            return validate(data)
        except ValidationError as error:
            if error.error_count() > _MOST_FAULTS:
                raise ValueError(f"{error.error_count():,} faults; send less of it to read which") from None
            raise


class Page(BaseModel):
    model_config = ConfigDict(frozen=True)

    next_page_token: str | None
    """None on the last page."""
