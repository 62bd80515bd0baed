"""Bodies about specs: what each model is like now."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from retrain.records import Cause, Freeze, Outcome, Promotion
from retrain.spec.operation import Mode
from retrain_airflow.api.access import Permission
from retrain_airflow.api.bodies.values import Page


class LastCycle(BaseModel):
    outcome: Outcome
    cause: Cause | None
    """Why it is HOLD; None for another outcome."""
    reason: str
    version: str | None
    dry_run: bool
    judged_at: datetime


class SpecName(BaseModel):
    model: str
    dag_id: str
    description: str


class Specs(Page):
    specs: list[SpecName]
    faults: list[str]
    """The faults of the specs that make no DAG."""


class RunningCycle(BaseModel):
    dag_run_id: str
    state: Literal["running", "queued"]
    since: datetime
    asks: bool
    """Whether it waits for a person's approval."""


class SpecState(SpecName):
    production: str | None
    promotion: Promotion | None
    """The change that put it there."""
    were_in_production: list[str]
    """The other versions that were in Production, which a rollback may put back: of the newest 20, the newest first."""
    cannot_go_back: list[str]
    """Those of the 20 that no rollback puts back: Retrain did not log them, and nobody adopted them."""
    freeze: Freeze | None
    """The freeze that keeps Production as it is."""
    ab_dag_id: str | None
    """The DAG that plans, starts and stops split tests; None where the spec has no section `ab`."""
    mode: Mode
    approval: bool
    """Whether a person must approve before a verdict changes Production."""
    candidates: list[str]
    rows_waiting: int | None
    """Labelled rows that no cycle has used, counted up to the threshold. None if the source does not answer."""
    rows_needed: int
    enough: bool
    says: str
    rows_a_day: float | None
    """Since the last cycle. None if it is not known."""
    expected: datetime | None
    """When there will be enough rows, if they keep arriving at this rate."""
    last_cycle: LastCycle | None
    """None before the first verdict."""
    running: list[RunningCycle]
    next_run: datetime | None
    """None without a schedule."""
    paused: bool | None
    """None if Airflow does not know the DAG."""
    may: list[Permission]
    """What the caller may do with this model."""
    may_roll_back: bool
    """Whether the caller may also start DAG `retrain-rollback`."""
    may_freeze: bool
    """Whether the caller may also start DAG `retrain-freeze`."""
    may_adopt: bool
    """Whether the caller may adopt a version, and there is need: nothing that Retrain knows is in Production."""
