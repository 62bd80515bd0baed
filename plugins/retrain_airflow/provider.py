"""Retrain as a provider of Airflow's: its connection type `mlflow` with a form, and what it brings."""

from typing import Any

_NAME = "Retrain"
_OPERATORS = (
    *("adopt", "answer", "ask", "check", "choose", "due", "evaluate", "freeze", "look", "notify", "prepare", "promote"),
    *("rollback", "search", "send_outbox", "snapshot", "split", "train", "trial", "watch"),
)


def get_provider_info() -> dict[str, Any]:
    return {
        "package-name": "airflow-provider-retrain",
        "name": _NAME,
        "description": "Keeps a model in Production good as its data grows.",
        "integrations": [{"integration-name": _NAME, "external-doc-url": "https://mlflow.org", "tags": ["software"]}],
        "hooks": [_modules("hooks", "retrain", "tracker")],
        "operators": [_modules("operators", *_OPERATORS)],
        "sensors": [_modules("sensors", "new_rows")],
        "triggers": [_modules("triggers", "messages_due", "new_rows")],
        "notifications": [
            "retrain_airflow.notifiers.incident.IncidentNotifier",
            "retrain_airflow.notifiers.recovery.RecoveryNotifier",
        ],
        "connection-types": [
            {
                "hook-class-name": "retrain_airflow.hooks.tracker.TrackerHook",
                "hook-name": "MLflow",
                "connection-type": "mlflow",
                "ui-field-behaviour": {
                    "relabeling": {"host": "Tracking URI", "login": "User"},
                    "placeholders": {"host": "https://mlflow.example.org"},
                },
                "conn-fields": {
                    "token": _field("Token", "Instead of user and password.", format="password"),
                    "registry_uri": _field("Registry URI", "Address of the registry, if it is not the tracking URI."),
                    "ca_bundle": _field(
                        "CA bundle", "File with the certificates that the server's certificate is checked against."
                    ),
                    "deadline": _field("Deadline", "Seconds without an answer after which a call fails.", "number"),
                },
            }
        ],
    }


def _modules(room: str, *names: str) -> dict[str, Any]:
    return {"integration-name": _NAME, "python-modules": [f"retrain_airflow.{room}.{name}" for name in names]}


def _field(label: str, description: str, type_: str = "string", **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": [type_, "null"], **schema}}
