"""Runs: what they are told, what they hold, and which are the best."""

import re
import tempfile
import unicodedata
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi import Path as InUrl
from fastapi.responses import HTMLResponse
from pydantic import AfterValidator, StringConstraints

from retrain.errors import NotFoundError
from retrain_airflow.api import paging
from retrain_airflow.api.access import Permission, Who, needs
from retrain_airflow.api.backend import Use
from retrain_airflow.api.bodies import (
    Artifact,
    Artifacts,
    Comparison,
    InPath,
    Logged,
    MetricHistory,
    MetricPoint,
    Metrics,
    Name,
    NewRun,
    PageToken,
    Params,
    Run,
    RunEnd,
    RunInPath,
    Runs,
    RunTags,
    Search,
    Size,
    Table,
    WhyInQuery,
)
from retrain_airflow.api.once import IdempotencyKey, once
from retrain_airflow.api.problems import TooLargeError, UnprocessableError, responses

if TYPE_CHECKING:
    from retrain.tracker import Condition, ExperimentTracker, Order

router = APIRouter(prefix="/runs", tags=["runs"])

LARGEST_FILE = 64 << 20
"""Bytes."""
_LONGEST_PART = 255
"""Bytes that a file's name has at most, where MLflow keeps it and here."""
_NOT_IN_A_PATH = re.compile(r"[\x00-\x1f\x7f\\%?#:\ufffd]")
"""What others read as something else: an encoding, a drive, the end of a path. MLflow does not quote it in a URL."""


def _inside(path: str) -> str:
    """Of what stays in the run's folder, and under this name, whoever below decodes or normalises it."""
    read = unicodedata.normalize("NFKC", path)
    if found := _NOT_IN_A_PATH.search(read):
        raise ValueError(f"a path has no {found.group()!r}")
    parts = read.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError("a path has names between /, none of them . or ..")
    if any(len(part.encode()) > _LONGEST_PART for part in (*parts, *path.split("/"))):
        raise ValueError(f"a name in a path has at most {_LONGEST_PART} bytes")
    return path


_REPORT = "report/report.html"
_AS_A_PAGE = {
    # Whoever may log can put a page of his own there. It is shown at Airflow's address, to who is logged in: so it
    # runs nothing, fetches nothing, sends nothing, and is in nobody else's frame. Its links lead to whole pages.
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-top-navigation-by-user-activation allow-popups "
    "allow-popups-to-escape-sandbox",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}

ArtifactPath = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_inside)]


# ── one after the other


@router.post("/start", status_code=201, dependencies=[needs(Permission.LOG)], responses=responses(404))
async def start_run(body: NewRun, caller: Who, use: Use, key: IdempotencyKey = None) -> Run:
    """Begin a run, which goes on until it is ended."""

    tags = {**body.tags, "retrain.by": caller.name, "mlflow.user": caller.name}

    def make(claim: str | None) -> str:
        tracker = use.tracker()
        return (claim and tracker.find_run(body.experiment_id, claim)) or tracker.start_run(
            body.experiment_id, body.run_name, tags, key=claim, parent=body.parent_run_id, note=body.note
        )

    def start() -> Run:
        if body.parent_run_id is not None:
            use.tracker().get_run(body.parent_run_id)
        return Run.model_validate(use.tracker().get_run(once(use.backend.state, caller, key, body, make)))

    return await use.quick(start)


@router.post("/log-params", dependencies=[needs(Permission.LOG)], responses=responses(404))
async def log_params(body: Params, caller: Who, use: Use) -> Logged:
    """What is no text is kept as JSON. A parameter that is there already cannot be changed."""
    await use.quick(lambda: use.tracker().log_params(body.run_id, body.params, tags=_logged_by(caller)))
    return Logged(run_id=body.run_id, logged=len(body.params))


