from functools import cached_property
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from retrain_airflow.hooks.connections import url

if TYPE_CHECKING:
    from retrain.tracker import ExperimentTracker


class TrackerHook(BaseHook):
    """Turns an Airflow connection into an `ExperimentTracker`: how every operator reaches MLflow.

    The connection is of type http: the host and port of MLflow's server; login and password where it asks for them. In
    its extra, `production_alias` names another alias than `production`.
    """

    conn_name_attr = "tracker_conn_id"
    default_conn_name = "mlflow_default"
    conn_type = "http"
    hook_name = "MLflow"

    def __init__(self, tracker_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.tracker_conn_id = tracker_conn_id

    @cached_property
    def tracker(self) -> "ExperimentTracker":
        from retrain.tracker import ExperimentTracker

        connection = self.get_connection(self.tracker_conn_id)
        return ExperimentTracker(
            url(connection),
            username=connection.login,
            password=connection.password,
            production_alias=connection.extra_dejson.get("production_alias", "production"),
        )

    def get_conn(self) -> "ExperimentTracker":
        return self.tracker
