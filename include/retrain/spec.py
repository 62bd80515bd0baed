"""What to keep good, and how: one strict, frozen value per spec file.

`parse` turns plain data (as YAML gives it) into a `Spec`, or raises one `SpecError` that lists every fault.
Reading the files is `retrain.spec_files`; only structure is checked here, nothing is imported or connected.
"""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError, to_jsonable_python

from retrain.errors import SpecError
from retrain.metrics import METRICS, SCORER, described
from retrain.nouns import Level, Proof

Column = Annotated[str, StringConstraints(min_length=1, max_length=63)]
Share = Annotated[float, Field(gt=0, lt=1)]


_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}


def _duration(value: object) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([dhm])", value) if isinstance(value, str) else None
    if match is None:
        raise PydanticCustomError("duration", "is no duration; write a whole number and d, h or m, as in 7d")
    return int(match[1]) * _UNITS[match[2]]


def duration_text(value: timedelta) -> str:
    """As a spec would say it."""
    unit, length = next((unit, length) for unit, length in _UNITS.items() if not value % length)
    return f"{value // length}{unit}"


Duration = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(duration_text)]
"""`7d`, `12h` or `30m`: days, hours, minutes."""


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise PydanticCustomError("twice", "names {twice} more than once; name each once", {"twice": ", ".join(twice)})
    return values


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Task(StrEnum):
    """What the labels are."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"

    def has(self, metric: str) -> bool:
        """Whether the metric is one of this task; a scorer of scikit-learn may be one of either."""
        needs = described(metric).needs
        return needs == "anything" or (needs == "numbers") == (self is Task.REGRESSION)


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


class Source(_Part):
    """Where the labelled rows are. They are only read."""

    connection: str = Field("postgres_default", min_length=1)
    """Id of an Airflow connection to PostgreSQL."""
    table: str | None = Field(None, pattern=r"^[^.\s]+(\.[^.\s]+)?$")
    """`table` or `schema.table`. Either this or `query`."""
    query: str | None = Field(None, pattern=r"^[^/\\]+\.sql$")
    """Name of a file with one SELECT, beside the spec."""
    key: Column
    """Column that identifies a row."""
    label: Column
    """Column with the class; empty until the row has been reviewed."""
    label_time: Column | None = None
    """Column that says when the label was set; makes the count of new rows an index scan."""
    group: Column | None = None
    """Column that says which rows belong together, for `split.by: group`; where it is empty, they are one group. It is
    a feature only if it is listed there too."""
    features: Annotated[tuple[Column, ...], Field(min_length=1), AfterValidator(_unique)]
    """Columns that an estimator receives, in this order."""

    @model_validator(mode="after")
    def _can_be_read_and_learnt_from(self) -> Self:
        faults = []
        if (self.table is None) == (self.query is None):
            faults.append("names both or neither of table and query; name one of them")
        faults += [
            f"features hold {column}, which is the {role}; remove it"
            for role, column in (("key", self.key), ("label", self.label), ("label_time", self.label_time))
            if column in self.features
        ]
        if faults:
            raise PydanticCustomError("source", "{faults}", {"faults": "; and ".join(faults)})
        return self


class Threshold(_Part):
    """When a cycle starts: with so many rows, or with fewer after a wait."""

    rows: int = Field(1000, ge=1)
    """New labelled rows that start a cycle."""
    max_wait: Duration | None = None
    """How long after the last cycle's verdict, or before a first one after the oldest label, `min_rows` are enough. By
    default they never are."""
    min_rows: int = Field(1, ge=1)
    """New labelled rows that start a cycle after that wait."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.min_rows > self.rows:
            raise PydanticCustomError("min_rows", "min_rows is more than rows; set it to no more than those")
        if self.min_rows > 1 and self.max_wait is None:
            raise PydanticCustomError("max_wait", "min_rows belongs to max_wait; set that too, or remove it")
        return self

    def __str__(self) -> str:
        if self.max_wait is None:
            return f"{self.rows:,}"
        return f"{self.rows:,}, or after {duration_text(self.max_wait)} without a cycle {self.min_rows:,}"


