"""How a model is kept: when cycles start, who is asked, who is told, how much of the workers it takes."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from retrain.records import Level
from retrain.spec.fields import Duration, Section, unique


class Mode(StrEnum):
    ENFORCE = "enforce"
    """Promote what the gate lets through."""
    OBSERVE = "observe"
    """Judge and tell, never promote."""


class Wake(StrEnum):
    """What starts a cycle's run, beside a person. Each run counts by itself whether there are enough new rows."""

    SCHEDULE = "schedule"
    ON_ARRIVAL = "on_arrival"
    """The schedule, and Airflow's triggerer within seconds of the threshold being reached."""


CHANNELS = ("webhook", "slack", "email", "apprise")


class ChannelSpec(Section):
    """One of the first four, each the id of an Airflow connection."""

    webhook: str | None = Field(None, min_length=1)
    """Of type http: announcements are posted to it as JSON."""
    slack: str | None = Field(None, min_length=1)
    """Of type slackwebhook."""
    email: str | None = Field(None, min_length=1)
    """Of type smtp."""
    apprise: str | None = Field(None, min_length=1)
    """Of type apprise: Microsoft Teams, Discord, PagerDuty and a hundred others."""
    to: tuple[Annotated[str, StringConstraints(pattern=r"^[^@\s,<>]+@[^@\s,<>]+$")], ...] = ()
    """Addresses, for e-mail."""
    least: Level = Level.INFO
    """What matters less is not sent there."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if len([kind for kind in CHANNELS if getattr(self, kind)]) != 1:
            raise PydanticCustomError("one", "names not one connection; write one of webhook, slack, email and apprise")
        if bool(self.to) != bool(self.email):
            raise PydanticCustomError(
                "to", "email and to go together: name the addresses in to, as in [team@example.org]"
            )
        return self

    @property
    def kind(self) -> str:
        return next(kind for kind in CHANNELS if getattr(self, kind))

    @property
    def connection(self) -> str:
        return str(getattr(self, self.kind))


def _more_than_nothing(wait: timedelta) -> timedelta:
    if not wait:
        raise PydanticCustomError("wait", "gives nobody time to answer; write more")
    return wait


class Approval(Section):
    """A person is asked between a verdict that would change Production and the change."""

    # Not strict: see `trust`.
    users: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1)], ...], Field(strict=False), AfterValidator(unique)
    ] = ()
    """Ids of those who may answer, as Airflow's auth manager has them; empty: whoever may edit the DAG's runs."""
    wait: Annotated[Duration, AfterValidator(_more_than_nothing)] = timedelta(days=3)
    """Without an answer by then, Production stays as it is."""


def _approval(value: object) -> object:
    """`person` and `none` stand for an approval with its defaults, and for nothing."""
    if isinstance(value, str):
        if value not in ("person", "none"):
            raise PydanticCustomError("approval", "is none of person and none; or write fields: users, wait")
        return {} if value == "person" else None
    return value


MaybeApproval = Annotated[Approval | None, BeforeValidator(_approval)]
"""`person`, `none` or the fields of an approval."""


class Watch(Section):
    """What is noticed between cycles."""

    silence: Duration | None = None
    """The source is silent when it has had no labelled row for so long; needs source.label_time."""
    late: Duration | None = timedelta(days=1)
    """A cycle is late when there have been rows enough for one for so long."""


class Workers(Section):
    """How much of Airflow's workers training may take, so that one model does not keep the others waiting."""

    at_once: int = Field(4, ge=1)
    """Candidates that are trained at the same time, over all runs of the model's DAG."""
    pool: str = Field("default_pool", min_length=1, max_length=256)
    """Airflow's pool for training; one that does not exist starts nothing."""


def _of_different_connections(channels: tuple[ChannelSpec, ...]) -> tuple[ChannelSpec, ...]:
    unique(tuple(f"{channel.kind} {channel.connection}" for channel in channels))
    return channels


Channels = Annotated[tuple[ChannelSpec, ...], AfterValidator(_of_different_connections)]
