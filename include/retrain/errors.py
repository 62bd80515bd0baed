"""Everything Retrain raises on purpose: one tree, rooted in RetrainError.

RetrainError
├── SettingsError        this installation lacks a setting
├── MissingExtraError    a package is not installed that an extra of the distribution brings
├── SpecError            a spec file is wrong; says file, field, value, remedy
├── EstimatorError       a candidate's function cannot be imported, built, fitted or scored
├── EndedError           the process that a model was asked in was ended from outside
├── SourceError          the user's table cannot be read
│   └── SourceMismatchError  the table is not as the spec says: reading it again gives the same error
├── ToldError            the team has been told before it is raised
│   ├── BlockedDataError     a check of the spec blocks training on these rows
│   ├── ForeignProductionError   what looks like Production was put there by somebody else
│   └── OtherVersionError    a version's number stands for another version than the one in the ledger
├── SnapshotError        a stored snapshot is missing, or does not match its digest
│   └── ErasedRowsError  rows of it were erased while a cycle used it
├── LedgerError          Retrain's own tables cannot be reached or are of another version
│   └── NotInLedgerError     these tables do not hold what was asked for
├── TrackerError         MLflow refused, or did not answer in time
│   ├── NotFoundError    MLflow has no such thing
│   ├── NoAnswerError    MLflow did not answer in time: the call may or may not have had its effect
│   └── UntrustedModelError  a model file has a digest or types that are not trusted
├── StaleVerdictError    Production changed after the verdict: the verdict is not applied
├── FrozenError          Production is frozen: nothing goes forward into it
├── SplitTestError       a split test cannot begin, or be changed, as it was asked for
├── AdoptionError        a version cannot be adopted as a person has asked for it
├── RollbackError        there is no version to go back to, or not the one asked for
├── JudgingError         two files of predictions cannot be judged
├── BacktestError        a history cannot be replayed
└── ChannelError         an announcement could not be delivered

`RETRIES` says for each kind, and for errors of others, whether a task that it has failed is tried again.
"""

import builtins
import traceback
from datetime import timedelta


class RetrainError(Exception):
    """Root of every error that Retrain raises on purpose."""

    def __init__(self, message: str = "", *, where: str | None = None) -> None:
        """where: the address of the server that has failed."""
        super().__init__(message if where is None else f"{message} ({where})")
        self.message = message
        """The text without the address, for readers who must not see addresses."""


class SettingsError(RetrainError):
    """This installation lacks a setting; the message names it."""


def refuse_login(name: str, address: str, remedy: str) -> None:
    """Raise SettingsError where an address holds a login: addresses appear in errors and logs. name: of the setting."""
    scheme, _, rest = address.partition("://")
    if "@" in rest and scheme != "file":
        raise SettingsError(f"{name}: has a login in its address, or an @ that is not written as %40; {remedy}")


class MissingExtraError(RetrainError):
    """A package is not installed that an extra of the distribution brings."""


class SpecError(RetrainError):
    """A spec file is wrong. The message lists every fault, one a line: file, field, value, remedy."""


class EstimatorError(RetrainError):
    """A candidate's function cannot be imported or built, or what it returned cannot be fitted or scored."""


class EndedError(RetrainError):
    """The process that a model was asked in was ended from outside: nothing is known about the model."""


class SourceError(RetrainError):
    """The user's table cannot be read."""


class SourceMismatchError(SourceError):
    """The user's table is not as the spec says: reading it again gives the same error."""


class ToldError(RetrainError):
    """Something that a person must decide. The team has been told, once, before it is raised."""


class BlockedDataError(ToldError):
    """A check of the spec blocks training on these rows."""


class ForeignProductionError(ToldError):
    """A version that Retrain did not put there is Production, or looks like it, and nobody has adopted it."""


class OtherVersionError(ToldError):
    """A version's number stands for another version in MLflow than in the ledger: it was registered anew."""


class SnapshotError(RetrainError):
    """A stored snapshot is missing, or does not match its digest."""


class ErasedRowsError(SnapshotError):
    """Rows of the snapshot were erased after the cycle stored it: only a new run can read what is left."""


class LedgerError(RetrainError):
    """Retrain's own tables cannot be reached, or are of another version than this code."""


class NotInLedgerError(LedgerError):
    """Retrain's own tables do not hold what was asked for."""


class TrackerError(RetrainError):
    """MLflow refused a call, or did not answer within its deadline."""


class NotFoundError(TrackerError):
    """MLflow has no such thing."""


class NoAnswerError(TrackerError):
    """MLflow did not answer a call within its deadline: the call may or may not have had its effect."""


