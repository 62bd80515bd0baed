"""Bodies about the cycles of a model."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from retrain.records import Promotion, Verdict
from retrain.tracker.entities import Run
from retrain_airflow.api.bodies.values import NO_NUL, Body, Name, Page, request


class JudgedCycle(BaseModel):
    judged_at: datetime
    verdict: Verdict
    promotion: Promotion | None
    """The change of Production that followed."""


class JudgedCycles(Page):
    """The newest first."""

    verdicts: list[JudgedCycle]


class CycleState(BaseModel):
    """A run of the model's DAG, and what it has made so far."""

    dag_run_id: str
    runs: list[Run]
    """In MLflow: the cycle's run, those of its candidates and of their trials, the oldest first."""
    more_runs: bool
    """There are more trials than these."""
    judged: JudgedCycle | None


class Answer(Body):
    model_config = request(approve=True)

    approve: bool


class Answered(BaseModel):
    dag_run_id: str
    approved: bool


class NewCycle(Body):
    """What the trigger form of the DAG asks for."""

    model_config = request(dry_run=True, note="표를 고친 뒤")

    ignore_threshold: bool = False
    dry_run: bool = False
    candidates: Annotated[list[Name], Field(min_length=1, max_length=100)] | None = None
    """None: all candidates of the spec."""
    note: Annotated[str, StringConstraints(max_length=1_000, pattern=NO_NUL)] | None = None


class Cycle(BaseModel):
    dag_id: str
    dag_run_id: str
