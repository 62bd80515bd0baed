"""Everything Retrain raises on purpose.

RetrainError
├── SettingsError        this installation lacks a setting
├── SpecError            a spec file is wrong; says file, field, value, remedy
├── EstimatorError       a candidate's function cannot be imported, built, fitted or scored
├── SourceError          the user's table cannot be read
│   └── SourceMismatchError  it is not as the spec says: reading it again gives the same
├── BlockedDataError     the rows are not ones to train on, as a check of the spec says
├── SnapshotError        a stored snapshot is missing or not what its digest says
├── LedgerError           Retrain's own tables cannot be reached or are of another version
│   └── NotInLedgerError     they are there, and do not hold what was asked for
├── TrackerError         MLflow refused, or did not answer in time
│   ├── NotFoundError    MLflow has no such thing
│   ├── NoAnswerError    MLflow did not answer in time: what was asked may or may not have happened
│   └── UntrustedModelError  a model file's digest or types are not ones that we load
├── StaleVerdictError    Production changed after the verdict: it is not applied
├── FrozenError          Production is frozen: nothing goes forward into it
├── RollbackError        there is nothing to go back to, or not to that version
├── JudgingError         two files of predictions cannot be judged as asked
└── ChannelError         an announcement could not be delivered
"""

from datetime import timedelta


class RetrainError(Exception):
    """Root of every error that Retrain raises on purpose."""

    def __init__(self, said: str = "", *, where: str | None = None) -> None:
        """where: the address of what has failed."""
        super().__init__(said if where is None else f"{said} ({where})")
        self.said = said
        """For who may not know addresses."""


class SettingsError(RetrainError):
    """This installation lacks a setting; the message names it."""


class SpecError(RetrainError):
    """A spec file is wrong. The message lists every fault, one a line: file, field, value, remedy."""


class EstimatorError(RetrainError):
    """A candidate's function cannot be imported or built, or what it returned cannot be fitted or scored."""


class SourceError(RetrainError):
    """The user's table cannot be read."""


class SourceMismatchError(SourceError):
    """The user's table is not as the spec says: reading it again gives the same."""


class BlockedDataError(RetrainError):
    """The rows are not ones to train on, as a check of the spec says. Whoever raises it has told the team already."""


class SnapshotError(RetrainError):
    """A stored snapshot is missing, or is not what its digest says."""


class LedgerError(RetrainError):
    """Retrain's own tables cannot be reached, or are of another version than this code."""


class NotInLedgerError(LedgerError):
    """Retrain's own tables do not hold what was asked for."""


class TrackerError(RetrainError):
    """MLflow refused a call, or did not answer within its deadline."""


class NotFoundError(TrackerError):
    """MLflow has no such thing."""


class NoAnswerError(TrackerError):
    """MLflow did not answer a call within its deadline: what was asked may or may not have happened."""


class UntrustedModelError(TrackerError):
    """A model file is not the one that was logged, or holds types that nobody said to trust."""


class StaleVerdictError(RetrainError):
    """Production changed after the verdict was made: the verdict is not applied."""


class FrozenError(RetrainError):
    """Production is frozen: nothing goes forward into it. The message says until when, by whom and why."""


class RollbackError(RetrainError):
    """There is nothing to go back to, or not to that version; the message names those that can be chosen."""


class JudgingError(RetrainError):
    """Two files of predictions cannot be judged as asked. The message says file, field, value, remedy."""


class ChannelError(RetrainError):
    """An announcement could not be delivered; it stays in the outbox."""

    def __init__(self, said: str = "", *, where: str | None = None, retry_after: timedelta = timedelta(0)) -> None:
        """retry_after: how long the channel asks to be left alone."""
        super().__init__(said, where=where)
        self.retry_after = retry_after
