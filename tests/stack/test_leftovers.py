import os
import subprocess
import sys

import psutil
import pytest

from stack import leftovers
from stack.home import Home

_POLITE = (
    "import signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('bye')))\n"
    "print(flush=True); time.sleep(600)"
)
_DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"


@pytest.fixture
def start(tmp_path):
    """Starts a process that belongs to a home; it has printed one line when this returns."""
    started = []

    def start(home, program="import time; print(flush=True); time.sleep(600)"):
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            env=os.environ | {"RETRAIN_STACK": str(home.path)},
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_process_of_the_home_is_found_and_may_end_in_good_order(start, tmp_path):
    home = Home(tmp_path)
    process = start(home, _POLITE)
    assert leftovers.processes(home) == [psutil.Process(process.pid)]
    assert leftovers.end(home) == 1
    assert process.stdout.read() == b"bye\n"


def test_a_process_of_another_home_is_left_alone(start, tmp_path):
    process = start(Home(tmp_path / "other"))
    assert leftovers.end(Home(tmp_path)) == 0
    assert process.poll() is None


def test_a_process_that_ignores_the_signal_is_killed(start, tmp_path):
    home = Home(tmp_path)
    process = start(home, _DEAF)
    assert leftovers.end(home, patience=0.5) == 1
    assert process.poll() is not None


def test_a_child_is_found_even_when_it_hides_its_environment(start, tmp_path):
    home = Home(tmp_path)
    program = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], env={})\n"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    start(home, program)
    children = [process for process in leftovers.processes(home) if "RETRAIN_STACK" not in process.environ()]
    assert len(children) == 1
    leftovers.end(home)
    assert not children[0].is_running()


def test_the_calling_process_is_not_ended(tmp_path):
    """`down` runs from within the stack's own environment."""
    ended = subprocess.run(
        [sys.executable, "-c", f"from stack import leftovers, home; print(leftovers.end(home.Home.at('{tmp_path}')))"],
        env=os.environ | {"RETRAIN_STACK": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "0\n"


def test_files_that_say_that_something_runs_are_removed(home):
    home = Home(home)
    home.make()
    home.pgdata.mkdir()
    for file in (home.path / "supervisord.pid", home.pgdata / "postmaster.pid"):
        file.touch()
    assert leftovers.remove_files(home) == 2
    assert leftovers.remove_files(home) == 0
