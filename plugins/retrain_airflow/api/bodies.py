"""What goes in and comes out, as types: the contract that the OpenAPI document shows."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints, model_validator

from retrain.records import Freeze, Outcome, Promotion, Verdict
from retrain.spec.operation import Mode
from retrain_airflow.api.access import Permission

# ── values

_LONGEST_LIST, _LONGEST_NAME, _LONGEST_REASON = 1_000, 250, 1_000
_MOST_POINTS = 10_000
_NO_NUL = r"^[^\x00]*$"
"""PostgreSQL keeps no NUL, and MLflow's server breaks on one."""


def _ours_left_out(tags: dict[str, str]) -> dict[str, str]:
    ours = [name for name in tags if name.startswith(("retrain.", "mlflow.")) and name != "mlflow.note.content"]
    if ours:
        raise ValueError(f"{ours[0]!r}: tags that begin with retrain. and mlflow. are not set by hand")
    return tags


def said(number: float) -> float | str:
    """JSON has no such numbers."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


_RUN, _OTHER_RUN = "6f0c1b7e2d3a4c5b8e9f0a1b2c3d4e5f", "0a1b2c3d4e5f6f0c1b7e2d3a4c5b8e9f"
"""Of examples."""

# One spelling for each: MLflow takes 007 for 7, and what is compared with 7 would not know it again.
ExperimentId = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,17})$"), Field(examples=["7"])]
RunId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z_-]{0,63}$"),
    Field(examples=[_RUN]),
]
Version = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}$"), Field(examples=["3"])]
Name = Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_NAME, pattern=_NO_NUL)]
ModelName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_LONGEST_NAME, pattern=r"^[^/:\x00-\x1f]+$"),
    Field(examples=["CoverLetterClassifier"]),
]
Tags = Annotated[
    dict[Name, Annotated[str, StringConstraints(max_length=8_000, pattern=_NO_NUL)]],
    Field(max_length=100, examples=[{"팀": "자소서"}]),
    AfterValidator(_ours_left_out),
]
Why = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_LONGEST_REASON, strip_whitespace=True, pattern=_NO_NUL),
    Field(description="Kept, with your name, on what you change.", examples=["customers complain"]),
]
Number = Annotated[float, PlainSerializer(said, return_type=float | Literal["NaN", "Infinity", "-Infinity"])]
Value = Annotated[float, Field(strict=True)] | Literal["NaN"]
"""A number, or the text NaN, as JSON has no number for it."""
Step = Annotated[int, Field(strict=True, ge=-(2**53), le=2**53)]

InPath = Annotated[ExperimentId, Path()]
RunInPath = Annotated[RunId, Path()]
ModelInPath = Annotated[ModelName, Path()]
DagRunInPath = Annotated[str, StringConstraints(min_length=1, max_length=250, pattern=r"^[^/\x00-\x1f]+$"), Path()]
VersionInPath = Annotated[Version, Path()]
WhyInQuery = Annotated[Why, Query()]
Size = Annotated[int, Query(ge=1, le=1_000, description="Things on a page, at most.")]
PageToken = Annotated[
    str | None, Query(max_length=2_000, description="The `next_page_token` of the page before; none for the first.")
]
Status = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
Stage = Literal["None", "Staging", "Production", "Archived"]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _like(**body: Any) -> ConfigDict:
    """Of a body that is shown as an example."""
    return ConfigDict(json_schema_extra={"examples": [body]})


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class _Page(_Out):
    next_page_token: str | None
    """None on the last page."""


# ── experiments


class NewExperiment(_In):
    model_config = _like(name="자소서 분류", tags={"팀": "채용"})

    name: Annotated[Name, Field(examples=["자소서 분류"])]
    tags: Tags = {}


class Experiment(_Out):
    id: str
    name: str
    deleted: bool
    artifact_location: str
    tags: Mapping[str, str]


class Experiments(_Page):
    experiments: list[Experiment]


# ── runs


class NewRun(_In):
    model_config = _like(experiment_id="7", run_name="로지스틱 C=1", tags={"팀": "채용"})

    experiment_id: ExperimentId
    run_name: Annotated[Name, Field(examples=["로지스틱 C=1"])]
    tags: Tags = {}
    parent_run_id: RunId | None = None
    note: Annotated[str, StringConstraints(max_length=8_000, pattern=_NO_NUL)] = ""
    """What MLflow's page shows as the description."""


class RunEnd(_In):
    model_config = _like(status="FINISHED")

    status: Status = "FINISHED"


