"""The specs: how near each model is to its next cycle, and a cycle now."""

from fastapi import APIRouter, Request

from retrain.spec_files import SpecFile
from retrain_airflow.api import paging
from retrain_airflow.api.access import Permission, Who, allow, needs
from retrain_airflow.api.backend import Use
from retrain_airflow.api.bodies import (
    Cycle,
    LastCycle,
    ModelInPath,
    NewCycle,
    PageToken,
    Size,
    SpecName,
    Specs,
    SpecState,
)
from retrain_airflow.api.once import IdempotencyKey, once
from retrain_airflow.api.problems import responses

router = APIRouter(prefix="/specs", tags=["specs"])


@router.get("/", dependencies=[needs(Permission.READ)])
async def list_specs(use: Use, max_results: Size = 100, page_token: PageToken = None) -> Specs:
    """In the order of their files, and what is wrong with those that cannot be read."""

    def listed() -> Specs:
        folder = use.backend.specs()
        page, after = paging.part_by_place(folder.files, max_results, page_token, "specs")
        return Specs(specs=[_name(file) for file in page], faults=list(folder.faults), next_page_token=after)

    return await use.quick(listed)


@router.get("/{model_name}", dependencies=[needs(Permission.READ)], responses=responses(404, 409))
async def get_spec(model_name: ModelInPath, request: Request, caller: Who, use: Use) -> SpecState:
    """Rows waiting, the last cycle, the next run."""

    def state() -> SpecState:
        from retrain.sensing import sense

        file = use.backend.spec(model_name)
        allow(caller, Permission.READ, file.dag_id)
        state = use.backend.state()
        sensed = sense(file.spec, source=use.backend.source(file), state=state)
        last = state.last_verdict(model_name)
        history = [each for each in state.history(model_name) if each.applied_at]
        return SpecState(
            **_name(file).model_dump(),
            production=history[-1].to_version if history else None,
            rows_waiting=sensed.new_rows,
            rows_needed=file.spec.threshold.rows,
            enough=sensed.enough,
            says=str(sensed),
            last_cycle=None
            if last is None
            else LastCycle(
                outcome=last[0].outcome,
                reason=last[0].reason,
                version=last[0].trial.version,
                dry_run=last[0].trial.dry_run,
                judged_at=last[1],
            ),
            next_run=None,
            paused=None,
        )

    found = await use.slow(state)
    schedule = await use.backend.scheduler.schedule(request, found.dag_id)
    if schedule is None:
        return found
    return found.model_copy(update={"next_run": schedule.next_run, "paused": schedule.paused})


@router.post(
    "/{model_name}/cycles", status_code=202, dependencies=[needs(Permission.LOG)], responses=responses(404, 409)
)
async def start_cycle(
    model_name: ModelInPath,
    body: NewCycle,
    request: Request,
    *,
    caller: Who,
    use: Use,
    key: IdempotencyKey = None,
) -> Cycle:
    """Start a run of the model's DAG: Airflow's own trigger, with its own permissions and checks."""

    def claim() -> tuple[SpecFile, str | None]:
        file = use.backend.spec(model_name)
        allow(caller, Permission.LOG, file.dag_id)
        # The id of the run is the claim: started twice, it is one run.
        return file, once(use.backend.state, caller, key, body, lambda claim: claim or "") or None

    file, run_id = await use.quick(claim)
    conf = body.model_dump(exclude_none=True)
    started = await use.backend.scheduler.start(request, file.dag_id, run_id and f"api__{run_id[:32]}", conf)
    return Cycle(dag_id=file.dag_id, dag_run_id=started)


def _name(file: SpecFile) -> SpecName:
    return SpecName(model=file.spec.model, dag_id=file.dag_id, description=file.spec.description)
