"""The settings of the services: credentials, Airflow's configuration file, the environment."""

import configparser
import json
import stat

import pytest

from stack import airflow_config, credentials, ports
from stack.environment import environment
from stack.home import Home
from stack.ports import Ports


@pytest.fixture
def made(home):
    # A percent sign would begin a reference in a configuration file.
    home = Home(home / "100% mine")
    home.make()
    ports.remember(home, Ports(mlflow=5001))
    return home


def test_credentials_are_made_once(made):
    assert credentials.load_or_make(made) == credentials.load_or_make(made)


def test_credentials_of_two_homes_differ(made, home):
    other = Home(home / "other")
    other.make()
    assert credentials.load_or_make(made).fernet_key != credentials.load_or_make(other).fernet_key


def test_credentials_are_for_their_owner_alone(made):
    credentials.load_or_make(made)
    assert stat.S_IMODE((made.path / "credentials.json").stat().st_mode) == 0o600


def test_credentials_do_not_show_in_a_traceback(made):
    known = credentials.load_or_make(made)
    assert known.password not in repr(known)


def test_airflow_reads_back_the_paths_that_were_written(made):
    airflow_config.write(made, Ports(airflow=8081), credentials.load_or_make(made))
    read = configparser.ConfigParser()
    read.read(made.airflow / "airflow.cfg")
    assert read["logging"]["base_log_folder"] == str(made.airflow / "logs")
    assert read["api"]["base_url"] == "http://127.0.0.1:8081"


def test_airflows_configuration_is_for_its_owner_alone(made):
    airflow_config.write(made, Ports(), credentials.load_or_make(made))
    for name in ("airflow.cfg", "passwords.json"):
        assert stat.S_IMODE((made.airflow / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["AIRFLOW__CORE__DAGS_FOLDER", "MLFLOW_TRACKING_URI", "PGHOST", "SUPERVISOR_ENABLED"])
def test_settings_of_the_users_own_servers_do_not_reach_the_stack(made, monkeypatch, name):
    monkeypatch.setenv(name, "elsewhere")
    assert name not in environment(made)


@pytest.mark.parametrize("name", ["AIRFLOW_CONN_SHOP", "AIRFLOW_VAR_TEAM", "HOME_OF_SOMETHING"])
def test_the_users_own_connections_and_variables_reach_the_stack(made, monkeypatch, name):
    monkeypatch.setenv(name, "mine")
    assert environment(made)[name] == "mine"


def test_the_connections_lead_to_this_stack(made):
    variables = environment(made)
    assert json.loads(variables["AIRFLOW_CONN_MLFLOW_DEFAULT"])["port"] == 5001
    assert json.loads(variables["AIRFLOW_CONN_RETRAIN_STATE"])["host"] == str(made.postgres_socket)


def test_no_proxy_stands_between_the_services(made, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "example.org")
    assert environment(made)["NO_PROXY"] == "example.org,127.0.0.1,localhost"


def test_no_key_is_in_the_environment(made):
    known = credentials.load_or_make(made)
    airflow_config.write(made, Ports(), known)
    values = " ".join(environment(made).values())
    assert known.password not in values
    assert known.fernet_key not in values
