"""What a look before the first run has found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    text: str
    """One line: what is wrong, and what to do; or what is good to know."""
    fault: bool = True
    """Whether the first run would fail or be worth nothing. Otherwise it is a note."""
