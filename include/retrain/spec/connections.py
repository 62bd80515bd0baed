"""Section `connections` of a spec: which MLflow server and which ledger are the model's."""

from typing import Annotated

from pydantic import Field

from retrain.spec.fields import Section

ConnectionId = Annotated[str, Field(min_length=1, max_length=250)]
"""Id of an Airflow connection."""


class Connections(Section):
    """Ids of the Airflow connections behind a model; `source.connection` leads to its rows."""

    mlflow: ConnectionId = "mlflow_default"
    """To the MLflow server that has the model's experiment, runs and versions."""
    ledger: ConnectionId = "retrain_state"
    """To the PostgreSQL database that has Retrain's tables for this model."""


DEFAULT = Connections()
