"""Routes about the files of runs: lists, uploads, and the report of a cycle or of a split test as a page."""

import re
import tempfile
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from fastapi import Path as InUrl
from fastapi.responses import HTMLResponse
from pydantic import AfterValidator, StringConstraints

from retrain.tracker.entities import Artifact
from retrain_airflow.api import limits, paging
from retrain_airflow.api.access import Permission, Who, logged_by, needs
from retrain_airflow.api.backend import Use
from retrain_airflow.api.bodies.runs import Artifacts
from retrain_airflow.api.bodies.values import PageToken, RunInPath, Size
from retrain_airflow.api.limits import BoundedRoute
from retrain_airflow.api.problems import TooLargeError, UnprocessableError, responses

if TYPE_CHECKING:
    from retrain.tracker.client import ExperimentTracker

router = APIRouter(prefix="/runs", tags=["runs"], route_class=BoundedRoute)

LARGEST_FILE = 64 << 20
"""Bytes."""
_LONGEST_PART = 255
"""Bytes of a file's name, at most, both in MLflow's store and on this machine."""
_NOT_IN_A_PATH = re.compile(r"[\x00-\x1f\x7f\\%?#:\ufffd]")
"""Other programs read these as an encoding, a drive or the end of a path. MLflow does not quote them in a URL."""


def _inside(path: str) -> str:
    """Return the path if it stays in the run's folder under this name, even if decoded or normalised again."""
    normalized = unicodedata.normalize("NFKC", path)
    if found := _NOT_IN_A_PATH.search(normalized):
        raise ValueError(f"a path must not contain {found.group()!r}")
    parts = normalized.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError("a path must have names between /, and none of them may be . or ..")
    if any(len(part.encode()) > _LONGEST_PART for part in (*parts, *path.split("/"))):
        raise ValueError(f"a name in a path has at most {_LONGEST_PART} bytes")
    return path


_PAGE_HEADERS = {
    # Anybody who may log can upload a page of their own. It is shown at Airflow's address to people who are logged in.
    # So it must not run, fetch or send anything, nor be framed by another site. Its links open whole pages.
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-top-navigation-by-user-activation allow-popups "
    "allow-popups-to-escape-sandbox",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}

ArtifactPath = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_inside)]


@router.get("/{run_id}/artifacts", dependencies=[needs(Permission.READ)], responses=responses(404))
async def list_artifacts(
    run_id: RunInPath,
    use: Use,
    path: Annotated[ArtifactPath | None, Query(description="A folder of the run; none for the root.")] = None,
    max_results: Size = 1_000,
    page_token: PageToken = None,
) -> Artifacts:
    """The files and folders in one folder, by name; an empty list if there is no such folder."""

    def listed() -> Artifacts:
        found = use.tracker().list_artifacts(run_id, path)
        page, after = paging.part_by_place(found, max_results, page_token, run_id, path)
        return Artifacts(artifacts=page, next_page_token=after)

    return await use.quick(listed)


@router.get(
    "/{run_id}/report",
    response_class=HTMLResponse,
    dependencies=[needs(Permission.READ)],
    responses={303: {"description": "To the login page, for a browser without a login"}, **responses(404)},
)
async def read_report(run_id: RunInPath, use: Use) -> HTMLResponse:
    """The report of a cycle, or of a split test, by the id of its run: a page without scripts."""

    def read() -> bytes:
        from retrain.reports import kept

        with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
            return kept.fetch(use.tracker(), run_id, Path(folder)).read_bytes()

    return HTMLResponse(await use.slow(read), headers=_PAGE_HEADERS)


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
    """Upload a file of at most 64 MiB to this path of the run's artifacts; it replaces a file that is there."""
    folder, _, name = path.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="retrain-") as place:
        file, size = Path(place) / name, 0
        with file.open("wb") as stream:
            async for chunk in limits.chunks(request):
                size += len(chunk)
                if size > LARGEST_FILE:
                    raise TooLargeError(f"a file has at most {LARGEST_FILE:,} bytes")
                stream.write(chunk)

        def upload() -> None:
            _refuse_other_kind(use.tracker(), run_id, path)
            use.tracker().log_artifact(run_id, file, folder or None)
            use.tracker().set_tags(run_id, logged_by(caller))

        await use.slow(upload)
    return Artifact(path=path, is_folder=False, size=size)


def _refuse_other_kind(tracker: "ExperimentTracker", run_id: str, path: str) -> None:
    """Raise UnprocessableError if a file would replace a folder or a folder a file: MLflow's server fails on both."""
    names = path.split("/")
    for depth in range(len(names)):
        folder, here = "/".join(names[:depth]), "/".join(names[: depth + 1])
        found = [each for each in tracker.list_artifacts(run_id, folder or None) if each.path == here]
        if not found:
            return
        if found[0].is_folder != (here != path):
            raise UnprocessableError(f"{here} is a {'folder' if found[0].is_folder else 'file'} already")
