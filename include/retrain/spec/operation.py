"""Sections of operation: when cycles start, who approves, who is told, how much of the workers training takes."""

import re
from datetime import datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import available_timezones

from croniter import CroniterBadDateError, croniter
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from retrain.spec.fields import Column, Duration, Section, some_time, unique
from retrain.text import one_line
from retrain.topics import Level


class Mode(StrEnum):
    """What a verdict may change."""

    ENFORCE = "enforce"
    """Promote what passes the gate."""
    OBSERVE = "observe"
    """Judge and notify, never promote."""


class Wake(StrEnum):
    """What starts a run, beside a person. Each run counts for itself whether there are enough new rows."""

    SCHEDULE = "schedule"
    """The schedule alone."""
    ON_ARRIVAL = "on_arrival"
    """The schedule, and Airflow's triggerer within seconds after the threshold is reached."""


_PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")


def _schedule(text: str) -> str:
    """Return the schedule. What Airflow would not take, or take and then never run, is refused."""
    if "=" in text:
        raise PydanticCustomError("schedule", "holds a variable; write its time zone into schedule_time_zone")
    if text in _PRESETS:
        return text
    fields = text.split()
    # croniter also knows fields for seconds and years, random ones (R) and hashed ones (H): a new time at each parse.
    if len(fields) != 5 or any(field[0] in "RrHh" for field in fields):
        raise PydanticCustomError(
            "schedule",
            "is not a schedule; write the five fields of cron, as in 0 6 * * 1-5, or one of {presets}",
            {"presets": ", ".join(_PRESETS)},
        )
    try:
        croniter(text, datetime(2026, 1, 1)).get_next()
    except CroniterBadDateError:
        raise PydanticCustomError("schedule", "never comes; name a day that there is") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # croniter raises each of these
        raise PydanticCustomError(
            "schedule", "is not a schedule: {why}; write cron fields, as in 0 6 * * 1-5", {"why": one_line(error)[:200]}
        ) from None
    return text


Schedule = Annotated[str, StringConstraints(max_length=200), AfterValidator(_schedule)]


def _time_zone(name: str) -> str:
    if name in available_timezones():
        return name
    close = get_close_matches(name, available_timezones(), n=1)
    hint = f"did you mean {close[0]}?" if close else "write one, as in Asia/Seoul"
    raise PydanticCustomError("time_zone", "is not a time zone; {hint}", {"hint": hint})


TimeZone = Annotated[str, AfterValidator(_time_zone)]
"""A name from the time zone database, such as `Asia/Seoul`."""


CHANNELS = ("webhook", "slack", "email", "apprise")


_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")


def _address(text: str) -> str:
    if not text.isascii():
        # Mail servers without SMTPUTF8, which are many, refuse such an address.
        raise PydanticCustomError(
            "address", "is not ASCII; write an address in ASCII, with a domain like 한국.kr as xn--3e0b707e.kr"
        )
    if not _ADDRESS.fullmatch(text):
        raise PydanticCustomError("address", "is not an e-mail address; write one, as in team@example.org")
    return text


_Address = Annotated[str, AfterValidator(_address)]


class ChannelSpec(Section):
    """Where the team is told: exactly one of the first four, each the id of an Airflow connection."""

    webhook: str | None = Field(None, min_length=1)
    """A connection of type http: announcements are posted to it as JSON."""
    slack: str | None = Field(None, min_length=1)
    """A connection of type slackwebhook."""
    email: str | None = Field(None, min_length=1)
    """A connection of type smtp."""
    apprise: str | None = Field(None, min_length=1)
    """A connection of type apprise: Microsoft Teams, Discord, PagerDuty and a hundred others."""
    # Not strict: see `trust`.
    to: Annotated[
        tuple[Annotated[str, AfterValidator(_address)], ...], Field(strict=False), AfterValidator(unique)
    ] = ()
    """Addresses, for e-mail: each gets a mail of its own."""
    least: Level = Level.INFO
    """Announcements of a lower level are not sent there."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if len([kind for kind in CHANNELS if getattr(self, kind)]) != 1:
            raise PydanticCustomError(
                "one", "does not name exactly one connection; write one of webhook, slack, email and apprise"
            )
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


class Approval(Section):
    """A person is asked between a verdict that would change Production and the change."""

    # Not strict: see `trust`.
    users: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1)], ...], Field(strict=False), AfterValidator(unique)
    ] = ()
    """Ids, in Airflow's auth manager, of the people who may answer; empty: everybody who may edit the DAG's runs."""
    wait: Annotated[Duration, AfterValidator(some_time)] = timedelta(days=3)
    """Without an answer by then, Production stays as it is."""


def _approval(value: object) -> object:
    """Read `person` as an approval with its defaults, and `none` as no approval."""
    if isinstance(value, str):
        if value not in ("person", "none"):
            raise PydanticCustomError(
                "approval", "is neither person nor none; write one of them, or the fields users and wait"
            )
        return {} if value == "person" else None
    return value


MaybeApproval = Annotated[Approval | None, BeforeValidator(_approval)]
"""`person`, `none` or the fields of an approval."""


class OnDecay(StrEnum):
    """What follows where Production is shown to do worse than was promised."""

    TELL = "tell"
    """The team is told."""
    RETRAIN = "retrain"
    """And a cycle starts, however few rows are new."""
    ASK_ROLLBACK = "ask_rollback"
    """And a rollback is proposed, where the version before does better on the same rows."""


class Watch(Section):
    """What the team is told between cycles."""

    silence: Duration | None = None
    """After so long without a labelled row, the source is silent; needs source.label_time."""
    late: Duration | None = timedelta(days=1)
    """If there have been enough rows for so long and no cycle, it is late."""
    cohort: Annotated[Duration, AfterValidator(some_time)] | None = timedelta(days=7)
    """Rows that are labelled later are scored by cohorts of this length, against what the verdict promised; null: they
    are not. It needs source.label_time."""
    predicted_at: Column | None = None
    """Column with the time of a row's prediction, by which cohorts are made instead of by label time: where labels come
    long after it."""
    maturity: Duration = timedelta(0)
    """How long after its end a cohort counts as open, as labels of its rows still come."""
    at_most: int = Field(100_000, ge=100)
    """Rows of a cohort that are scored. Of more, those of some clusters, drawn by their hash."""
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """False alarms a year, over all looks, that Production has decayed."""
    margin: Annotated[float | None, Field(ge=0)] = None
    """Loss against the promise that is no decay, in units of the gate's metric. Default: the gate's margin."""
    on_decay: OnDecay = OnDecay.TELL
    """What follows an alarm."""


class Workers(Section):
    """How much of Airflow's workers a model may take, so that it does not block the others."""

    at_once: int = Field(4, ge=1)
    """Greatest number of candidates trained at the same time, over all runs of the model's DAG."""
    longest: Annotated[Duration, AfterValidator(some_time)] = timedelta(days=1)
    """Greatest time of one task that reads rows, trains or judges; after it the task ends, and the team is told."""


def _of_different_connections(channels: tuple[ChannelSpec, ...]) -> tuple[ChannelSpec, ...]:
    unique(tuple(f"{channel.kind} {channel.connection}" for channel in channels))
    return channels


Channels = Annotated[tuple[ChannelSpec, ...], AfterValidator(_of_different_connections)]
