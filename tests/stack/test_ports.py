import os
import socket
from dataclasses import astuple

import pytest

from stack import ports
from stack.errors import StackError
from stack.home import Home
from stack.ports import Ports


@pytest.fixture
def listener():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_without_variables_the_usual_ports_are_taken():
    assert ports.from_variables({}) == Ports(airflow=8080, mlflow=5000)


def test_a_variable_overrides_its_port_and_no_other():
    assert ports.from_variables({"RETRAIN_MLFLOW_PORT": "5001"}) == Ports(mlflow=5001)


@pytest.mark.parametrize("value", ["0", "65536", "-1", "http", "5000.0"])
def test_a_variable_that_is_not_a_port_is_refused_by_name(value):
    with pytest.raises(StackError, match=f"RETRAIN_MLFLOW_PORT={value} is not a port"):
        ports.from_variables({"RETRAIN_MLFLOW_PORT": value})


def test_two_services_on_one_port_are_refused():
    with pytest.raises(StackError, match="cannot share a port"):
        ports.from_variables({"RETRAIN_MLFLOW_PORT": "8080"})


def test_free_ports_differ_and_nobody_listens_on_them():
    chosen = ports.from_variables({"RETRAIN_PORTS": "free"})
    assert len(set(astuple(chosen))) == 2
    ports.refuse_taken(chosen, list(ports.VARIABLES))


def test_a_taken_port_is_refused_with_who_has_it_and_how_to_choose_another(listener):
    who = rf"port {listener} is taken by .* \(process {os.getpid()}\): end that program, or set RETRAIN_MLFLOW_PORT"
    with pytest.raises(StackError, match=who):
        ports.refuse_taken(Ports(mlflow=listener), ["mlflow"])


def test_a_port_that_no_started_service_wants_may_be_taken(listener):
    ports.refuse_taken(Ports(mlflow=listener), [])


def test_a_connection_that_lingers_does_not_take_a_port(listener):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()  # the side that closes first keeps the connection in TIME_WAIT
    ports.refuse_taken(Ports(mlflow=port), ["mlflow"])


def test_the_ports_of_the_last_start_are_remembered(tmp_path):
    ports.remember(Home(tmp_path), Ports(mlflow=5001))
    assert ports.recall(Home(tmp_path)) == Ports(mlflow=5001)


def test_a_stack_that_was_never_started_has_no_ports(tmp_path):
    with pytest.raises(StackError, match=r"no stack was ever started in .*run `make up`"):
        ports.recall(Home(tmp_path))
