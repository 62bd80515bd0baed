"""The exit statuses of all commands: their help and docs/reference/commands.md print these tables."""

from retrain.records import Outcome

GOOD, FAULT, NOT_REPEATED = 0, 1, 2
BAD_USAGE = 64
"""What BSD calls EX_USAGE. Typer's own status, 2, is a verdict here."""

OF_VERDICT = {Outcome.PROMOTE: 0, Outcome.HOLD: 1, Outcome.INCONCLUSIVE: 2}

_OF_ALL = {
    GOOD: "done",
    FAULT: "refused, with a line for each fault",
    BAD_USAGE: "a wrong command line",
}
_OF_ONE = {
    "doctor": {GOOD: "nothing fails (there may be warnings)", FAULT: "something fails"},
    "check": {GOOD: "all specs are good", FAULT: "at least one fault"},
    "audit": {
        GOOD: "no fault (there may be warnings and notes)",
        FAULT: "at least one fault, or MLflow does not answer",
    },
    "reconcile": {GOOD: "the ledger and MLflow agree", FAULT: "refused, or a difference stays"},
    "reproduce": {
        GOOD: "both predict the same",
        FAULT: "refused, or they do not predict the same, or something is gone",
    },
    "judge": {status: str(outcome) for outcome, status in OF_VERDICT.items()}
    | {BAD_USAGE: "the files or options are at fault"},
    "adopt": {NOT_REPEATED: "nothing was done: format and digest were not repeated"},
}


def of_command(name: str) -> dict[int, str]:
    """Return the exit statuses of a command, and what each means."""
    return _OF_ALL | _OF_ONE.get(name, {})


def sentence(name: str) -> str:
    """Return the exit statuses of a command as a line of its help."""
    said = ", ".join(f"{status} {meaning}" for status, meaning in sorted(of_command(name).items()))
    return f"Exit status: {said}."
