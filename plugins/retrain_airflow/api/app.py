"""Makes the API: an application that is mounted into Airflow's API server, or run on its own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Any

from fastapi import FastAPI

from retrain_airflow.api import (
    artifacts,
    cycles,
    experiments,
    live,
    models,
    problems,
    production,
    runs,
    specs,
    splits,
    stream,
)
from retrain_airflow.api.access import Identify
from retrain_airflow.api.backend import Backend, Using
from retrain_airflow.api.calls import Calls
from retrain_airflow.api.headers import NotStored

PREFIX = "/api/experiments"
DEADLINE = 7
"""Seconds that the API's tracker waits for one reply. With the wait for a thread, a client learns within ten that a
server is dead."""

_IN_ALL = 9.5
"""Seconds for a request, its wait for a thread included."""

_HEAVY = ("retrain.production.registry", "retrain.cycle.sense")
_VERSION = "1.0"
_ABOUT = """\
The tracker of Retrain: experiments, runs, models, and the cycles that keep models good.

Log in with a token of `POST /auth/token`. Reading needs the right to read DAGs; logging, to start them; promoting, to
edit connections and the model's DAG; deleting needs an administrator.
"""


def create_app(backend: Backend, identify: Identify, also_import: tuple[str, ...] = ()) -> FastAPI:
    """Make the application. backend: the services that it uses, its tracker made with `DEADLINE`. identify: see
    `access`. also_import: modules that the backend will need, imported before the server starts.
    """
    app = FastAPI(
        title="Retrain",
        version=_VERSION,
        description=_ABOUT,
        responses=problems.responses(401, 403, 422, 503),
        lifespan=partial(_lifespan, (*_HEAVY, *also_import)),
        # Only paths that the document names are served.
        redirect_slashes=False,
        # FastAPI's pages run scripts of other hosts at Airflow's address, and are blank without the internet.
        docs_url=None,
        redoc_url=None,
    )
    app.state.identify = identify
    app.state.using = Using(
        backend,
        quick=Calls("quick", at_once=16, wait=1.5, seconds=8, in_all=_IN_ALL),
        slow=Calls("slow", at_once=4, wait=1.5, seconds=60, in_all=70),
        streams=Calls("streams", at_once=2, wait=10, seconds=8, in_all=28),
        own=Calls("own", at_once=8, wait=1.5, seconds=8, in_all=_IN_ALL),
        source=Calls("source", at_once=4, wait=1.5, seconds=8, in_all=_IN_ALL),
    )
    # The order matters: `health` or `runs` in a path is not the id of an experiment.
    for each in (specs, cycles, live, models, production, splits, stream, artifacts, runs, experiments):
        app.include_router(each.router)
    app.add_middleware(NotStored)
    problems.handle(app)
    _document_problems(app)
    return app


@asynccontextmanager
async def _lifespan(heavy: Sequence[str], _: FastAPI) -> AsyncIterator[None]:
    # MLflow takes seconds to import; a server that had started already would not answer meanwhile.
    for name in heavy:
        import_module(name)
    yield


def _document_problems(app: FastAPI) -> None:
    """Document errors as problems: FastAPI documents every response with the media type of the route."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            for path in made()["paths"].values():
                for operation in path.values():
                    if "requestBody" in operation:
                        operation["responses"]["408"] = {"description": "Too slow"}
                        operation["responses"]["413"] = {"description": "Too large"}
                    for status, response in operation["responses"].items():
                        if status >= "400":
                            schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
                            response["content"] = {problems.MEDIA_TYPE: schema}
        return made()

    app.openapi = openapi  # type: ignore[method-assign]