@router.post("/log-metrics", dependencies=[needs(Permission.LOG)], responses=responses(404))
async def log_metrics(body: Metrics, caller: Who, use: Use, key: IdempotencyKey = None) -> Logged:
    """A list is the values of `step`, `step + 1`, …; NaN is written as text. Infinity is refused."""
    metrics = body.numbers()

    def log() -> None:
        # MLflow keeps a point once that comes with the same time again.
        at = once(use.backend.state, caller, key, body, lambda _: datetime.now(UTC).isoformat())
        use.tracker().log_metrics(
            body.run_id, metrics, body.step, at=datetime.fromisoformat(at), tags=_logged_by(caller)
        )

    await use.quick(log)
    return Logged(run_id=body.run_id, logged=body.points)


@router.post("/search", dependencies=[needs(Permission.READ)])
async def search_runs(body: Search, use: Use) -> Runs:
    """All conditions must fit: MLflow has no OR. Pages count runs: one that comes or goes meanwhile shifts the next."""
    question = body.model_dump(mode="json", exclude={"page_token"})
    after = paging.place(body.page_token, question)

    def search() -> Runs:
        page = use.tracker().page_of_runs(
            body.experiment_ids, _conditions(body), _orders(body), body.max_results, after
        )
        return Runs(
            runs=[Run.model_validate(each) for each in page.items],
            next_page_token=paging.token(page.next, question),
        )

    return await use.quick(search)


@router.post("/compare", dependencies=[needs(Permission.READ)], responses=responses(404))
async def compare_runs(body: Comparison, use: Use) -> Table:
    """The runs side by side, in the order asked; what one has not is null."""

    def compare() -> Table:
        frame = use.tracker().compare_runs(body.run_ids, body.metric_keys)
        rows = [[_said(value) for value in row] for row in frame.astype(object).to_numpy().tolist()]
        return Table(columns=list(frame.columns), rows=rows)

    return await use.slow(compare)


@router.get("/best/{experiment_id}", dependencies=[needs(Permission.READ)], responses=responses(404))
async def best_run(
    experiment_id: InPath, metric_key: Annotated[Name, Query(examples=["f1"])], use: Use, ascending: bool = False
) -> Run:
    """The finished run with the greatest value, of equal ones the earliest; the smallest where `ascending`."""

    def best() -> Run:
        found = use.tracker().get_best_run(experiment_id, metric_key, ascending)
        if found is None:
            use.tracker().get_experiment(experiment_id)  # says so where there is no such experiment
            raise NotFoundError(f"experiment {experiment_id} has no finished run with a finite {metric_key!r}")
        return Run.model_validate(found)

    return await use.quick(best)


# ── of one run


@router.get("/{run_id}", dependencies=[needs(Permission.READ)], responses=responses(404))
async def get_run(run_id: RunInPath, use: Use) -> Run:
    """Also one that is deleted."""
    return Run.model_validate(await use.quick(lambda: use.tracker().get_run(run_id)))


@router.delete("/{run_id}", status_code=204, dependencies=[needs(Permission.DELETE)], responses=responses(404))
async def delete_run(run_id: RunInPath, why: WhyInQuery, caller: Who, use: Use) -> None:
    """MLflow keeps it as deleted. One that Production or a rollback needs is not deleted."""
    await use.quick(lambda: use.backend.registry().delete_run(run_id, by=caller.name, why=why))


@router.post("/{run_id}/end", dependencies=[needs(Permission.LOG)], responses=responses(404))
async def end_run(run_id: RunInPath, body: RunEnd, caller: Who, use: Use) -> Run:
    """RUNNING takes a run up again that has failed."""

    def end() -> Run:
        use.tracker().set_tags(run_id, {"retrain.ended_by": caller.name})
        use.tracker().end_run(run_id, body.status)
        return Run.model_validate(use.tracker().get_run(run_id))

    return await use.quick(end)


@router.patch("/{run_id}/tags", dependencies=[needs(Permission.LOG)], responses=responses(404))
async def set_tags(run_id: RunInPath, body: RunTags, caller: Who, use: Use) -> Run:
    """Those that are not named stay."""

    def patch() -> Run:
        use.tracker().set_tags(run_id, {**body.tags, **_logged_by(caller)})
        return Run.model_validate(use.tracker().get_run(run_id))

    return await use.quick(patch)


