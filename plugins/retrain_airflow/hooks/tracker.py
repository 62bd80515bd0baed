from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from retrain.errors import RetrainError, SettingsError
from retrain.spec import files as spec_files
from retrain_airflow.hooks.connections import extra_of, get, url

if TYPE_CHECKING:
    from retrain.tracker.client import ExperimentTracker

_DOTS = 2
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
        """Return, for Airflow's button *Test*, whether this login may do in MLflow what a cycle does, and a message.

        Tried in an experiment and a model of its own, and on the models of the specs that name this connection.
        """
        from retrain.tracker.rights import missing_rights

        try:
            user, models = get(self.tracker_conn_id).login, self._models()
            missing = missing_rights(self.tracker, user=user, models=models, below=_below(models))
        except RetrainError as error:
            return False, str(error)
        if missing:
            return False, f"MLflow answers, but this login {'; it '.join(map(str, missing))}"
        return True, "MLflow answers, and this login may do what a cycle does"

    def _models(self) -> list[str]:
        """Return the models of the specs that name this connection."""
        specs = [file.spec for file in spec_files.load_folder(spec_files.folder()).files]
        return [spec.model for spec in specs if spec.connections.mlflow == self.tracker_conn_id]

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


def _below(models: list[str]) -> str:
    """Return what the names of these models begin with, where they have three parts, as in Unity Catalog."""
    parts = next((name.split(".") for name in models if name.count(".") == _DOTS), [])
    return "".join(f"{part}." for part in parts[:-1])