class UntrustedModelError(TrackerError):
    """A model file is not the one that was logged, or holds types that are not trusted."""


class StaleVerdictError(RetrainError):
    """Production changed after the verdict was made: the verdict is not applied."""


class FrozenError(RetrainError):
    """Production is frozen: nothing goes forward into it. The message says until when, by whom and why."""


class SplitTestError(RetrainError):
    """A split test cannot begin, or be changed, as it was asked for."""


class AdoptionError(RetrainError):
    """A version cannot be adopted as a person has asked for it."""


class RollbackError(RetrainError):
    """There is no version to go back to, or not the one asked for; the message names the possible ones."""


class JudgingError(RetrainError):
    """Two files of predictions cannot be judged. The message says file, field, value, remedy."""


class BacktestError(RetrainError):
    """A history, or a file of policies, cannot be replayed; says what is wrong with it."""


class ChannelError(RetrainError):
    """An announcement could not be delivered; it stays in the outbox."""

    def __init__(
        self,
        message: str = "",
        *,
        where: str | None = None,
        retry_after: timedelta = timedelta(0),
        final: bool = False,
        in_part: bool = False,
    ) -> None:
        """retry_after: how long the channel asks to wait before the next try.

        final: it must not be sent there again. in_part: some who read this channel have received it.
        """
        super().__init__(message, where=where)
        self.retry_after = retry_after
        self.final = final
        self.in_part = in_part


def packed(error: RetrainError | OSError | MemoryError) -> dict[str, str]:
    """Return an error as JSON, for another process."""
    if isinstance(error, RetrainError):
        kind, message = type(error).__name__, error.message
    else:
        kind = next(each.__name__ for each in type(error).__mro__ if hasattr(builtins, each.__name__))
        message = str(error)
    trace = "".join(traceback.format_exception(error))
    return {"error": kind, "message": message, "quoted": str(error.__cause__ or ""), "traceback": trace}


def unpacked(value: dict[str, str]) -> Exception:
    """Return the error that another process has raised. Its cause has the text and the traceback of the one there."""
    kind: type[Exception] = globals().get(value["error"]) or getattr(builtins, value["error"])
    error, cause = kind(value["message"]), Exception(value["quoted"])
    cause.add_note(value["traceback"])
    error.__cause__ = cause
    return error


RETRIES: dict[type[BaseException], bool] = {
    # A person must correct something first.
    RetrainError: False,
    SettingsError: False,
    MissingExtraError: False,
    SpecError: False,
    EstimatorError: False,
    SourceMismatchError: False,
    BlockedDataError: False,
    ErasedRowsError: False,
    NotInLedgerError: False,
    TrackerError: False,  # MLflow refused; what has not been answered is NoAnswerError
    NotFoundError: False,
    UntrustedModelError: False,
    ToldError: False,
    ForeignProductionError: False,
    OtherVersionError: False,
    StaleVerdictError: False,
    FrozenError: False,
    SplitTestError: False,
    RollbackError: False,
    AdoptionError: False,
    JudgingError: False,
    BacktestError: False,
    # A server, a disk or a lock of somebody else's may be back in half an hour.
    SourceError: True,
    SnapshotError: True,
    LedgerError: True,
    NoAnswerError: True,
    ChannelError: True,
    EndedError: True,
    # Errors of others: the system's own pass (OSError has the errors of sockets and files among it) ...
    BaseException: True,
    OSError: True,
    MemoryError: True,
    # ... but not a file or a program that is not there, and not a mistake in code or data.
    FileNotFoundError: False,
    NotADirectoryError: False,
    IsADirectoryError: False,
    PermissionError: False,
    ArithmeticError: False,
    AssertionError: False,
    AttributeError: False,
    ImportError: False,
    LookupError: False,
    NameError: False,
    NotImplementedError: False,
    RecursionError: False,
    SyntaxError: False,
    TypeError: False,
    ValueError: False,
}
"""Whether a second try can help, by the kind of an error; its nearest kind counts."""

_RETRIES_BY_NAME = {
    "AirflowNotFoundException": False,  # a connection is missing
    "AirflowTaskTimeout": False,  # the task has waited for hours already
    "DataError": False,  # of a database: the query is at fault, or the rows, or a right
    "IntegrityError": False,
    "NotSupportedError": False,
    "ProgrammingError": False,
}
"""The same for errors whose library must not be imported here; `ValidationError` of pydantic is a ValueError."""


def can_help(error: BaseException) -> bool:
    """Return whether to try again what has failed with this error."""
    for kind in type(error).__mro__:
        known = RETRIES.get(kind, _RETRIES_BY_NAME.get(kind.__name__))
        if known is not None:
            return known
    return False