class RunTags(_In):
    model_config = _like(tags={"검토": "끝"})

    tags: Tags


class Run(_Out):
    id: str
    experiment_id: str
    name: str
    status: Status
    started_at: datetime
    ended_at: datetime | None
    deleted: bool
    params: Mapping[str, str]
    metrics: Mapping[str, Number]
    """The last value of each."""
    tags: Mapping[str, str]


class Runs(_Page):
    runs: list[Run]


class Condition(_In):
    model_config = _like(kind="metric", name="f1", comparison=">", value=0.8)

    kind: Literal["metric", "param", "tag", "attribute"]
    name: Annotated[Name, Field(examples=["f1"])]
    comparison: Literal["=", "!=", "<", "<=", ">", ">="]
    value: Annotated[float, Field(strict=True)] | Annotated[str, StringConstraints(max_length=8_000)]


class Order(_In):
    model_config = _like(kind="metric", name="f1", ascending=False)

    kind: Literal["metric", "param", "tag", "attribute"]
    name: Annotated[Name, Field(examples=["f1"])]
    ascending: bool = True


class Search(_In):
    """Runs that fit all conditions; without an order the oldest first."""

    model_config = _like(
        experiment_ids=["7"],
        filter=[
            {"kind": "metric", "name": "f1", "comparison": ">", "value": 0.8},
            {"kind": "tag", "name": "팀", "comparison": "=", "value": "채용"},
        ],
        order_by=[{"kind": "metric", "name": "f1", "ascending": False}],
        max_results=20,
    )

    experiment_ids: Annotated[list[ExperimentId], Field(min_length=1, max_length=100)]
    filter: Annotated[list[Condition], Field(max_length=20)] = []
    order_by: Annotated[list[Order], Field(max_length=5)] = []
    max_results: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 100
    page_token: Annotated[str, StringConstraints(max_length=2_000)] | None = None


class Params(_In):
    model_config = _like(run_id=_RUN, params={"C": 1.0, "ngram": [1, 2], "classes": ["합격", "불합격"]})

    run_id: RunId
    params: Annotated[
        dict[Name, Any], Field(min_length=1, max_length=_LONGEST_LIST, examples=[{"C": 1.0, "classes": ["합격"]}])
    ]
    """What is no text is kept as JSON."""


class Metrics(_In):
    model_config = _like(run_id=_RUN, metrics={"f1": 0.81, "손실": [0.5, 0.4, "NaN"]}, step=10)

    run_id: RunId
    metrics: Annotated[
        dict[Name, Value | Annotated[list[Value], Field(min_length=1, max_length=_LONGEST_LIST)]],
        Field(min_length=1, max_length=_LONGEST_LIST, examples=[{"f1": 0.81, "loss": [0.5, 0.4, 0.3]}]),
    ]
    """A list is the values of `step`, `step + 1`, …"""
    step: Step = 0

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


class MetricPoint(_Out):
    step: int
    value: Number
    at: datetime


class MetricHistory(_Page):
    points: list[MetricPoint]


class Artifact(_Out):
    path: str
    """From the root of the run's artifacts."""
    is_folder: bool
    size: int | None
    """Bytes; None of a folder."""


class Artifacts(_Page):
    artifacts: list[Artifact]


# ── analysis


class Comparison(_In):
    model_config = _like(run_ids=[_RUN, _OTHER_RUN], metric_keys=["f1"])

    run_ids: Annotated[list[RunId], Field(min_length=1, max_length=100)]
    metric_keys: Annotated[list[Name], Field(max_length=_LONGEST_LIST)] | None = None
    """None: all that any of the runs has."""


class Table(BaseModel):
    """Columns `run_id`, `metric_<key>`, `param_<key>`; a row for each run, in the order asked."""

    columns: list[str]
    rows: list[list[str | Number | None]]


class MetricStats(_Out):
    count: int
    mean: Number
    standard_deviation: Number
    min: Number
    quartiles: tuple[Number, Number, Number]
    max: Number
    best_run: str


class Stats(BaseModel):
    """Of each metric over the experiment's finished runs."""

    metrics: dict[str, MetricStats]


# ── registry


class NewVersion(_In):
    model_config = _like(run_id=_RUN, model_name="CoverLetterClassifier", why="the first one")

    run_id: RunId
    model_name: ModelName
    model_uri: Annotated[str, StringConstraints(pattern=r"^models:/m-[0-9a-f]{32}$")] | None = None
    """One of several models that the run has logged; None: its only one."""
    why: Annotated[str, StringConstraints(max_length=_LONGEST_REASON, pattern=_NO_NUL)] = ""


