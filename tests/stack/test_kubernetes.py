"""What can be tested of the values for Airflow's chart without a cluster."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from stack import airflow_config
from stack.environment import _QUIET
from stack.home import PROJECT

FOLDER = PROJECT / "containers" / "kubernetes"
TEXT = (FOLDER / "values.yaml").read_text()
VALUES: dict[str, Any] = yaml.safe_load(TEXT)
DEPLOYMENT, SERVICE = yaml.safe_load_all((FOLDER / "mlflow.yaml").read_text())


def test_what_holds_everywhere_holds_on_kubernetes() -> None:
    environment = {each["name"]: each["value"] for each in VALUES["env"]}
    assert environment.items() >= (airflow_config.everywhere() | _QUIET).items()


def test_workers_import_before_they_fork_there_as_in_the_containers() -> None:
    name = "AIRFLOW__CELERY__EXTRA_CELERY_CONFIG"
    (value,) = [each["value"] for each in VALUES["env"] if each["name"] == name]
    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
    assert compose["services"]["worker"]["environment"][name] == value
    (module,) = json.loads(value)["imports"]
    assert (PROJECT / "plugins" / Path(*module.split("."))).with_suffix(".py").exists()


def test_airflow_is_that_of_the_lock() -> None:
    lock = (PROJECT / "containers" / "requirements.lock").read_text()
    assert f"apache-airflow=={VALUES['airflowVersion']} " in lock


def test_secrets_are_named_and_the_page_says_what_is_in_each() -> None:
    page = (PROJECT / "docs" / "kubernetes.md").read_text()
    named = set(re.findall(r"\bname: (retrain-[a-z]+)|SecretName: (retrain-[a-z]+)", TEXT + str(DEPLOYMENT)))
    names = {one or other for one, other in named} - {"retrain-migrate"}
    assert names
    for name in names:
        assert f"`{name}`" in page
    assert not re.search(r"password: \S|fernetKey: |secretKey: |brokerUrl: ", TEXT)


def test_no_pod_keeps_a_disk_and_each_has_limits() -> None:
    for part in (VALUES["workers"]["celery"], VALUES["triggerer"]):
        assert part["persistence"] == {"enabled": False}
    for part in (
        *(VALUES[name] for name in ("scheduler", "apiServer", "dagProcessor", "triggerer")),
        VALUES["workers"]["celery"],
    ):
        assert part["resources"]["limits"]["memory"]


def test_mlflow_does_not_run_as_root_and_answers_where_airflow_looks() -> None:
    pod = DEPLOYMENT["spec"]["template"]
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert SERVICE["spec"]["selector"] == pod["metadata"]["labels"]
    (container,) = pod["spec"]["containers"]
    assert SERVICE["spec"]["ports"] == [{"port": container["ports"][0]["containerPort"]}]
    script = (PROJECT / "containers" / "mlflow.sh").read_text()
    assert f"--allowed-hosts '{SERVICE['metadata']['name']}:*" in script
