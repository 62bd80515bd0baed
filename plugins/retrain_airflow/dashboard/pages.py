"""The places in Airflow's pages where the dashboard is shown, and the files that they load for it."""

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PREFIX = "/retrain"
_FILES = Path(__file__).parent / "static"


def _page(destination: str, route: str) -> dict[str, object]:
    return {
        "name": "Retrain",  # also what the bundle sets on `globalThis`
        "bundle_url": f"{PREFIX}/retrain.js",
        "destination": destination,
        "url_route": route,
    }


REACT_APPS = (
    _page("nav", "retrain") | {"nav_top_level": True, "icon": f"{PREFIX}/icon.svg"},
    _page("dag", "retrain-model"),
    _page("dag_run", "retrain-cycle"),
)


class _Fresh(StaticFiles):
    """Files that a browser checks each time and loads only if they have changed: the modules import each other."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def create_app() -> FastAPI:
    """Make the application that serves the files. They hold no data: every value comes from the API, with its login."""
    app = FastAPI(title="Retrain dashboard", openapi_url=None)
    app.mount("/", _Fresh(directory=_FILES))
    return app