class Transition(_In):
    """Production goes through the ledger: `expects` is then the version that is there now, None for none."""

    model_config = _like(
        model_name="CoverLetterClassifier", version="3", stage="Production", expects="2", why="better on long letters"
    )

    model_name: ModelName
    version: Version
    stage: Stage
    archive_existing_versions: bool = True
    expects: Version | None = None
    why: Why


class Rollback(_In):
    model_config = _like(expects="3", why="customers complain")

    expects: Version
    """The version that is to be taken back: where another one is in Production, nothing happens."""
    to: Version | None = None
    """None: the one before."""
    why: Why


class RegisteredModel(_Out):
    name: str
    production: str | None
    staging: str | None
    """The versions that own the aliases."""
    tags: Mapping[str, str]


class RegisteredModels(_Page):
    models: list[RegisteredModel]


class ModelVersion(_Out):
    model: str
    version: str
    stage: Stage
    aliases: tuple[str, ...]
    run_id: str | None
    tags: Mapping[str, str]
    registered_at: datetime


class ModelVersions(_Page):
    versions: list[ModelVersion]


class JudgedVersion(ModelVersion):
    verdict: Verdict | None
    """What it was judged by; None of one that no cycle has judged."""
    judged_at: datetime | None


class Transitioned(BaseModel):
    version: ModelVersion
    promotion: Promotion | None
    """The ledger's row, of a change of Production."""


class History(_Page):
    """Every change of Production, the first one first; also those under way, and those that were superseded."""

    promotions: list[Promotion]


# ── specs


class LastCycle(BaseModel):
    outcome: Outcome
    reason: str
    version: str | None
    dry_run: bool
    judged_at: datetime


class SpecName(BaseModel):
    model: str
    dag_id: str
    description: str


class Specs(_Page):
    specs: list[SpecName]
    faults: list[str]
    """What is wrong with specs that make no DAG."""


class RunningCycle(BaseModel):
    dag_run_id: str
    state: Literal["running", "queued"]
    since: datetime
    asks: bool
    """Whether it waits for a person's approval."""


class SpecState(SpecName):
    production: str | None
    promotion: Promotion | None
    """What put it there."""
    were_in_production: list[str]
    """The other versions that have been: what a rollback may put there, the newest 20 first."""
    freeze: Freeze | None
    """What keeps Production as it is."""
    mode: Mode
    approval: bool
    """Whether a person is asked before a verdict changes Production."""
    candidates: list[str]
    rows_waiting: int | None
    """Labelled rows that no cycle has used; counted up to the threshold. None where the source does not answer."""
    rows_needed: int
    enough: bool
    says: str
    rows_a_day: float | None
    """Since the last cycle. None where nothing says."""
    expected: datetime | None
    """When there will be enough, if rows go on arriving like that."""
    last_cycle: LastCycle | None
    """None before the first verdict."""
    running: list[RunningCycle]
    next_run: datetime | None
    """None where no schedule says."""
    paused: bool | None
    """None where Airflow does not know the DAG."""
    may: list[Permission]
    """What who asks may do with this model."""


class JudgedCycle(BaseModel):
    judged_at: datetime
    verdict: Verdict
    promotion: Promotion | None
    """What followed in the ledger."""


class JudgedCycles(_Page):
    """The newest first."""

    verdicts: list[JudgedCycle]


class CycleState(BaseModel):
    """A run of the model's DAG, and what it has made so far."""

    dag_run_id: str
    runs: list[Run]
    """In MLflow: of the cycle, and of each candidate; the first one first."""
    judged: JudgedCycle | None


class Answer(_In):
    model_config = _like(approve=True)

    approve: bool


class Answered(BaseModel):
    dag_run_id: str
    approved: bool


class NewCycle(_In):
    """What the trigger form of the DAG asks for."""

    model_config = _like(dry_run=True, note="표를 고친 뒤")

    ignore_threshold: bool = False
    dry_run: bool = False
    candidates: Annotated[list[Name], Field(min_length=1, max_length=100)] | None = None
    """None: all of the spec."""
    note: Annotated[str, StringConstraints(max_length=1_000, pattern=_NO_NUL)] | None = None


class Cycle(BaseModel):
    dag_id: str
    dag_run_id: str


class Health(BaseModel):
    api: Literal["ok"] = "ok"
    mlflow: Literal["ok"] = "ok"
