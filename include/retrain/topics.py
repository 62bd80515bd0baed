"""What the team is told about, and how much each matters."""

from enum import StrEnum
from typing import Self


class Level(StrEnum):
    """How much an announcement matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        return list(Level).index(self)


class Topic(StrEnum):
    """What an announcement is about. docs/incident.md has a section for each; docs/reference/announcements.md is made
    from these lines.
    """

    level: Level
    """How much it matters."""

    def __new__(cls, value: str, level: Level) -> Self:
        topic = str.__new__(cls, value)
        topic._value_ = value
        topic.level = level
        return topic

    VERDICT = "verdict", Level.INFO
    """A cycle, or a dry run, has ended with PROMOTE or HOLD."""
    INCONCLUSIVE = "inconclusive", Level.WARNING
    """A cycle has ended, and something could not be measured."""
    PROMOTED = "promoted", Level.INFO
    """A new version is in Production."""
    ROLLED_BACK = "rolled-back", Level.WARNING
    """A version from before is back in Production."""
    CHANGED_BY_HAND = "changed-by-hand", Level.WARNING
    """Somebody has changed Production in MLflow, outside of Retrain."""
    NOT_APPLIED = "not-applied", Level.WARNING
    """A promotion was decided, and Production was changed by hand before it was carried out."""
    APPROVAL_WANTED = "approval-wanted", Level.WARNING
    """A version waits for a person to approve it."""
    ANSWERED = "answered", Level.INFO
    """A person has approved the version, or has not."""
    UNANSWERED = "unanswered", Level.WARNING
    """Nobody answered in time, or Production changed before the answer came."""
    FROZEN = "frozen", Level.WARNING
    """Until a time, no version goes forward into Production."""
    NO_LONGER_FROZEN = "no-longer-frozen", Level.INFO
    """A person has ended the freeze."""
    NEW_SPLIT = "new-split", Level.WARNING
    """From now on the rows are split in another way: a new split version begins."""
    DATA_BLOCKED = "data-blocked", Level.ERROR
    """A check of the rows has ended the cycle before anything was trained."""
    FOREIGN_PRODUCTION = "foreign-production", Level.ERROR
    """A version looks like Production, and does not own the spec's alias: no cycle trains."""
    UNADOPTED_PRODUCTION = "unadopted-production", Level.ERROR
    """The version in Production was not logged by Retrain: no cycle trains."""
    ANOTHER_VERSION = "another-version", Level.ERROR
    """Under a known number MLflow now has another version: nothing is judged or promoted by that number."""
    TASK_FAILED = "task-failed", Level.ERROR
    """A task has failed, and is not tried again."""
    RUN_FAILED = "run-failed", Level.ERROR
    """A whole run has failed without one task that did."""
    DEADLINE_MISSED = "deadline-missed", Level.ERROR
    """A run takes longer than the deadline that its DAG sets; it goes on."""
    NOT_WATCHED = "not-watched", Level.ERROR
    """DAG `retrain-watch` cannot look at the model."""
    SOURCE_SILENT = "source-silent", Level.ERROR
    """No labelled row has arrived for `watch.silence`."""
    CYCLE_LATE = "cycle-late", Level.ERROR
    """For `watch.late` there were enough rows for a cycle, and none has ended with a verdict."""
    TRIAL = "trial", Level.INFO
    """A challenger is held against Production on labels that come later, or that has ended."""
    SPLIT_TEST = "split-test", Level.INFO
    """A split test of Staging and Production has begun, was changed, or has ended."""
    SPLIT_STOPPED = "split-stopped", Level.ERROR
    """A split test has ended for harm, or because its units were not split as they should be."""
    DECAYED = "decayed", Level.ERROR
    """Production does worse on rows that were labelled later than was promised."""
    SKEWED = "skewed", Level.ERROR
    """Something else was served than the version in Production says of the same rows."""
    FILES_GONE = "files-gone", Level.ERROR
    """The files of the version in Production are gone from MLflow's artifacts."""
    GIVEN_UP = "given-up", Level.ERROR
    """A channel has taken no announcement for a day, or has refused one for good."""
    RECOVERED = "recovered", Level.INFO
    """What was announced before is over."""
