"""The whole spec: one strict, frozen value per file. `retrain.spec.parse` makes it from plain data."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from retrain.errors import SpecError
from retrain.metrics import described
from retrain.spec.ab import SplitTest
from retrain.spec.aliases import Aliases
from retrain.spec.candidates import BALANCED, Candidates, CandidateSpec
from retrain.spec.checks import Checks
from retrain.spec.connections import DEFAULT, Connections
from retrain.spec.fields import Section, one_or_more
from retrain.spec.gate import Gate
from retrain.spec.operation import Channels, MaybeApproval, Mode, Schedule, TimeZone, Wake, Watch, Workers
from retrain.spec.served import ServedSpec
from retrain.spec.source import SnapshotSpec, SourceSpec, Split, Threshold
from retrain.spec.task import Task
from retrain.spec.training import Limits, RunOn
from retrain.spec.trial import TrialSpec


def model_name(name: str) -> str:
    """Return the name. Raises PydanticCustomError where MLflow could not search for it, or a path could not hold it."""
    if "\\" in name or ("'" in name and '"' in name):
        what = "a backslash" if "\\" in name else "both kinds of quotes"
        raise PydanticCustomError(
            "model_name", "holds {what}, which MLflow cannot search for; remove it", {"what": what}
        )
    if name == "." or name.startswith("..") or not name.isprintable() or name != name.strip():
        raise PydanticCustomError(
            "model_name",
            "is not a name for a model; use printable characters, without a blank at its ends or two dots first",
        )
    return name


class Spec(Section):
    """One model and how to keep it good. A model, a source and one candidate are enough; the rest has defaults."""

    model: Annotated[str, Field(pattern=r"^[^/:\s][^/:]{0,199}$"), AfterValidator(model_name)]
    """Name in the registry."""
    aliases: Aliases = Aliases()
    description: str = ""
    """For people: the page of the model's DAG in Airflow shows it."""
    connections: Connections = DEFAULT
    source: SourceSpec
    threshold: Threshold = Threshold()
    # The default is validated as well, because a group column must not be left unused.
    split: Split = Field(Split(), validate_default=True)
    snapshot: SnapshotSpec = Field(SnapshotSpec())
    task: Task = Task.CLASSIFICATION
    """Whether the labels are classes or numbers."""
    candidates: Candidates
    share_steps: bool = True
    """Whether a first step that several candidates have in common is fitted once for all of them."""
    checks: Checks = Checks()
    gate: Gate = Gate()
    # Not strict: after a validator a list does not come from JSON any more, and "strict" would refuse it for a tuple.
    trust: Annotated[tuple[str, ...], Field(strict=False), BeforeValidator(one_or_more)] = ()
    """Types that a model file may hold beyond our own list, as `package.module.Class`; `pickle` allows every type."""
    mode: Mode | None = None
    """What a verdict may change. Default: `enforce`, but `observe` while a version is in Production that a person has
    adopted."""
    approval: MaybeApproval = None
    """`person`, `none` or the fields of an approval. With `person` or the fields, nothing goes into Production before a
    person has approved it."""
    schedule: Schedule | None = None
    """Cron expression or preset (`@hourly`); without it, only a person or `wake` starts a run."""
    schedule_time_zone: TimeZone | None = None
    """Time zone of the schedule, such as `Asia/Seoul`; default: Airflow's `default_timezone`."""
    wake: Wake = Wake.SCHEDULE
    """What starts a run, beside a person. `on_arrival` needs no schedule; with one as well, a cycle starts even if an
    event was lost."""
    limits: Limits = Limits()
    run_on: RunOn = RunOn()
    workers: Workers = Workers()
    watch: Watch = Field(Watch())
    trial: TrialSpec | None = Field(None)
    """Challengers of whom the holdout does not decide are held against Production on labels that come later; without
    it, they are held."""
    ab: SplitTest | None = None
    """A split test of Staging against Production, where the prediction changes the outcome."""
    predictions: ServedSpec | None = None
    """Where the predictions are logged as they were served: they are scored on labels that come later, instead of what
    the version says of the rows."""
    channels: Channels = ()
    """Where the team is told; without any, in the log of the task alone."""

    @property
    def starts_by_itself(self) -> bool:
        """Whether cycles start without a person."""
        return self.schedule is not None or self.wake is not Wake.SCHEDULE

    @property
    def cohort(self) -> timedelta | None:
        """The length of a cohort of later rows; None where they are not scored."""
        return None if self.source.label_time is None else self.watch.cohort

    @field_validator("watch")
    @classmethod
    def _can_tell_when(cls, watch: Watch, info: ValidationInfo) -> Watch:
        source: SourceSpec | None = info.data.get("source")
        if source is not None and source.label_time is None and watch.silence is not None:
            raise PydanticCustomError("label_time", "silence needs source.label_time; name the column, or remove it")
        if source is not None and source.label_time is None and watch.predicted_at is not None:
            raise PydanticCustomError(
                "label_time", "predicted_at needs source.label_time; name the column, or remove it"
            )
        return watch

    @field_validator("trial")
    @classmethod
    def _knows_what_came_later(cls, trial: TrialSpec | None, info: ValidationInfo) -> TrialSpec | None:
        source: SourceSpec | None = info.data.get("source")
        if trial is not None and source is not None and source.label_time is None:
            raise PydanticCustomError("label_time", "needs source.label_time; name the column, or remove it")
        return trial

    @field_validator("predictions")
    @classmethod
    def _can_be_scored(cls, served: ServedSpec | None, info: ValidationInfo) -> ServedSpec | None:
        gate: Gate | None = info.data.get("gate")
        source: SourceSpec | None = info.data.get("source")
        watch: Watch | None = info.data.get("watch")
        if served is None or gate is None or source is None or watch is None:
            return served  # the fault of those is reported already
        if source.label_time is None or watch.cohort is None:
            raise PydanticCustomError(
                "cohort", "needs source.label_time and watch.cohort, as later rows are scored by cohort; set both"
            )
        if served.score is not None and gate.positive is None:
            raise PydanticCustomError(
                "score", "score is the probability of gate.positive, which is not set; set it, or remove score"
            )
        if served.score is None and described(gate.metric).needs in ("scores", "probabilities", "anything"):
            raise PydanticCustomError(
                "score", "gate.metric {metric} needs probabilities; name their column in score", {"metric": gate.metric}
            )
        return served

    @field_validator("split")
    @classmethod
    def _has_its_column(cls, split: Split, info: ValidationInfo) -> Split:
        source: SourceSpec | None = info.data.get("source")
        if source is None:
            return split  # the fault of the source is reported already
        if split.by == "time" and source.label_time is None:
            raise PydanticCustomError("label_time", "by: time needs source.label_time; name the column")
        if split.by == "group" and source.group is None:
            raise PydanticCustomError("group", "by: group needs source.group; name the column")
        if split.by != "group" and source.group is not None:
            raise PydanticCustomError("group", "does not use source.group; set by: group, or remove source.group")
        return split

    @field_validator("snapshot")
    @classmethod
    def _can_tell_new_from_old(cls, snapshot: SnapshotSpec, info: ValidationInfo) -> SnapshotSpec:
        source: SourceSpec | None = info.data.get("source")
        if source is not None and source.label_time is None and not snapshot.takes_all:
            raise PydanticCustomError(
                "label_time", "window and max_rows need source.label_time; name the column, or remove them"
            )
        return snapshot

    @field_validator("candidates")
    @classmethod
    def _weigh_by_what_is_read(
        cls, candidates: tuple[CandidateSpec, ...], info: ValidationInfo
    ) -> tuple[CandidateSpec, ...]:
        source: SourceSpec | None = info.data.get("source")
        read = () if source is None else (*source.features, *source.also_read)
        faults = []
        for each in candidates:
            column = each.sample_weight
            if column == BALANCED and info.data.get("task") is Task.REGRESSION:
                faults.append(f"{each.name}.sample_weight: balanced is for classification; name a column")
            elif source is not None and column not in (None, BALANCED, *read):
                faults.append(f"{each.name}.sample_weight = {column}: is not read; add it to source.also_read")
        if faults:
            raise PydanticCustomError("candidates", "{faults}", {"faults": "; ".join(faults)})
        return candidates

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
            f"slice {each} is of column {each.column}, which is not a feature; add it to source.features"
            for each in self.gate.slices
            if each.column not in self.source.features
        ]
        if faults:
            raise PydanticCustomError("gate", "{faults}", {"faults": "; and ".join(faults)})
        return self

    @model_validator(mode="after")
    def _has_what_its_zone_is_of(self) -> Self:
        if self.schedule_time_zone is not None and self.schedule is None:
            raise PydanticCustomError("zone", "schedule_time_zone needs schedule; write one, or remove it")
        return self

    def candidate(self, name: str) -> CandidateSpec:
        """Return the candidate of that name. Raises SpecError if the spec does not have it."""
        for candidate in self.candidates:
            if candidate.name == name:
                return candidate
        names = ", ".join(candidate.name for candidate in self.candidates)
        raise SpecError(f"{self.model}: there is no candidate {name!r}; the spec names {names}")
