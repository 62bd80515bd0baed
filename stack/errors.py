"""What can go wrong with the local stack."""

from retrain.errors import RetrainError


class StackError(RetrainError):
    """The stack cannot be started, stopped or used. The message is one line: what is wrong, and the remedy."""
