"""Page tokens: where a list goes on. One is good for the question that it was given to, and for no other."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from retrain_airflow.api.problems import UnprocessableError

_Item = TypeVar("_Item")


def token(place: str | None, *question: Any) -> str | None:
    """place: what the list goes on from, in its own terms; None at its end."""
    if place is None:
        return None
    return base64.urlsafe_b64encode(json.dumps([_digest(question), place]).encode()).decode().rstrip("=")


def place(token: str | None, *question: Any) -> str | None:
    """Raises UnprocessableError for a token that is none, or one of another question."""
    if token is None:
        return None
    try:
        padded = token + "=" * (-len(token) % 4)
        asked, found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise UnprocessableError("page_token: is none; leave it out for the first page") from error
    # MLflow's server breaks on a token of other letters.
    if asked != _digest(question) or not isinstance(found, str) or not found.isascii():
        raise UnprocessableError("page_token: is one of another question; ask that, or leave it out")
    return found


def number(token: str | None, *question: Any) -> int | None:
    """A place that is a number. Raises UnprocessableError as `place` does."""
    found = place(token, *question)
    if found is not None and not found.isdecimal():
        raise UnprocessableError("page_token: is none; leave it out for the first page")
    return None if found is None else int(found)


def part(
    items: Sequence[_Item], key: Callable[[_Item], int], size: int, given: str | None, *question: Any
) -> tuple[list[_Item], str | None]:
    """A page of a list that is here as a whole, in the order of `key`, and the token of the next one."""
    after = number(given, *question)
    rest = [item for item in items if after is None or key(item) > after]
    more = len(rest) > size
    return rest[:size], token(str(key(rest[size - 1])), *question) if more else None


def part_by_place(
    items: Sequence[_Item], size: int, given: str | None, *question: Any
) -> tuple[list[_Item], str | None]:
    """The same, of a list whose items are told apart by their place in it alone."""
    page, after = part(list(enumerate(items)), lambda each: each[0], size, given, *question)
    return [item for _, item in page], after


def _digest(question: tuple[Any, ...]) -> str:
    return hashlib.sha256(json.dumps(question, default=str).encode()).hexdigest()[:16]