class Split(_Part):
    """Which rows train, choose and judge. A change of it begins a new lineage of snapshots, and the team is told."""

    by: Literal["hash", "group", "time"] = "hash"
    """`hash` of a row's content; `group`: the rows of one `source.group` stay together; `time`: the newest judge."""
    validation: Share = 0.2
    """Share of the contents or groups; split by time, of the rows. So is `holdout`; the rest is for training."""
    holdout: Share = 0.2
    gap: Duration = timedelta(0)
    """Split by time: how long before validation, and before the holdout, rows are left out."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.validation + self.holdout >= 1:
            raise PydanticCustomError("no_training_rows", "leaves no rows for training; let the two sum to less than 1")
        if self.gap and self.by != "time":
            raise PydanticCustomError("gap", "gap belongs to by: time; split by time, or remove it")
        return self


class SnapshotSpec(_Part):
    """Which rows a snapshot takes, and how long it is kept."""

    window: Duration | None = None
    """Only rows that were labelled within this time; all by default. What has aged out is never new again."""
    max_rows: int | None = Field(None, ge=1)
    """Only the newest rows by label time, so many or a few less: rows of one moment stay together. All by default."""
    keep: int = Field(10, ge=2)
    """Newest snapshots whose rows are kept. Those of Production, of what a rollback would put there, and of the last
    verdict are kept beside them."""

    @property
    def takes_all(self) -> bool:
        return self.window is None and self.max_rows is None


class CandidateSpec(_Part):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    estimator: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """`module:function`; the function takes `params` and returns an unfitted scikit-learn estimator."""
    params: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def recipe(self) -> str:
        """The same for the same function with the same parameters, under whatever name."""
        return sha256(json.dumps([self.estimator, self.params], sort_keys=True).encode()).hexdigest()


def _one_message(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    """Of a union, pydantic would tell what each of its types has against the value."""
    try:
        return validate(value)
    except ValidationError:
        raise PydanticCustomError("class", "input should be text or a whole number") from None


def _a_metric(name: str) -> str:
    if name in METRICS or (name.removeprefix(SCORER).isidentifier() and name.startswith(SCORER)):
        return name
    close = get_close_matches(name, METRICS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"use one of {', '.join(METRICS)}"
    raise PydanticCustomError(
        "metric", "is no metric; {hint} or {scorer}<name> for a scorer", {"hint": hint, "scorer": SCORER}
    )


MetricName = Annotated[str, AfterValidator(_a_metric)]
Class = Annotated[str | int | None, WrapValidator(_one_message)]


class Measured(_Part):
    """A metric, and the class that it is about."""

    metric: MetricName
    positive: Class = None
    """The class that the metric is about."""

    @model_validator(mode="after")
    def _about_a_class(self) -> Self:
        of_class = described(self.metric).of_class
        if of_class and self.positive is None:
            raise PydanticCustomError(
                "positive", "{metric} is about one class; name it as positive", {"metric": self.metric}
            )
        if not of_class and self.positive is not None and not self.metric.startswith(SCORER):
            raise PydanticCustomError(
                "positive",
                "positive is not for {metric}, which is about all classes; remove it",
                {"metric": self.metric},
            )
        return self


class Limit(Measured):
    """What a further metric must reach."""

    floor: float | None = None
    ceiling: float | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.floor is None and self.ceiling is None:
            raise PydanticCustomError("limit", "limits nothing; set floor or ceiling")
        return self


class Slice(_Part):
    """A part of the holdout on which the challenger must not be worse."""

    column: Column
    """A feature."""
    value: str | int | float | bool | None = None
    """The rows with this value; or else those from `least` up to below `below`."""
    least: float | None = None
    below: float | None = None
    margin: Annotated[float, Field(ge=0)]
    """How much worse than Production it may be, in units of the gate's metric."""
    min_rows: int = Field(30, ge=2)
    """Fewer clusters than this are INCONCLUSIVE."""

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if (self.value is None) == (self.least is None and self.below is None):
            raise PydanticCustomError("slice", "says either too little or too much; set value, or least and below")
        return self

    def __str__(self) -> str:
        if self.value is not None:
            return f"{self.column} = {self.value}"
        least = "" if self.least is None else f"{self.least:g} <= "
        return f"{least}{self.column}" + ("" if self.below is None else f" < {self.below:g}")


