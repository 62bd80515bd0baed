"""Which role may use which route of the REST API, in the local stack and in the containers."""

from typing import Any

ROLES = ("viewer", "user", "op", "admin")
"""Airflow's roles, beginning with the one that may do the least."""
NOWHERE = "0" * 32
MODEL = "CoverLetterClassifier"

# The least role that each route admits. The requested things do not exist, so nothing is changed.
LEAST: list[tuple[str, str, dict[str, Any], str]] = [
    ("GET", "/health", {}, "viewer"),
    ("GET", "/", {}, "viewer"),
    ("GET", "/999999", {}, "viewer"),
    ("GET", "/stats/999999", {}, "viewer"),
    ("POST", "/runs/search", {"json": {"experiment_ids": ["999999"]}}, "viewer"),
    ("POST", "/runs/compare", {"json": {"run_ids": [NOWHERE]}}, "viewer"),
    ("GET", "/runs/best/999999?metric_key=f1", {}, "viewer"),
    ("GET", f"/runs/{NOWHERE}", {}, "viewer"),
    ("GET", f"/runs/{NOWHERE}/stream", {}, "viewer"),
    ("GET", f"/runs/{NOWHERE}/artifacts", {}, "viewer"),
    ("GET", f"/runs/{NOWHERE}/report", {}, "viewer"),
    ("GET", f"/runs/{NOWHERE}/metrics/f1", {}, "viewer"),
    ("GET", "/models/", {}, "viewer"),
    ("GET", "/models/none", {}, "viewer"),
    ("GET", "/models/none/versions", {}, "viewer"),
    ("GET", "/models/none/versions/1", {}, "viewer"),
    ("GET", "/models/none/history", {}, "viewer"),
    ("GET", "/specs/", {}, "viewer"),
    ("GET", f"/specs/{MODEL}", {}, "viewer"),
    ("POST", "/create", {"json": {"name": ""}}, "user"),
    ("POST", "/runs/start", {"json": {"experiment_id": "999999", "run_name": "x"}}, "user"),
    ("POST", f"/runs/{NOWHERE}/end", {"json": {}}, "user"),
    ("PATCH", f"/runs/{NOWHERE}/tags", {"json": {"tags": {"a": "b"}}}, "user"),
    ("POST", "/runs/log-params", {"json": {"run_id": NOWHERE, "params": {"a": 1}}}, "user"),
    ("POST", "/runs/log-metrics", {"json": {"run_id": NOWHERE, "metrics": {"a": 1}}}, "user"),
    ("PUT", f"/runs/{NOWHERE}/artifacts/a.txt", {"content": b"x"}, "user"),
    ("POST", "/models/register", {"json": {"run_id": NOWHERE, "model_name": "none"}}, "user"),
    ("GET", f"/specs/{MODEL}/verdicts", {}, "viewer"),
    ("GET", f"/specs/{MODEL}/live", {}, "viewer"),
    ("GET", f"/specs/{MODEL}/ab", {}, "viewer"),
    ("GET", f"/models/{MODEL}/assignment?unit=u", {}, "viewer"),
    ("GET", f"/specs/{MODEL}/cycles/none", {}, "viewer"),
    ("POST", "/specs/none/cycles", {"json": {}}, "user"),
    ("POST", f"/specs/{MODEL}/cycles/none/approval", {"json": {"approve": True}}, "op"),
    (
        "POST",
        "/models/transition-stage",
        {"json": {"model_name": "none", "version": "1", "stage": "Production", "why": "a test"}},
        "op",
    ),
    ("POST", "/models/none/rollback", {"json": {"expects": "1", "why": "a test"}}, "op"),
    ("GET", "/models/none/production", {}, "viewer"),
    ("POST", "/models/none/freeze", {"json": {"days": 0, "why": "a test"}}, "op"),
    ("POST", "/models/none/adopt", {"json": {"why": "a test"}}, "admin"),
    ("DELETE", f"/runs/{NOWHERE}?why=a+test", {}, "admin"),
    ("DELETE", "/999999?why=a+test", {}, "admin"),
]


def expected(role: str, least: str) -> tuple[int, ...]:
    """Return the statuses that this role may get from a route whose least role is `least`."""
    return (403,) if ROLES.index(role) < ROLES.index(least) else (200, 404, 422)
