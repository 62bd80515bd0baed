"""`python -m stack` beside a stack that runs."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import httpx
import psutil
import pytest

from stack import services
from stack.home import PROJECT
from stack.local import Running

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(stack: Running) -> Command:
    """Runs `python -m stack …` on the stack of these tests."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        where = os.environ | {"RETRAIN_HOME": str(stack.home.path), "RETRAIN_PORTS": "free"}
        words = (sys.executable, "-m", "stack", *words)
        return subprocess.run(words, capture_output=True, text=True, check=False, cwd=PROJECT, env=where)

    return run


def test_status_lists_every_service_as_running_or_done(command: Command, stack: Running) -> None:
    status = command("status")
    lines = dict(line.split(maxsplit=1) for line in status.stdout.splitlines())
    for name in services.ALL:
        if name.endswith("-migrate"):
            assert lines[name] == "exited"
        else:
            assert lines[name].startswith("running (process ")
            assert ":" not in lines[name]  # after a colon it would say the fault


def test_a_second_up_says_that_it_runs_and_where(command: Command, stack: Running) -> None:
    again = command("up")
    assert again.returncode == 0
    assert again.stdout.splitlines() == [
        "The stack is running already.",
        f"Airflow  {stack.airflow_url}  log in as {stack.user} with {stack.password}",
        f"MLflow   {stack.mlflow_page}",
        f"Logs     {stack.home.logs}",
    ]


def test_the_token_of_the_stack_opens_airflow_and_nothing_else_does(stack: Running) -> None:
    url = f"{stack.airflow_url}/api/v2/dags"
    assert httpx.get(url, headers={"Authorization": f"Bearer {stack.token}"}).status_code == 200
    assert httpx.get(url).status_code == 401


def test_run_finds_the_stacks_own_airflow(command: Command, stack: Running) -> None:
    shown = command("run", "airflow", "config", "get-value", "core", "executor")
    assert shown.stdout.strip().splitlines()[-1] == "LocalExecutor"


def test_every_process_listens_on_loopback_alone(stack: Running) -> None:
    """E7: Airflow's log servers listened on every address."""
    listening = dict[tuple[str, int], str]()
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has just ended
            if process.environ().get("RETRAIN_STACK") == str(stack.home.path):
                for each in process.net_connections("tcp"):
                    if each.status == psutil.CONN_LISTEN:
                        listening[each.laddr] = process.name()
    assert {port for _, port in listening} >= {stack.ports.airflow, stack.ports.mlflow}
    assert {address for address, _ in listening} == {"127.0.0.1"}, listening