class Gate(Measured):
    """When a challenger may replace Production."""

    metric: MetricName = "f1_macro"
    floor: float | None = Field(None, le=1)
    """What the challenger must reach, with or without a Production to compare with; 0.5 where greater is better."""
    ceiling: float | None = Field(None, gt=0)
    """What it must stay below instead, where smaller is better."""
    proof: Proof = Proof.SUPERIORITY
    """Superiority: a gain of more than `min_gain`. Non-inferiority: a loss of less than `margin`, for a fresh model."""
    min_gain: float = Field(0, ge=0)
    margin: Annotated[float | None, Field(gt=0)] = None
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """Probability of promoting an equal model within one epoch of the holdout, over all its tests together."""
    tests: int = Field(10, ge=1)
    """Tests that one epoch of the holdout allows; each is held at alpha / tests."""
    epoch_rows: int = Field(500, ge=1)
    """New holdout rows that open the next epoch; split by group, new groups."""
    min_rows: int = Field(100, ge=2)
    """Fewer clusters of holdout rows than this are INCONCLUSIVE."""
    min_positives: int = Field(100, ge=1)
    """For a metric of one class, so are fewer with a row of `positive`: a test on so few promotes more often than alpha
    says."""
    max_overlap: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Greatest share of holdout rows that may have to be left out because one of the two trained on them."""
    limits: tuple[Limit, ...] = ()
    slices: tuple[Slice, ...] = ()
    max_ece: Annotated[float | None, Field(gt=0, le=1)] = None
    """Greatest expected calibration error of the challenger's probabilities."""
    max_share_shift: Annotated[float | None, Field(gt=0, le=1)] = None
    """Greatest difference between the share of a class among the predictions and among the labels."""
    max_latency_ms: Annotated[float | None, Field(gt=0)] = None
    """Greatest 95th percentile of the time for one row."""
    max_slowdown: Annotated[float | None, Field(gt=0)] = None
    """The same as a multiple of Production's."""
    max_growth: Annotated[float | None, Field(gt=0)] = None
    """Greatest size of the model's files, as a multiple of Production's."""
    min_train_share: float = Field(0.5, ge=0)
    """Fewest rows that it may have trained on, as a share of Production's."""
    signature: Literal["widened", "any"] = "widened"
    """Widened: it takes every column that Production takes, as the same type."""

    @property
    def threshold(self) -> float:
        """What the gain must exceed."""
        return -self.margin if self.proof is Proof.NON_INFERIORITY and self.margin else self.min_gain

    @property
    def needs_latency(self) -> bool:
        return self.max_latency_ms is not None or self.max_slowdown is not None

    @property
    def limit(self) -> Limit:
        """What the gate's own metric must reach."""
        floor = 0.5 if self.floor is None and self.ceiling is None else self.floor
        return Limit(metric=self.metric, positive=self.positive, floor=floor, ceiling=self.ceiling)

    @model_validator(mode="after")
    def _can_be_passed(self) -> Self:
        faults = []
        greater, name = described(self.metric).greater_is_better, self.metric
        if not greater and self.floor is not None:
            faults.append(f"{name} is better when smaller, so it has no floor; set a ceiling")
        if not greater and self.ceiling is None:
            faults.append(f"{name} needs a ceiling: what a first model must stay below")
        if name.startswith(SCORER) and self.floor is None:
            faults.append(f"{name} needs a floor: what a first model must reach")
        if greater and self.ceiling is not None:
            faults.append(f"{name} is better when greater, so it has no ceiling; set a floor")
        if (self.proof is Proof.NON_INFERIORITY) != (self.margin is not None):
            faults.append("margin belongs to proof: non_inferiority, which needs it; set both or neither")
        if self.proof is Proof.NON_INFERIORITY and self.min_gain:
            faults.append("min_gain belongs to proof: superiority; remove it")
        if faults:
            raise PydanticCustomError("gate", "{faults}", {"faults": "; and ".join(faults)})
        return self


