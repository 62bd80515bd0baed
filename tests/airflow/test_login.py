"""A browser without a login, or with one that has ended, is sent from a page of the API to log in, and comes back."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from airflow.api_fastapi.app import create_auth_manager, init_auth_manager
from fastapi import FastAPI
from fastapi.testclient import TestClient

from retrain.spec.files import SpecFolder
from retrain_airflow.api.airflow_access import identify
from retrain_airflow.api.app import PREFIX, create_app
from retrain_airflow.api.backend import Backend

PAGE = f"{PREFIX}/runs/abc/report"
BROWSER = {"Accept": "text/html"}


def _nothing(*_: object) -> Any:
    raise AssertionError("nobody is let in")


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    create_auth_manager()
    init_auth_manager()
    around = FastAPI()
    backend = Backend(_nothing, _nothing, _nothing, _nothing, lambda: SpecFolder((), ()), _nothing)  # type: ignore[arg-type]
    around.mount(PREFIX, create_app(backend, identify))
    return TestClient(around, follow_redirects=False, headers=BROWSER)


@pytest.mark.parametrize("base", ["", "https://example.org/", "https://example.org/airflow/"])
@pytest.mark.parametrize("cookies", [{}, {"_token": "a.b.c"}], ids=["no login", "one that does not count"])
def test_it_is_sent_to_airflows_login_and_from_there_back(
    browser: TestClient, base: str, cookies: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    browser.cookies.update(cookies)
    sent = browser.get(PAGE)
    assert sent.status_code == 303
    to = urlsplit(sent.headers["location"])
    path = urlsplit(base).path.rstrip("/")
    assert (to.netloc, to.path) == ("", f"{path}/api/v2/auth/login")
    assert parse_qs(to.query) == {"next": [path + PAGE]}


def test_who_sends_a_token_is_told_that_it_does_not_count(browser: TestClient) -> None:
    response = browser.get(PAGE, headers={"Authorization": "Bearer a.b.c"})
    assert (response.status_code, response.headers["content-type"]) == (403, "application/problem+json")


def test_a_program_is_sent_nowhere(browser: TestClient) -> None:
    assert browser.get(PAGE, headers={"Accept": "application/json"}).status_code == 401
