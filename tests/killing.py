"""A process that is killed at a step, as far as a test in one process can have it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def killed_at(patches: pytest.MonkeyPatch, kind: type, step: str, *, done: bool) -> Iterator[None]:
    """Let the block be ended by a method of this class. done: after the method has done its work, else before."""
    real = getattr(kind, step)

    def killed(*positional: object, **named: object) -> None:
        if done:
            real(*positional, **named)
        raise KeyboardInterrupt

    with patches.context() as patch:
        patch.setattr(kind, step, killed)
        with pytest.raises(KeyboardInterrupt):
            yield