OnFail = Literal["block", "warn"]
"""What a check that fails does: end the cycle before anything is trained, or only say so."""


class TypesCheck(_Part):
    on_fail: OnFail


class ShareCheck(_Part):
    max: float = Field(ge=0, le=1)
    """Greatest share that passes: 0 lets none through, 1 all."""
    on_fail: OnFail


class FutureCheck(ShareCheck):
    ahead: Duration = timedelta(days=1)
    """How far ahead of now a label time may lie: a column without a time zone is read as UTC."""


class Checks(_Part):
    """What is asked of a snapshot before anything is trained on it. *New* are rows that the last consumed snapshot did
    not hold, or held with another label or content; where there are none, all rows are asked instead.

    What makes a verdict worthless blocks by default, the rest warns. A field of a check that is not given has its
    default.
    """

    column_types: TypesCheck = TypesCheck(on_fail="block")
    """A feature was text and is none, or the other way round; or the label is of another type."""
    null_share: ShareCheck = ShareCheck(max=0.5, on_fail="warn")
    """Of the new rows, in which a feature is NULL or NaN."""
    empty_texts: ShareCheck = ShareCheck(max=0.1, on_fail="warn")
    """Of the new rows, in which a text holds nothing but white space."""
    duplicates: ShareCheck = ShareCheck(max=0.5, on_fail="warn")
    """Of all rows, that repeat the content of another one."""
    conflicting_labels: ShareCheck = ShareCheck(max=0.05, on_fail="warn")
    """Of all rows, whose content has another label elsewhere. This and the next three are for classification."""
    unseen_labels: ShareCheck = ShareCheck(max=0, on_fail="warn")
    """Of the new rows, with a label that the last snapshot did not hold."""
    vanished_labels: ShareCheck = ShareCheck(max=0, on_fail="warn")
    """Of the last snapshot's rows, with a label that none has now."""
    moved_labels: ShareCheck = ShareCheck(max=0.2, on_fail="warn")
    """Difference between a label's share of the new rows and of the last snapshot's."""
    future_labels: FutureCheck = FutureCheck(max=0, on_fail="block")
    """Of all rows, labelled in the future: those that are labelled until then would not be counted as new."""
    resequenced_keys: ShareCheck = ShareCheck(max=0.3, on_fail="block")
    """Of the last snapshot's rows, whose content stands under another key now."""
    changed_rows: ShareCheck = ShareCheck(max=0.5, on_fail="warn")
    """Of the rows whose key the last snapshot held, with another content now."""
    fallen_rows: ShareCheck = ShareCheck(max=0.5, on_fail="block")
    """Of the last snapshot's rows, whose key is gone."""

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        defaults = {name: field.default.model_dump(mode="json") for name, field in cls.model_fields.items()}
        return {
            name: {**defaults[name], **each} if name in defaults and isinstance(each, dict) else each
            for name, each in given.items()
        }


CHANNELS = ("webhook", "slack", "email", "apprise")


class ChannelSpec(_Part):
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


class Approval(_Part):
    """A person is asked between a verdict that would change Production and the change."""

    # Not strict: see `trust`.
    users: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1)], ...], Field(strict=False), AfterValidator(_unique)
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


class Watch(_Part):
    """What is noticed between cycles."""

    silence: Duration | None = None
    """The source is silent when it has had no labelled row for so long; needs source.label_time."""
    late: Duration | None = timedelta(days=1)
    """A cycle is late when there have been rows enough for one for so long."""


class Workers(_Part):
    """How much of Airflow's workers training may take, so that one model does not keep the others waiting."""

    at_once: int = Field(4, ge=1)
    """Candidates that are trained at the same time, over all runs of the model's DAG."""
    pool: str = Field("default_pool", min_length=1, max_length=256)
    """Airflow's pool for training; one that does not exist starts nothing."""


