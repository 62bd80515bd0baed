"""Routes about split tests: which arm a unit gets, and how the tests stand. The ledger alone answers."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query

from retrain.arms import Split, SplitEnd, SplitLook, SplitPlan
from retrain.spec.ab import SplitTest
from retrain.spec.spec import Spec
from retrain_airflow.api.access import Permission, Who, allow, needs
from retrain_airflow.api.backend import Use
from retrain_airflow.api.bodies.splits import (
    AssignmentOf,
    SplitEffect,
    SplitNeedOf,
    SplitPlanOf,
    SplitSeen,
    SplitState,
    SplitStates,
)
from retrain_airflow.api.bodies.values import ModelInPath
from retrain_airflow.api.limits import BoundedRoute
from retrain_airflow.api.problems import responses

if TYPE_CHECKING:
    from retrain.ledger.ledger import Ledger

router = APIRouter(tags=["models"], route_class=BoundedRoute)

_SPLITS = 5
Unit = Annotated[str, Query(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]


@router.get("/models/{model_name}/assignment", dependencies=[needs(Permission.READ)], responses=responses(404))
async def assignment(model_name: ModelInPath, unit: Unit, caller: Who, use: Use, log: bool = False) -> AssignmentOf:
    """Which arm serves a unit now: that of the split test under way, else Production. `log=true` records that the unit
    was exposed, once; who may log runs may ask for that.
    """

    def found() -> AssignmentOf:
        file = use.backend.spec(model_name)
        allow(caller, Permission.LOG if log else Permission.READ, file.dag_id)
        return _assigned(file.spec, use.backend.ledger(file.spec.connections), unit, log=log)

    return await use.own(found)


@router.get("/specs/{model_name}/ab", dependencies=[needs(Permission.READ)], responses=responses(404))
async def get_splits(model_name: ModelInPath, caller: Who, use: Use) -> SplitStates:
    """The newest split tests, the newest first, each with what it shows by its last look."""

    def found() -> SplitStates:
        file = use.backend.spec(model_name)
        allow(caller, Permission.READ, file.dag_id)
        ledger = use.backend.ledger(file.spec.connections)
        planned = ledger.split_plan(model_name)
        return SplitStates(
            splits=tuple(_state(ledger, *each) for each in reversed(ledger.splits(model_name, _SPLITS))),
            plan=None if planned is None else _plan(*planned),
        )

    return await use.own(found)


def _assigned(spec: Spec, ledger: "Ledger", unit: str, *, log: bool) -> AssignmentOf:
    from retrain.live.assignment import Arm, Experiment, assign

    split = ledger.open_split(spec.model)
    if split is None:
        production = ledger.production(spec.model)
        number = production.number if production else None
        return AssignmentOf(
            model=spec.model, unit=unit, arm="production", version=number, exposed=False, split=None, share=0.0
        )
    wanted = SplitTest.stored(split.section)  # which the test began with
    share, holdout = wanted.ramp[ledger.split_steps(split.id)[-1].phase].share, wanted.holdout
    to = assign(
        unit,
        Experiment(split.id, share, holdout.name if holdout else None, holdout.share if holdout else 0.0),
    )
    if log and to.exposed:
        ledger.save_exposure(split.id, unit, to.arm.value)
    return AssignmentOf(
        model=spec.model,
        unit=unit,
        arm=to.arm.value,
        version=split.version if to.arm is Arm.STAGING else split.production,
        exposed=to.exposed,
        split=split.id,
        share=share,
    )


def _state(ledger: "Ledger", split: Split, end: SplitEnd | None) -> SplitState:
    wanted, step, looks = (
        SplitTest.stored(split.section),
        ledger.split_steps(split.id)[-1],
        ledger.split_looks(split.id),
    )
    last = looks[-1] if looks else None
    return SplitState(
        split=split.id,
        version=split.version,
        production=split.production,
        began=split.began,
        ends=step.ends,
        by=split.by,
        why=split.why,
        share=0.0 if end else wanted.ramp[step.phase].share,
        run_id=split.run_id,
        seen=tuple(_seen(each) for each in looks),
        production_units=sum(each.production for each in last.days) if last else 0,
        staging_units=sum(each.staging for each in last.days) if last else 0,
        exposed=last.counts.exposed if last else 0,
        matured=last.counts.matured if last else 0,
        crossed=last.counts.crossed if last else 0,
        mismatch=last.mismatch if last else None,
        effects=tuple(_effects(wanted, last)) if last else (),
        smallest=last.smallest if last else None,
        answer=last.answer if last else None,
        says=last.why if last else "",
        outcome=end.outcome if end else None,
        ended=end.at if end else None,
        ended_why=end.why if end else None,
    )


def _seen(look: SplitLook) -> SplitSeen:
    primary = look.effects[0]
    return SplitSeen(
        at=look.at,
        phase=look.phase,
        exposed=look.counts.exposed,
        matured=look.counts.matured,
        mismatch=look.mismatch,
        difference=primary.difference,
        low=primary.low,
        high=primary.high,
    )


def _effects(wanted: SplitTest, look: SplitLook) -> Iterator[SplitEffect]:
    for place, (metric, effect) in enumerate(zip(wanted.metrics, look.effects, strict=True)):
        yield SplitEffect(
            metric=effect.metric,
            guardrail=place > 0,
            greater_is_better=metric.sign > 0,
            matters=wanted.interest(metric),
            difference=effect.difference,
            error=effect.error,
            low=effect.low,
            high=effect.high,
        )


def _plan(plan: SplitPlan, at: datetime) -> SplitPlanOf:
    return SplitPlanOf(
        at=at,
        longest=plan.longest,
        units=plan.units,
        enough=plan.enough,
        needs=tuple(SplitNeedOf.model_validate(each) for each in plan.needs),
    )
