"""Routes about the cycles of a model: start one, read what it has made so far, answer its approval."""

from functools import partial
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request

from retrain.spec.files import SpecFile
from retrain.tracker.entities import Run
from retrain.tracker.filters import Condition
from retrain_airflow.api.access import Permission, Who, allow, needs
from retrain_airflow.api.backend import Use
from retrain_airflow.api.bodies.cycles import Answer, Answered, Cycle, CycleState, JudgedCycle, NewCycle
from retrain_airflow.api.bodies.values import DagRunInPath, ModelInPath
from retrain_airflow.api.limits import BoundedRoute
from retrain_airflow.api.once import IdempotencyKey, once
from retrain_airflow.api.problems import responses

if TYPE_CHECKING:
    from retrain.ledger.ledger import Ledger
    from retrain.tracker.client import ExperimentTracker

router = APIRouter(prefix="/specs/{model_name}/cycles", tags=["specs"], route_class=BoundedRoute)

_MOST_RUNS = 1_000


@router.post("", status_code=202, dependencies=[needs(Permission.LOG)], responses=responses(404, 409))
async def start_cycle(
    model_name: ModelInPath,
    body: NewCycle,
    request: Request,
    *,
    caller: Who,
    use: Use,
    key: IdempotencyKey = None,
) -> Cycle:
    """Start a run of the model's DAG, through Airflow's own trigger with its permissions and checks."""

    def claim() -> tuple[SpecFile, str | None]:
        file = use.backend.spec(model_name)
        allow(caller, Permission.LOG, file.dag_id)
        # The claim is the id of the run: a request that is sent twice starts one run.
        ledger = partial(use.backend.ledger, file.spec.connections)
        return file, once(ledger, caller, key, body, lambda claim: claim or "") or None

    file, run_id = await use.own(claim)
    conf = body.model_dump(exclude_none=True)
    started = await use.backend.scheduler.start(request, file.dag_id, run_id and f"api__{run_id[:32]}", conf)
    return Cycle(dag_id=file.dag_id, dag_run_id=started)


@router.get("/{dag_run_id}", dependencies=[needs(Permission.READ)], responses=responses(404))
async def get_cycle(model_name: ModelInPath, dag_run_id: DagRunInPath, caller: Who, use: Use) -> CycleState:
    """The cycle's runs in MLflow and its verdict, as far as it has them."""

    def cycle() -> CycleState:
        file = use.backend.spec(model_name)
        allow(caller, Permission.READ, file.dag_id)
        runs, more = _runs(use.backend.tracker(file.spec.connections), model_name, dag_run_id)
        ledger = use.backend.ledger(file.spec.connections)
        return CycleState(
            dag_run_id=dag_run_id,
            runs=runs,
            more_runs=more,
            judged=_judged(ledger, model_name, [run.id for run in runs]),
        )

    return await use.quick(cycle)


@router.post("/{dag_run_id}/approval", dependencies=[needs(Permission.PROMOTE)], responses=responses(404, 409))
async def answer_cycle(
    model_name: ModelInPath, dag_run_id: DagRunInPath, body: Answer, request: Request, *, caller: Who, use: Use
) -> Answered:
    """Approve or refuse what a cycle waits for, through Airflow's own form, which checks the caller's permission."""

    def dag_id() -> str:
        file = use.backend.spec(model_name)
        allow(caller, Permission.PROMOTE, file.dag_id)
        return file.dag_id

    await use.backend.scheduler.answer(request, await use.own(dag_id), dag_run_id, approve=body.approve)
    return Answered(dag_run_id=dag_run_id, approved=body.approve)


def _runs(tracker: "ExperimentTracker", model: str, dag_run_id: str) -> tuple[list[Run], bool]:
    """Return the runs of a cycle, all its candidates among them, and whether there are more: trials."""
    experiment = tracker.find_experiment(model)
    if experiment is None:
        return [], False
    of_cycle = [Condition("tag", "retrain.dag_run", "=", dag_run_id)]
    runs = tracker.search_runs([experiment], of_cycle, max_results=_MOST_RUNS + 1)
    if len(runs) <= _MOST_RUNS:
        return runs, False
    candidates = tracker.search_runs([experiment], [*of_cycle, Condition("tag", "retrain.candidate", "!=", "")])
    first = runs[:_MOST_RUNS]
    return first + [each for each in candidates if each not in first], True


def _judged(ledger: "Ledger", model: str, run_ids: list[str]) -> JudgedCycle | None:
    found = ledger.verdict_of_runs(model, run_ids)
    if found is None:
        return None
    verdict, at = found
    promotion = next((each for each in ledger.history(model) if each.verdict == verdict.matchup.id), None)
    return JudgedCycle(judged_at=at, verdict=verdict, promotion=promotion)
