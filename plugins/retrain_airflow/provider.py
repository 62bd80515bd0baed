"""Retrain as a provider of Airflow's: the connection type `mlflow`, and its form."""

from typing import Any


def get_provider_info() -> dict[str, Any]:
    return {
        "package-name": "airflow-provider-retrain",
        "name": "Retrain",
        "description": "Keeps a model in Production good as its data grows.",
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


def _field(label: str, description: str, type_: str = "string", **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": [type_, "null"], **schema}}
