"""Bodies about runs: what is logged to them, and how they are searched and compared."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, field_validator, model_validator

from retrain.tracker import filters
from retrain.tracker.entities import Artifact, MetricPoint, Number, Run, RunStatus
from retrain_airflow.api.bodies.values import (
    EXAMPLE_RUN,
    LONGEST_LIST,
    LONGEST_TEXT,
    NO_NUL,
    OTHER_EXAMPLE_RUN,
    Body,
    ExperimentId,
    Name,
    Page,
    RunId,
    Tags,
    request,
)

_MOST_POINTS = 10_000

Value = Annotated[float, Field(strict=True)] | Literal["NaN"]
"""A number, or the text NaN: JSON has no number for it."""
Step = Annotated[int, Field(strict=True, ge=-(2**53), le=2**53)]


class NewRun(Body):
    model_config = request(experiment_id="7", run_name="로지스틱 C=1", tags={"팀": "채용"})

    experiment_id: ExperimentId
    run_name: Annotated[Name, Field(examples=["로지스틱 C=1"])]
    tags: Tags = Field({})
    parent_run_id: RunId | None = None
    note: Annotated[str, StringConstraints(max_length=LONGEST_TEXT, pattern=NO_NUL)] = ""
    """MLflow's page shows it as the description."""


class RunEnd(Body):
    model_config = request(status="FINISHED")

    status: RunStatus = "FINISHED"


class RunTags(Body):
    model_config = request(tags={"검토": "끝"})

    tags: Tags


class Runs(Page):
    runs: list[Run]


class Condition(Body):
    # The tracker's condition, but with bounds on what a caller sends.
    model_config = request(kind="metric", name="f1", comparison=">", value=0.8)

    kind: filters.Kind
    name: Annotated[Name, Field(examples=["f1"])]
    comparison: filters.Comparison
    value: Annotated[float, Field(strict=True)] | Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]


class Order(Body):
    # As above: the tracker's order, with bounds.
    model_config = request(kind="metric", name="f1", ascending=False)

    kind: filters.Kind
    name: Annotated[Name, Field(examples=["f1"])]
    ascending: bool = True


class Search(Body):
    """The runs that meet all conditions; without an order, the oldest first."""

    model_config = request(
        experiment_ids=["7"],
        filter=[
            {"kind": "metric", "name": "f1", "comparison": ">", "value": 0.8},
            {"kind": "tag", "name": "팀", "comparison": "=", "value": "채용"},
        ],
        order_by=[{"kind": "metric", "name": "f1", "ascending": False}],
        max_results=20,
    )

    experiment_ids: Annotated[list[ExperimentId], Field(min_length=1, max_length=100)]
    filter: Annotated[list[Condition], Field(max_length=20)] = Field([])
    order_by: Annotated[list[Order], Field(max_length=5)] = Field([])
    max_results: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 100
    page_token: Annotated[str, StringConstraints(max_length=2_000)] | None = None


class Params(Body):
    model_config = request(run_id=EXAMPLE_RUN, params={"C": 1.0, "ngram": [1, 2], "classes": ["합격", "불합격"]})

    run_id: RunId
    params: Annotated[
        dict[Name, Any], Field(min_length=1, max_length=LONGEST_LIST, examples=[{"C": 1.0, "classes": ["합격"]}])
    ]
    """A value that is not text is stored as JSON."""


class Metrics(Body):
    model_config = request(run_id=EXAMPLE_RUN, metrics={"f1": 0.81, "손실": [0.5, 0.4, "NaN"]}, step=10)

    run_id: RunId
    metrics: Annotated[
        dict[Name, Value | Annotated[list[Value], Field(min_length=1, max_length=LONGEST_LIST)]],
        Field(min_length=1, max_length=LONGEST_LIST, examples=[{"f1": 0.81, "loss": [0.5, 0.4, 0.3]}]),
    ]
    """A list holds the values of `step`, `step + 1`, …"""
    step: Step = 0

    @field_validator("metrics", mode="before")
    @classmethod
    def _are_numbers(cls, metrics: Any) -> Any:
        """Refuse at the first wrong value: the two types that each may have would be two faults of each."""
        for name, value in metrics.items() if isinstance(metrics, dict) else ():
            for each in value if isinstance(value, list) else [value]:
                if type(each) not in (int, float) and each != "NaN":
                    raise ValueError(f"{name[:100]!r} holds {each!r:.100}; send numbers, or the text NaN")
        return metrics

    @property
    def points(self) -> int:
        return sum(len(value) if isinstance(value, list) else 1 for value in self.metrics.values())

    @model_validator(mode="after")
    def _few_enough(self) -> "Metrics":
        if self.points > _MOST_POINTS:
            raise ValueError(f"{self.points:,} points at once; send at most {_MOST_POINTS:,}")
        return self

    def numbers(self) -> dict[str, float | list[float]]:
        return {
            name: [float(each) for each in value] if isinstance(value, list) else float(value)
            for name, value in self.metrics.items()
        }


class Logged(BaseModel):
    run_id: str
    logged: int
    """Parameters, or points of metrics."""


class MetricHistory(Page):
    points: list[MetricPoint]


class Artifacts(Page):
    artifacts: list[Artifact]


class Comparison(Body):
    model_config = request(run_ids=[EXAMPLE_RUN, OTHER_EXAMPLE_RUN], metric_keys=["f1"])

    run_ids: Annotated[list[RunId], Field(min_length=1, max_length=100)]
    metric_keys: Annotated[list[Name], Field(max_length=LONGEST_LIST)] | None = None
    """None: every metric that any of the runs has."""


class Table(BaseModel):
    """Columns `run_id`, `metric_<key>`, `param_<key>`; one row per run, in the order of the request."""

    columns: list[str]
    rows: list[list[str | Number | None]]