def _of_different_connections(channels: tuple[ChannelSpec, ...]) -> tuple[ChannelSpec, ...]:
    _unique(tuple(f"{channel.kind} {channel.connection}" for channel in channels))
    return channels


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _some_of_different_names(candidates: "tuple[CandidateSpec, ...]") -> "tuple[CandidateSpec, ...]":
    if not candidates:
        raise PydanticCustomError("none", "names none; add one")
    _unique(tuple(candidate.name for candidate in candidates))
    return candidates


class Spec(_Part):
    """One model to keep good. With a model, a source and one candidate it runs; the rest has defaults."""

    model: str = Field(pattern=r"^[^/:\s][^/:]{0,199}$")
    """Name in the registry."""
    description: str = ""
    source: Source
    threshold: Threshold = Threshold()
    # The default as well, because a group column must not be left unused.
    split: Split = Field(Split(), validate_default=True)
    snapshot: SnapshotSpec = Field(SnapshotSpec())
    task: Task = Task.CLASSIFICATION
    candidates: Annotated[tuple[CandidateSpec, ...], AfterValidator(_some_of_different_names)]
    checks: Checks = Checks()
    gate: Gate = Gate()
    # Not strict: behind a validator, a list is no longer JSON's, and "strict" would refuse it for a tuple.
    trust: Annotated[tuple[str, ...], Field(strict=False), BeforeValidator(_one_or_more)] = ()
    """Types that a model file may hold beyond our own list, as `package.module.Class`; `pickle` for any at all."""
    mode: Mode = Mode.ENFORCE
    approval: Annotated[Approval | None, BeforeValidator(_approval)] = None
    """`person`: nothing goes into Production before somebody has said yes."""
    schedule: str | None = None
    """Cron expression or preset (`@hourly`); None runs by hand only, or as `wake` says."""
    wake: Wake = Wake.SCHEDULE
    """`on_arrival` does without a schedule; one beside it counts on where an event was lost."""
    workers: Workers = Workers()
    watch: Watch = Field(Watch())
    channels: Annotated[tuple[ChannelSpec, ...], AfterValidator(_of_different_connections)] = ()

    @property
    def starts_by_itself(self) -> bool:
        """Whether a cycle comes without a person."""
        return self.schedule is not None or self.wake is not Wake.SCHEDULE

    @field_validator("watch")
    @classmethod
    def _can_tell_when(cls, watch: Watch, info: ValidationInfo) -> Watch:
        source: Source | None = info.data.get("source")
        if source is not None and source.label_time is None and watch.silence is not None:
            raise PydanticCustomError("label_time", "silence needs source.label_time; name the column, or remove it")
        return watch

    @field_validator("split")
    @classmethod
    def _has_its_column(cls, split: Split, info: ValidationInfo) -> Split:
        source: Source | None = info.data.get("source")
        if source is None:
            return split  # that it is wrong is told already
        if split.by == "time" and source.label_time is None:
            raise PydanticCustomError("label_time", "by: time needs source.label_time; name the column")
        if split.by == "group" and source.group is None:
            raise PydanticCustomError("group", "by: group needs source.group; name the column")
        if split.by != "group" and source.group is not None:
            raise PydanticCustomError("group", "does not use source.group; say by: group, or remove source.group")
        return split

    @field_validator("snapshot")
    @classmethod
    def _can_tell_new_from_old(cls, snapshot: SnapshotSpec, info: ValidationInfo) -> SnapshotSpec:
        source: Source | None = info.data.get("source")
        if source is not None and source.label_time is None and not snapshot.takes_all:
            raise PydanticCustomError(
                "label_time", "window and max_rows need source.label_time; name the column, or remove them"
            )
        return snapshot

    @model_validator(mode="after")
    def _measures_what_it_learns(self) -> Self:
        faults = [
            f"{each.metric} is for {'regression' if described(each.metric).needs == 'numbers' else 'classification'}, "
            f"and the task is {self.task}"
            for each in (self.gate, *self.gate.limits)
            if not self.task.has(each.metric)
        ]
        if self.task is Task.REGRESSION and (self.gate.max_ece or self.gate.max_share_shift):
            faults.append("max_ece and max_share_shift are for classification; remove them")
        faults += [
            f"slice {each} is of column {each.column}, which is no feature; add it to source.features"
            for each in self.gate.slices
            if each.column not in self.source.features
        ]
        if faults:
            raise PydanticCustomError("gate", "{faults}", {"faults": "; and ".join(faults)})
        return self

    def candidate(self, name: str) -> CandidateSpec:
        """The candidate of that name; raises SpecError where the spec has none."""
        for candidate in self.candidates:
            if candidate.name == name:
                return candidate
        names = ", ".join(candidate.name for candidate in self.candidates)
        raise SpecError(f"{self.model}: there is no candidate {name!r}; the spec names {names}")


