"""A real part of the stack: PostgreSQL and MLflow, started, killed and ended."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection

import psutil
import psycopg2
import pytest
from sqlalchemy import create_engine, text

from stack import local, ports
from stack.errors import StackError
from stack.home import PROJECT, Home
from tests.conftest import short_lived

PART = ("postgres", "mlflow")


@pytest.fixture(scope="module")
def part():
    # Spaces and percent signs have a meaning in URLs, shells and configuration files.
    prefix = "retrain 100% "
    with short_lived(prefix) as folder, local.running(folder / "home", services=PART) as running:
        yield running


@pytest.fixture
def pid(part):
    """Returns the id of a service's present process; 0 if there is none."""
    return lambda name: {state.name: state.pid for state, _ in local.status(part.home)}[name]


@pytest.fixture
def healthy(part):
    return lambda: all(state.state == "RUNNING" and fault is None for state, fault in local.status(part.home))


def test_all_that_was_started_is_healthy(healthy):
    assert healthy()


@pytest.mark.parametrize("database", ["airflow", "mlflow", "retrain", "source"])
def test_each_database_is_there(part, database):
    with closing(psycopg2.connect(part.dsn(database))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        assert cursor.fetchone() == (database,)


def test_the_registry_of_mlflow_is_serializable(pid):
    """Otherwise two promotions at once leave two versions in Production."""
    command = psutil.Process(pid("mlflow")).cmdline()
    registry = create_engine(command[command.index("--registry-store-uri") + 1])
    with registry.connect() as connection:
        assert connection.scalar(text("SHOW transaction_isolation")) == "serializable"
    registry.dispose()


def test_a_service_that_was_not_asked_for_does_not_run(part):
    assert {state.name for state, _ in local.status(part.home)} == set(PART)


def test_a_second_up_finds_what_runs(part):
    printed = []
    again, already = local.up(part.home, names=PART, ports=ports.free(), say=printed.append)
    assert already
    assert again.ports == part.ports
    assert printed == []


def test_a_stack_for_a_block_refuses_a_home_where_one_runs_and_leaves_it_running(part, healthy):
    refusal = pytest.raises(StackError, match=r"a stack runs in .* already: end it with `make down`")
    with refusal, local.running(part.home.path, services=PART):
        pass
    assert healthy()


def test_a_killed_postgresql_comes_back(pid, healthy, eventually):
    victim = pid("postgres")
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: pid("postgres") != victim and healthy())


@pytest.mark.nightly  # the test before has a service that comes back
def test_a_killed_mlflow_comes_back_though_its_child_still_has_the_port(part, pid, healthy, eventually):
    victim = psutil.Process(pid("mlflow"))
    (server,) = victim.children()
    victim.kill()
    eventually(lambda: not server.is_running() and healthy())
    connection = HTTPConnection("127.0.0.1", part.ports.mlflow, timeout=10)
    connection.request("GET", "/version")
    assert connection.getresponse().status == 200
    connection.close()


def test_down_ends_everything_and_what_was_stored_stays(home, left):
    with local.running(home, services=["postgres"]) as running:
        _execute(running, "CREATE TABLE kept AS SELECT 1")
    assert left(home) == []
    printed = []
    with local.running(home, services=["postgres"], say=printed.append) as again:
        _execute(again, "SELECT * FROM kept")
    assert printed == ["Starting PostgreSQL …"]  # and nothing of an earlier stack


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_program_that_is_ended_ends_its_stack(home, left, eventually, number):
    """As a benchmark is ended by whoever has lost patience."""
    code = (
        "import signal, sys, time; from stack import local\n"
        f"signal.signal({number}, signal.SIG_DFL)  # `nohup` would have it ignored\n"
        "with local.running(sys.argv[1], services=['postgres']): time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(home)], cwd=PROJECT, stderr=subprocess.DEVNULL) as program:
        eventually(lambda: any("postgres" in line for line in left(home)))
        program.send_signal(number)
    assert left(home) == []


def test_reset_leaves_neither_processes_nor_files(home, left):
    place = Home.at(home / ("x" * 100))
    sockets = place.postgres_socket.parent
    assert not sockets.is_relative_to(home)  # the path of a socket must be short
    local.up(place, names=["postgres"], ports=ports.free(), say=_quiet)
    assert sockets.exists()
    assert local.reset(place)
    assert left(home) == []
    assert not sockets.exists()
    assert not place.path.exists()
    assert not local.reset(place)
    assert not local.down(place)


def test_what_a_killed_supervisord_left_is_cleared_by_up_and_ended_by_down(home, left):
    place = Home.at(home)
    printed = []
    for _ in range(2):
        running, already = local.up(place, names=["postgres"], ports=ports.free(), say=printed.append)
        assert not already
        _execute(running, "SELECT 1")
        os.kill(int((home / "supervisord.pid").read_text()), signal.SIGKILL)
        assert any("postgres" in words for words in left(home))
    assert [line for line in printed if line.startswith("An earlier stack had not ended cleanly: ended ")] == [
        printed[1]
    ]
    assert local.down(place)
    assert left(home) == []


def test_a_service_that_dies_while_starting_is_told_with_its_last_words_and_all_is_ended(home, left):
    place = Home.at(home)
    place.make()
    place.pgdata.mkdir()  # without what initdb puts there
    with pytest.raises(StackError, match=r"PostgreSQL died while starting: look at .*postgres\.log; its last line: "):
        local.up(place, names=["postgres"], ports=ports.free(), say=_quiet)
    assert left(home) == []


def test_a_killed_initdb_is_forgotten(home):
    place = Home.at(home)
    place.make()
    half = place.path / "postgres.unfinished"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with local.running(home, services=["postgres"], say=_quiet) as running:
        _execute(running, "SELECT 1")


def test_a_service_without_those_that_it_waits_for_is_refused(home):
    with pytest.raises(StackError, match="mlflow needs postgres: name those too"):
        local.up(Home.at(home), names=["mlflow"], ports=ports.free())


def test_an_unknown_service_is_refused(home):
    with pytest.raises(StackError, match="unknown service redis: choose among postgres, "):
        local.up(Home.at(home), names=["redis"], ports=ports.free())


def _execute(running, statement):
    with closing(psycopg2.connect(running.dsn("source"))) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)


def _quiet(_line):
    pass
