"""Logins of the hooks: each server is sent its own, and nothing prints one."""

import json
import logging
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

from retrain.errors import LedgerError, NoAnswerError, TrackerError
from retrain_airflow.hooks.retrain import RetrainHook
from tests.airflow.conftest import Connect, Model
from tests.airflow.listener import Listener, basic

Make = Callable[..., Model]
pytestmark = pytest.mark.usefixtures("first_tracker")


LOGINS = [
    ({"login": "me", "password": "correct-horse"}, basic("me", "correct-horse")),
    ({"password": "correct-horse"}, basic("", "correct-horse")),
    ({"login": "me", "password": "correct:horse é"}, basic("me", "correct:horse é")),
    ({"extra": {"token": "correct-horse"}}, "Bearer correct-horse"),
    ({"login": "me", "password": "other", "extra": {"token": "correct-horse"}}, "Bearer correct-horse"),
]


@pytest.mark.parametrize(("fields", "header"), LOGINS)
def test_the_login_goes_with_each_request_and_nowhere_else(
    connect: Connect,
    listener: Listener,
    fields: dict[str, Any],
    header: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    hook = connect(port=listener.port, **fields)
    variables = dict(os.environ)
    hook.tracker.check()
    hook.tracker.production("toy")
    assert listener.logins == [header, header]
    listener.refuses = True
    with pytest.raises(TrackerError) as refused:
        hook.tracker.production("toy")
    # The variable that the connection itself is in was there before.
    new = {name: text for name, text in os.environ.items() if variables.get(name) != text}
    trace = "".join(traceback.format_exception(refused.value))
    everything = f"{hook!r} {vars(hook)} {hook.tracker!r} {new} {trace} {caplog.text} {''.join(capfd.readouterr())}"
    for secret in ("horse", header, header.split()[1]):
        assert secret not in everything


def test_a_server_that_is_down_is_told_without_the_login(
    connect: Connect, closed_port: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hook = connect(port=closed_port, login="me", password="correct-horse")
    with pytest.raises(NoAnswerError) as refused:
        hook.tracker.production("toy")
    trace = "".join(traceback.format_exception(refused.value))
    assert "horse" not in f"{hook!r} {vars(hook)} {trace} {caplog.text} {''.join(capfd.readouterr())}"


def test_each_server_is_sent_its_own_login_and_no_other(
    connect: Connect, listeners: tuple[Listener, Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = listeners
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "of-somebody-else")
    ours = connect("ours", port=first.port, login="me", password="correct-horse").tracker
    theirs = connect("theirs", port=second.port).tracker
    ours.check()
    theirs.check()
    assert first.logins == [basic("me", "correct-horse")]
    assert basic("me", "correct-horse") not in second.logins


def test_two_connections_to_one_server_send_each_its_own_login(connect: Connect, listener: Listener) -> None:
    ours = connect("ours", port=listener.port, login="me", password="correct-horse").tracker
    theirs = connect("theirs", port=listener.port, login="you", password="battery-staple").tracker
    nobodys = connect("nobodys", port=listener.port).tracker
    for each in (ours, theirs, nobodys, ours):
        each.check()
    mine, yours = basic("me", "correct-horse"), basic("you", "battery-staple")
    assert listener.logins == [mine, yours, None, mine]


def test_the_threads_that_fetch_files_send_the_login_of_who_has_asked(
    connect: Connect, listener: Listener, tmp_path: Path
) -> None:
    ours = connect("ours", port=listener.port, login="me", password="correct-horse").tracker
    connect("theirs", port=listener.port, login="you", password="battery-staple").get_conn()
    files = MlflowArtifactsRepository("mlflow-artifacts:/run/artifacts", tracking_uri=listener.url)
    with ours._translated_errors("files"):
        files.download_artifacts("model", str(tmp_path))
    assert (tmp_path / "model" / "MLmodel").read_text() == "a file"
    assert set(listener.logins) == {basic("me", "correct-horse")}


def test_a_token_with_a_line_break_is_refused_and_not_told(connect: Connect) -> None:
    with pytest.raises(TrackerError, match="the token holds a line break") as refused:
        connect("ours", extra={"token": "hunter2\n"}).get_conn()
    assert "hunter2" not in str(refused.value)


def test_the_password_of_the_ledger_is_nowhere_to_be_read(
    model: Make, closed_port: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    where = {
        "conn_type": "postgres",
        "host": "127.0.0.1",
        "port": closed_port,
        "login": "me",
        "password": "correct-horse",
    }
    monkeypatch.setenv("AIRFLOW_CONN_RETRAIN_STATE", json.dumps(where))
    hook = RetrainHook(model().spec)
    with pytest.raises(LedgerError) as refused:
        assert hook.ledger
    trace = "".join(traceback.format_exception(refused.value))
    assert "correct-horse" not in f"{hook!r} {vars(hook)} {trace} {''.join(capfd.readouterr())}"
