"""`python -m stack` as a person uses it."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from stack import services
from stack.home import PROJECT


@pytest.fixture
def command(home):
    """Runs `python -m stack …` on the test's own home."""

    def run(*words, **variables):
        return subprocess.run(_words(*words), capture_output=True, text=True, check=False, **_where(home, variables))

    yield run
    run("reset")


def test_without_a_stack_each_command_says_so(command):
    assert command("status").stdout == "No stack is running: `make up` starts one.\n"
    assert command("down").stdout == "No stack is running.\n"
    assert command("reset").stdout == "There is nothing to remove.\n"


def test_up_on_a_taken_port_is_one_line_and_leaves_nothing(command, home, left):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        refused = command("up", RETRAIN_PORTS="", RETRAIN_AIRFLOW_PORT=str(port))
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"port {port} is taken by ")
    assert refused.stderr.count("\n") == 1
    assert left(home) == []


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.nightly),
        pytest.param(signal.SIGHUP, marks=pytest.mark.nightly),
    ],
    ids=lambda number: number.name,
)
def test_up_that_is_interrupted_ends_what_it_started(home, left, eventually, number):
    with subprocess.Popen(_words("up"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **_where(home)) as up:
        eventually((home / "supervisord.pid").exists)
        up.send_signal(number)
    assert up.returncode == 130
    assert left(home) == []


def test_a_second_up_beside_one_that_is_starting_says_so(command, home, eventually):
    with subprocess.Popen(_words("up"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **_where(home)) as first:
        eventually((home / "supervisord.pid").exists)
        second = command("up")
        first.terminate()
    assert second.returncode == 1
    assert second.stderr.startswith("another command is starting or stopping the stack")


def test_up_clears_what_a_killed_up_left(command, home, left, eventually):
    with subprocess.Popen(_words("up"), stdout=subprocess.DEVNULL, **_where(home)) as first:
        eventually((home / "supervisord.pid").exists)
        first.kill()
    assert left(home) != []
    assert command("down").stdout == "The stack has ended.\n"
    assert left(home) == []


@pytest.mark.soak
@pytest.mark.parametrize("after", [0.2, 0.5, 1, 1.5, 2, 5, 10, 15, 20, 25])
def test_up_leaves_nothing_whenever_it_is_interrupted(home, left, after):
    with subprocess.Popen(_words("up"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **_where(home)) as up:
        time.sleep(after)
        up.send_signal(signal.SIGINT)
    assert up.returncode in (0, 130, -signal.SIGINT)
    subprocess.run(_words("down"), check=True, **_where(home))
    assert left(home) == []


@pytest.mark.soak
def test_every_service_that_is_killed_comes_back_and_down_leaves_nothing(command, home, left, eventually):
    assert command("up").returncode == 0

    def status():
        return dict(line.split(maxsplit=1) for line in command("status").stdout.splitlines())

    for name in services.ALL:
        if name.endswith("-migrate"):
            continue
        before = status()[name]
        os.kill(int(before.removeprefix("running (process ").rstrip(")")), signal.SIGKILL)
        # On a busy machine: more than twice the 30 s for which Airflow counts a heartbeat.
        eventually(lambda name=name, before=before: _is_well(status(), name) and status()[name] != before, 120)
    assert command("down").returncode == 0
    assert left(home) == []


def _is_well(status, killed):
    running = [line for name, line in status.items() if name in services.ALL and not name.endswith("-migrate")]
    return len(running) == 6 and all(line.startswith("running") and ":" not in line for line in running)


def _words(*words):
    return [sys.executable, "-m", "stack", *words]


def _where(home, variables=()):
    return {
        "cwd": PROJECT,
        "env": os.environ | {"RETRAIN_HOME": str(home), "RETRAIN_PORTS": "free"} | dict(variables),
    }
