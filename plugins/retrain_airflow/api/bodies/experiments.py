"""Bodies about experiments, and about whether MLflow answers."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from retrain.tracker.entities import Experiment, MetricStats
from retrain_airflow.api.bodies.values import Body, Name, Page, Tags, request


class NewExperiment(Body):
    model_config = request(name="자소서 분류", tags={"팀": "채용"})

    name: Annotated[Name, Field(examples=["자소서 분류"])]
    tags: Tags = Field({})


class Experiments(Page):
    experiments: list[Experiment]


class Stats(BaseModel):
    """Statistics of each metric over the experiment's finished runs."""

    metrics: dict[str, MetricStats]


class Health(BaseModel):
    api: Literal["ok"] = "ok"
    mlflow: Literal["ok"] = "ok"
