"""Requests that several tests send, and what is checked of each refusal."""

import httpx

PROBLEM = "application/problem+json"


def refused(response: httpx.Response, status: int = 422) -> str:
    """Return what a problem says, its fields included."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    problem = response.json()
    assert problem["status"] == status
    return " ".join([problem["detail"], *(f"{each['field']}: {each['says']}" for each in problem.get("errors", []))])


def post_text(api: httpx.Client, path: str, body: str) -> httpx.Response:
    """Post a body that json.dumps would not write."""
    return api.post(path, content=body.encode(), headers={"Content-Type": "application/json"})


def start(api: httpx.Client, experiment: str, key: str | None, name: str = "실행") -> httpx.Response:
    """Start a run."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.post("/runs/start", json={"experiment_id": experiment, "run_name": name}, headers=headers)