def parse(data: object, file: str) -> Spec:
    """The spec that `data` says. Raises SpecError with one line for each fault: file, field, value, remedy."""
    if not isinstance(data, dict):
        raise SpecError(f"{file}: holds {type(data).__name__}, not fields; begin with `model:`")
    if faults := list(_not_json(data)):
        raise SpecError("\n".join(f"{file}: {fault}" for fault in faults))
    try:
        # Through JSON, so that "strict" refuses "3" for 3 but takes a YAML list for a tuple.
        return Spec.model_validate_json(json.dumps(data))
    except ValidationError as error:
        raise SpecError("\n".join(f"{file}: {_line(fault)}" for fault in error.errors())) from None


def _not_json(value: object, where: str = "", above: tuple[int, ...] = ()) -> Iterator[str]:
    """What YAML can say and no database can store: dates, sets, names that are no text, a list that holds itself."""
    if id(value) in above:
        yield f"{where}: holds itself; write it out"
    elif isinstance(value, dict):
        for name, each in value.items():
            place = f"{where}.{name}".lstrip(".")
            if not isinstance(name, str):
                yield f"{place}: {name!s} is no text; put it in quotes"
            elif not _storable(name):
                yield f"{json.dumps(place)}: {_STORABLE}"
            yield from _not_json(each, place, (*above, id(value)))
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from _not_json(each, f"{where}[{position}]", (*above, id(value)))
    elif isinstance(value, str):
        if not _storable(value):
            yield f"{where} = {json.dumps(value)}: {_STORABLE}"
    elif value is not None and not isinstance(value, int | float):
        text = json.dumps(str(value), ensure_ascii=False)
        yield f"{where} = {text}: is a {type(value).__name__}; put it in quotes"


_STORABLE = "holds a character that PostgreSQL takes in no text (\\u0000, or half of a pair); remove it"


def _storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _line(fault: ErrorDetails) -> str:
    field = re.sub(r"\.(\d+)", r"[\1]", ".".join(str(part) for part in fault["loc"])) or "the spec"
    if fault["type"] == "missing":
        return f"{field}: is missing; add it"
    value = json.dumps(fault["input"], ensure_ascii=False, default=to_jsonable_python)
    value = value if len(value) <= 80 else value[:77] + "..."
    if fault["type"] == "extra_forbidden":
        return f"{field} = {value}: is not a field; {_did_you_mean(fault['loc'])}"
    return f"{field} = {value}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _did_you_mean(loc: tuple[str | int, ...]) -> str:
    parts: dict[str | int, type[_Part]] = {
        "source": Source,
        "threshold": Threshold,
        "split": Split,
        "snapshot": SnapshotSpec,
        "candidates": CandidateSpec,
        "checks": Checks,
        "gate": Gate,
        "approval": Approval,
        "workers": Workers,
        "watch": Watch,
        "channels": ChannelSpec,
    }
    part = parts[loc[0]] if len(loc) > 1 else Spec
    if part is Checks and len(loc) > 2:
        part = type(getattr(Checks(), str(loc[1])))
    known = list(part.model_fields)
    close = get_close_matches(str(loc[-1]), known, n=1)
    return f"did you mean {close[0]}?" if close else f"remove it, or use one of {', '.join(known)}"
