"""Bodies about registered models: versions, changes of Production, and its history."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from retrain.records import LONGEST_FREEZE, Promotion, Verdict
from retrain.spec.spec import model_name
from retrain.tracker.entities import RegisteredModel, Stage
from retrain_airflow.api.bodies.values import (
    EXAMPLE_RUN,
    LONGEST_REASON,
    NO_NUL,
    Body,
    ModelName,
    Page,
    RunId,
    Version,
    Why,
    request,
)


class NewVersion(Body):
    model_config = request(run_id=EXAMPLE_RUN, model_name="CoverLetterClassifier", why="the first one")

    run_id: RunId
    model_name: Annotated[ModelName, AfterValidator(model_name)]
    model_uri: Annotated[str, StringConstraints(pattern=r"^models:/m-[0-9a-f]{32}$")] | None = None
    """Which of the run's models; None if it has only one."""
    why: Annotated[str, StringConstraints(max_length=LONGEST_REASON, pattern=NO_NUL)] = ""


class Transition(Body):
    """A change of stage. For Production, `expects` is the version that is there now, None if there is none."""

    model_config = request(
        model_name="CoverLetterClassifier", version="3", stage="Production", expects="2", why="better on long letters"
    )

    model_name: ModelName
    version: Version
    stage: Stage
    archive_existing_versions: bool = True
    expects: Version | None = None
    why: Why


class Rollback(Body):
    model_config = request(expects="3", why="customers complain")

    expects: Version
    """The version to take back: if another one is in Production, nothing happens."""
    to: Version | None = None
    """None: the version before it."""
    why: Why


class Adoption(Body):
    model_config = request(version="3", format="cloudpickle", digest="3f6a0c9b12de", why="we know who made it")

    version: Version | None = None
    """None: the one that is Production, or looks like it."""
    format: Literal["skops", "cloudpickle", "pickle"] | None = None
    digest: Annotated[str, StringConstraints(pattern="^[0-9a-f]{12,64}$")] | None = None
    """Format and digest of its files, as you have seen them. Without them nothing is adopted: the task says what they
    are.
    """
    trained_before: datetime | None = None
    """Rows that were labelled later may judge it. None: when it was registered."""
    none: bool = False
    """Say instead that what looks like Production is not."""
    why: Why


class FreezeFor(Body):
    model_config = request(days=3, why="a campaign runs until Friday")

    days: Annotated[float, Field(ge=0, le=LONGEST_FREEZE)]
    """From now; 0 ends a freeze of this model."""
    why: Why


class ProductionAt(BaseModel):
    model: str
    at: datetime
    version: str | None
    """None if nothing was in Production."""


class RegisteredModels(Page):
    models: list[RegisteredModel]


class ModelVersion(BaseModel):
    # Not the tracker's own type: that holds an address in the artifact store, which is not for callers.
    model_config = ConfigDict(from_attributes=True, frozen=True)

    model: str
    version: str
    identity: str
    """What it is made of: if a model is deleted, MLflow gives the numbers of its versions anew."""
    stage: Stage
    aliases: tuple[str, ...]
    run_id: str | None
    tags: Mapping[str, str]
    registered_at: datetime


class ModelVersions(Page):
    versions: list[ModelVersion]


class JudgedVersion(ModelVersion):
    verdict: Verdict | None
    """None if no cycle has judged this version."""
    judged_at: datetime | None


class Transitioned(BaseModel):
    version: ModelVersion
    promotion: Promotion | None
    """The ledger's row, if Production was changed."""


class History(Page):
    """Every change of Production, the oldest first; also those in progress, and those that were superseded."""

    promotions: list[Promotion]