@router.get("/{run_id}/metrics/{name:path}", dependencies=[needs(Permission.READ)], responses=responses(404))
async def metric_history(
    run_id: RunInPath,
    name: Annotated[Name, InUrl()],
    use: Use,
    max_results: Size = 1_000,
    page_token: PageToken = None,
) -> MetricHistory:
    """Each point that was logged, by step."""

    def history() -> MetricHistory:
        points = use.tracker().metric_history(run_id, name)
        if not points:
            use.tracker().get_run(run_id)  # says so where there is no such run
        page, after = paging.part_by_place(points, max_results, page_token, run_id, name)
        return MetricHistory(
            points=[MetricPoint.model_validate(point._asdict()) for point in page], next_page_token=after
        )

    return await use.quick(history)


@router.get("/{run_id}/artifacts", dependencies=[needs(Permission.READ)], responses=responses(404))
async def list_artifacts(
    run_id: RunInPath,
    use: Use,
    path: Annotated[ArtifactPath | None, Query(description="A folder of the run's; none for all.")] = None,
    max_results: Size = 1_000,
    page_token: PageToken = None,
) -> Artifacts:
    """What is in one folder, by name; nothing where there is no such folder."""

    def listed() -> Artifacts:
        found = use.tracker().list_artifacts(run_id, path)
        page, after = paging.part_by_place(found, max_results, page_token, run_id, path)
        return Artifacts(artifacts=[Artifact.model_validate(each) for each in page], next_page_token=after)

    return await use.quick(listed)


@router.get(
    "/{run_id}/report",
    response_class=HTMLResponse,
    dependencies=[needs(Permission.READ)],
    responses={303: {"description": "To the login, of a browser without one"}, **responses(404)},
)
async def read_report(run_id: RunInPath, use: Use) -> HTMLResponse:
    """The report of a cycle, by the cycle's run: a page to read, in which nothing runs."""

    def read() -> bytes:
        with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
            return use.tracker().download_artifact(run_id, _REPORT, Path(folder)).read_bytes()

    return HTMLResponse(await use.slow(read), headers=_AS_A_PAGE)


@router.put(
    "/{run_id}/artifacts/{path:path}",
    status_code=201,
    dependencies=[needs(Permission.LOG)],
    responses=responses(404),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def log_artifact(
    run_id: RunInPath, path: Annotated[ArtifactPath, InUrl()], request: Request, caller: Who, use: Use
) -> Artifact:
    """Upload a file, of 64 MiB at most, to this path among the run's artifacts; in place of one that is there."""
    folder, _, name = path.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="retrain-") as place:
        file, size = Path(place) / name, 0
        with file.open("wb") as stream:
            async for chunk in request.stream():
                size += len(chunk)
                if size > LARGEST_FILE:
                    raise TooLargeError(f"a file has at most {LARGEST_FILE:,} bytes")
                stream.write(chunk)

        def upload() -> None:
            _refuse_other_kind(use.tracker(), run_id, path)
            use.tracker().log_artifact(run_id, file, folder or None)
            use.tracker().set_tags(run_id, _logged_by(caller))

        await use.slow(upload)
    return Artifact(path=path, is_folder=False, size=size)


def _refuse_other_kind(tracker: "ExperimentTracker", run_id: str, path: str) -> None:
    """MLflow's server breaks on a folder where a file is, and on a file where a folder is."""
    names = path.split("/")
    for depth in range(len(names)):
        folder, here = "/".join(names[:depth]), "/".join(names[: depth + 1])
        found = [each for each in tracker.list_artifacts(run_id, folder or None) if each.path == here]
        if not found:
            return
        if found[0].is_folder != (here != path):
            raise UnprocessableError(f"{here} is a {'folder' if found[0].is_folder else 'file'} already")


def _said(value: Any) -> Any:
    """What a run has not is NaN in a table."""
    return None if isinstance(value, float) and isnan(value) else value


def _logged_by(caller: Who) -> dict[str, str]:
    return {"retrain.logged_by": caller.name}


def _conditions(body: Search) -> "list[Condition]":
    from retrain.tracker import Condition

    return [Condition(each.kind, each.name, each.comparison, each.value) for each in body.filter]


def _orders(body: Search) -> "list[Order]":
    from retrain.tracker import Order

    return [Order(each.kind, each.name, each.ascending) for each in body.order_by]
