"""The plugin by which Airflow finds Retrain, through the entry point of its distribution."""

from airflow.plugins_manager import AirflowPlugin

from retrain_airflow import compat, preload


class RetrainPlugin(AirflowPlugin):
    name = "retrain"

    @classmethod
    def on_load(cls, *args: object, **kwargs: object) -> None:  # noqa: ARG003 - Airflow's signature
        preload.where_needed()
        if preload.is_api_server():
            from retrain_airflow.api import app, in_airflow
            from retrain_airflow.dashboard import pages

            cls.fastapi_apps = [
                {"app": in_airflow.create(), "url_prefix": app.PREFIX, "name": "Retrain"},
                {"app": pages.create_app(), "url_prefix": pages.PREFIX, "name": "Retrain dashboard"},
            ]
            if compat.HAS_DASHBOARD:
                cls.react_apps = list(pages.REACT_APPS)
