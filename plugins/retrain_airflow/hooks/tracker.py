from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from retrain.errors import RetrainError, SettingsError
from retrain_airflow.hooks.connections import extra_of, get, url

if TYPE_CHECKING:
    from retrain.tracker.client import ExperimentTracker

_TEXTS = ("registry_uri", "token", "ca_bundle")


class TrackerHook(BaseHook):
    """Turns an Airflow connection into an `ExperimentTracker`: how every operator reaches MLflow.

    The connection is of type mlflow, or of type http: the host and port of MLflow's server; login and password, or a
    token, where it asks for them. `retrain_airflow.provider` lists what its extra may hold.
    """

    conn_name_attr = "tracker_conn_id"
    default_conn_name = "mlflow_default"
    conn_type = "mlflow"
    hook_name = "MLflow"

    def __init__(self, tracker_conn_id: str = default_conn_name, *, at_most: float | None = None) -> None:
        """at_most: seconds to wait for one response, where the connection would wait longer."""
        super().__init__()
        self.tracker_conn_id = tracker_conn_id
        self.at_most = at_most

    @cached_property
    def tracker(self) -> "ExperimentTracker":
        from retrain.tracker.client import ExperimentTracker
        from retrain.tracker.transport import DEADLINE

        connection = get(self.tracker_conn_id)
        extra = extra_of(connection, texts=_TEXTS)
        return ExperimentTracker(
            url(connection, ours=(*_TEXTS, "deadline")),
            username=connection.login,
            password=connection.password,
            name=f"connection {self.tracker_conn_id}",
            deadline=min(self._seconds(extra.get("deadline", DEADLINE)), self.at_most or inf),
            **{name: extra[name] for name in _TEXTS if name in extra},
        )

    def get_conn(self) -> "ExperimentTracker":
        return self.tracker

    def test_connection(self) -> tuple[bool, str]:
        """Return, for Airflow's button *Test*, whether the server and its database answer, and a message."""
        try:
            self.tracker.check()
        except RetrainError as error:
            return False, str(error)
        return True, "MLflow answers"

    def _seconds(self, value: Any) -> float:
        try:
            seconds = 0.0 if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            raise SettingsError(
                f"connection {self.tracker_conn_id}: deadline = {value!r} is not a number of seconds; set it to e.g. 60"
            )
        return seconds
