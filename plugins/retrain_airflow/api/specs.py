"""Routes about specs: the state of each model, and its verdicts."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request

from retrain.errors import SourceError, SourceMismatchError
from retrain.spec.files import ADOPT_DAG, FREEZE_DAG, ROLLBACK_DAG, SpecFile
from retrain_airflow.api import paging
from retrain_airflow.api.access import Caller, Permission, Who, allow, needs
from retrain_airflow.api.backend import Backend, Use
from retrain_airflow.api.bodies.cycles import JudgedCycle, JudgedCycles
from retrain_airflow.api.bodies.specs import LastCycle, RunningCycle, SpecName, Specs, SpecState
from retrain_airflow.api.bodies.values import ModelInPath, PageToken, Size
from retrain_airflow.api.limits import BoundedRoute
from retrain_airflow.api.problems import responses

router = APIRouter(prefix="/specs", tags=["specs"], route_class=BoundedRoute)

_MOST_VERSIONS = 20
"""Listed to choose from for a rollback; others can be named by their number."""


@router.get("/", dependencies=[needs(Permission.READ)])
async def list_specs(use: Use, max_results: Size = 100, page_token: PageToken = None) -> Specs:
    """All specs in the order of their files, and the faults of those that cannot be read."""

    def listed() -> Specs:
        folder = use.backend.specs()
        page, after = paging.part_by_place(folder.files, max_results, page_token, "specs")
        return Specs(specs=[_name(file) for file in page], faults=list(folder.faults), next_page_token=after)

    return await use.own(listed)


@router.get("/{model_name}", dependencies=[needs(Permission.READ)], responses=responses(404, 409))
async def get_spec(model_name: ModelInPath, request: Request, caller: Who, use: Use) -> SpecState:
    """What is in Production, how many rows wait, and what runs. It needs no MLflow, which may be down."""
    found = await use.source(_state, use.backend, caller, model_name)
    scheduler = use.backend.scheduler
    schedule = await scheduler.schedule(request, found.dag_id)
    if schedule is None:
        return found
    running = [
        RunningCycle(dag_run_id=each.run_id, state=each.state, since=each.since, asks=each.asks)
        for each in await scheduler.running(request, found.dag_id)
    ]
    return found.model_copy(
        update={"next_run": schedule.next_run, "paused": schedule.paused, "running": running},
    )


@router.get("/{model_name}/verdicts", dependencies=[needs(Permission.READ)], responses=responses(404))
async def list_verdicts(
    model_name: ModelInPath, caller: Who, use: Use, max_results: Size = 100, page_token: PageToken = None
) -> JudgedCycles:
    """The verdicts of a model, the newest first, including dry runs."""

    def judged() -> JudgedCycles:
        file = use.backend.spec(model_name)
        allow(caller, Permission.READ, file.dag_id)
        ledger = use.backend.ledger(file.spec.connections)
        before = paging.number(page_token, "verdicts", model_name)
        found = ledger.verdicts(model_name, max_results + 1, before)
        followed = {each.verdict: each for each in ledger.history(model_name)}
        page = [
            JudgedCycle(judged_at=at, verdict=verdict, promotion=followed.get(verdict.matchup.id))
            for _, verdict, at in found[:max_results]
        ]
        more = len(found) > max_results
        after = paging.token(str(found[max_results - 1][0]), "verdicts", model_name) if more else None
        return JudgedCycles(verdicts=page, next_page_token=after)

    return await use.own(judged)


def _state(backend: Backend, caller: Caller, model: str) -> SpecState:
    from retrain.ledger.promotions import were_in_production
    from retrain.production.mode import mode_of

    file = backend.spec(model)
    allow(caller, Permission.READ, file.dag_id)
    spec, ledger = file.spec, backend.ledger(file.spec.connections)
    last = ledger.last_verdict(model)
    history = [each for each in ledger.history(model) if each.applied_at]
    production = history[-1].to_version if history else None
    were, known = were_in_production(history, but=production)[:_MOST_VERSIONS], ledger.known_versions(model)
    may = [each for each in Permission if caller.may(each, file.dag_id)]
    return SpecState(
        **_name(file).model_dump(),
        production=production,
        promotion=history[-1] if history else None,
        were_in_production=[each.number for each in were if each in known],
        cannot_go_back=[each.number for each in were if each not in known],
        freeze=ledger.freeze_of(model),
        ab_dag_id=file.ab_dag_id if spec.ab else None,
        mode=mode_of(spec, ledger),
        approval=spec.approval is not None,
        candidates=[each.name for each in spec.candidates],
        **_rows(backend, file),
        last_cycle=None
        if last is None
        else LastCycle(
            outcome=last[0].outcome,
            cause=last[0].cause,
            reason=last[0].reason,
            version=last[0].matchup.version,
            dry_run=last[0].matchup.dry_run,
            judged_at=last[1],
        ),
        running=[],
        next_run=None,
        paused=None,
        may=may,
        may_roll_back=Permission.PROMOTE in may and caller.may(Permission.LOG, ROLLBACK_DAG),
        may_freeze=Permission.PROMOTE in may and caller.may(Permission.LOG, FREEZE_DAG),
        may_adopt=(not history or history[-1].came not in known)
        and Permission.DELETE in may
        and caller.may(Permission.LOG, ADOPT_DAG),
    )


def _rows(backend: Backend, file: SpecFile) -> dict[str, object]:
    """Return how many rows wait in the source. If it does not answer, the rest of the state is still returned."""
    from retrain.cycle.sense import sense

    spec, ledger = file.spec, backend.ledger(file.spec.connections)
    needed = {"rows_needed": spec.threshold.rows}
    try:
        sensed = sense(spec, source=backend.source(file), ledger=ledger)
    except SourceMismatchError:
        raise  # the source answers, and the owner of the spec must see what is wrong
    except SourceError:
        unknown = "The source does not answer: it is not known how many rows wait."
        return needed | {"rows_waiting": None, "enough": False, "says": unknown, "rows_a_day": None, "expected": None}
    since = ledger.consumed_ago(spec.model)
    wait = sensed.expected_in(since)
    return needed | {
        "rows_waiting": sensed.new_rows,
        "enough": sensed.enough,
        "says": str(sensed),
        "rows_a_day": sensed.rows_a_day(since),
        "expected": None if wait is None else datetime.now(UTC) + wait,
    }


def _name(file: SpecFile) -> SpecName:
    return SpecName(model=file.spec.model, dag_id=file.dag_id, description=file.spec.description)
