"""Users and roles of Airflow's FAB auth manager, as containers have them, before the REST API."""

import httpx
import pytest

from tests.in_containers.project import Project
from tests.roles import LEAST, ROLES, answers

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def tokens(containers: Project) -> dict[str, str]:
    create = "airflow users create --role {0} --username {1} --password {1}-123 -f A -l B --email {1}@example.org"
    commands = "; ".join(create.format(role.title(), role) for role in ROLES[:-1])
    containers.compose("exec", "-T", "api-server", "sh", "-c", commands)
    found = {"admin": containers.token}
    for role in ROLES[:-1]:
        login = {"username": role, "password": f"{role}-123"}
        answer = httpx.post(f"{containers.airflow_url}/auth/token", json=login, timeout=60, trust_env=False)
        found[role] = answer.raise_for_status().json()["access_token"]
    return found


def test_each_route_answers_from_its_role_upwards_and_nobody_without_a_login(
    containers: Project, tokens: dict[str, str]
) -> None:
    wrong = []
    for method, path, how, least in LEAST:
        url = f"{containers.airflow_url}/api/experiments{path}"
        unknown = httpx.request(method, url, timeout=60, trust_env=False, **how)
        if unknown.status_code != 401:
            wrong.append((method, path, "nobody", unknown.status_code))
        for role in ROLES:
            headers = {"Authorization": f"Bearer {tokens[role]}"} | how.get("headers", {})
            answer = httpx.request(method, url, timeout=60, trust_env=False, **{**how, "headers": headers})
            if answer.status_code not in answers(role, least):
                wrong.append((method, path, role, answer.status_code))
    assert wrong == []
