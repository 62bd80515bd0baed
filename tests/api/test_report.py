"""A cycle's report as a page: who may read it, and what it cannot do, even if somebody else has written it."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI, Request

from retrain.tracker.client import ExperimentTracker
from retrain_airflow.api.access import NotAllowedError, Permission
from retrain_airflow.api.app import PREFIX, create_app
from retrain_airflow.api.backend import Backend
from tests.api.conftest import As, Person, serving

PAGE = "<!doctype html><title>보고서</title><script>alert(1)</script>"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
LOGIN = "/api/v2/auth/login?next="


@pytest.fixture
def reported(run: str, tracker: ExperimentTracker, tmp_path: Path) -> str:
    """A run with a report."""
    file = tmp_path / "report.html"
    file.write_text(PAGE, encoding="utf-8")
    tracker.log_artifact(run, file, "report")
    return run


def test_a_report_is_a_page_in_which_nothing_runs(as_person: As, reported: str) -> None:
    response = as_person("lee", Permission.READ).get(f"/runs/{reported}/report", headers=BROWSER)
    assert (response.status_code, response.text) == (200, PAGE)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "content-disposition" not in response.headers
    policy = {each.split()[0]: each.split()[1:] for each in response.headers["content-security-policy"].split(";")}
    assert policy["default-src"] == ["'none'"]
    assert policy["img-src"] == ["data:"]
    assert "script-src" not in policy
    assert policy["frame-ancestors"] == ["'self'"]
    assert not {"allow-scripts", "allow-same-origin", "allow-forms"} & set(policy["sandbox"])
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "private, no-cache"


def test_a_run_without_a_report_and_one_that_is_not_there_are_not_found(api: httpx.Client, run: str) -> None:
    for each in (run, "0" * 32):
        response = api.get(f"/runs/{each}/report", headers=BROWSER)
        assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")
    assert api.get(f"/runs/{run}/report").json()["detail"] == f"run {run}: has no file report/report.html"


def test_without_a_login_and_an_airflow_around_it_a_browser_is_told_401(address: str, reported: str) -> None:
    response = httpx.get(f"{address}/runs/{reported}/report", headers=BROWSER, trust_env=False)
    assert response.status_code == 401


async def _inside(request: Request, token: str | None) -> Person:
    """As Airflow, which has a page to log in."""
    if token is None:
        raise NotAllowedError(401, "Not authenticated", login=f"{LOGIN}{request.url.path}")
    return Person("kim", frozenset())


def test_a_browser_without_a_login_is_sent_to_log_in_and_a_program_is_not(backend: Backend, reported: str) -> None:
    around = FastAPI()
    around.mount(PREFIX, create_app(backend, _inside))
    with serving(around) as place, httpx.Client(base_url=place + PREFIX, trust_env=False) as client:
        sent = client.get(f"/runs/{reported}/report", headers=BROWSER)
        assert sent.status_code == 303
        assert parse_qs(urlsplit(sent.headers["location"]).query) == {"next": [f"{PREFIX}/runs/{reported}/report"]}
        for path, headers in (
            (f"/runs/{reported}/report", {"Accept": "*/*"}),
            (f"/runs/{reported}/report", {"Accept": "application/json"}),
            (f"/runs/{reported}", BROWSER),
            (f"/runs/{reported}/artifacts", BROWSER),
        ):
            assert client.get(path, headers=headers).status_code == 401
        known = client.get(f"/runs/{reported}/report", headers={**BROWSER, "Authorization": "Bearer x"})
        assert known.status_code == 403, "a new login would not help"
