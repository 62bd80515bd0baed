"""The REST API with users and roles of Airflow's FAB auth manager, which containers have."""

import httpx
import pytest

from tests.in_containers.project import Project
from tests.roles import LEAST, ROLES, expected

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def tokens(containers: Project) -> dict[str, str]:
    create = "airflow users create --role {0} --username {1} --password {1}-123 -f A -l B --email {1}@example.org"
    commands = "; ".join(create.format(role.title(), role) for role in ROLES[:-1])
    containers.compose("exec", "-T", "api-server", "sh", "-c", commands)
    found = {"admin": containers.token}
    for role in ROLES[:-1]:
        login = {"username": role, "password": f"{role}-123"}
        response = httpx.post(f"{containers.airflow_url}/auth/token", json=login, timeout=60, trust_env=False)
        found[role] = response.raise_for_status().json()["access_token"]
    return found


def test_each_route_answers_from_its_role_upwards_and_nobody_without_a_login(
    containers: Project, tokens: dict[str, str]
) -> None:
    wrong = []
    for method, path, arguments, least in LEAST:
        url = f"{containers.airflow_url}/api/experiments{path}"
        anonymous = httpx.request(method, url, timeout=60, trust_env=False, **arguments)
        if anonymous.status_code != 401:
            wrong.append((method, path, "nobody", anonymous.status_code))
        for role in ROLES:
            headers = {"Authorization": f"Bearer {tokens[role]}"} | arguments.get("headers", {})
            response = httpx.request(method, url, timeout=60, trust_env=False, **{**arguments, "headers": headers})
            if response.status_code not in expected(role, least):
                wrong.append((method, path, role, response.status_code))
    assert wrong == []
