"""Page tokens: where a list continues. A token is valid only for the query that it was made for."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from retrain_airflow.api.problems import UnprocessableError

_Item = TypeVar("_Item")

_INVALID = "page_token: it is not a page token; leave it out for the first page"


def token(place: str | None, *query: Any) -> str | None:
    """Return the token of the next page. place: where the list continues, in its own terms; None at its end."""
    if place is None:
        return None
    return base64.urlsafe_b64encode(json.dumps([_digest(query), place]).encode()).decode().rstrip("=")


def place(token: str | None, *query: Any) -> str | None:
    """Return where the list continues. Raises UnprocessableError for an invalid token, or one of another query."""
    if token is None:
        return None
    try:
        padded = token + "=" * (-len(token) % 4)
        digest, found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise UnprocessableError(_INVALID) from error
    # MLflow's server fails on a token that is not ASCII.
    if digest != _digest(query) or not isinstance(found, str) or not found.isascii():
        raise UnprocessableError("page_token: it belongs to another query; send that query, or leave the token out")
    return found


def number(token: str | None, *query: Any) -> int | None:
    """Return a place that is a number. Raises UnprocessableError as `place` does."""
    found = place(token, *query)
    if found is not None and not found.isdecimal():
        raise UnprocessableError(_INVALID)
    return None if found is None else int(found)


def part(
    items: Sequence[_Item], key: Callable[[_Item], int], size: int, page_token: str | None, *query: Any
) -> tuple[list[_Item], str | None]:
    """Return one page of a list in the order of `key`, of which all items are here, and the token of the next page."""
    after = number(page_token, *query)
    rest = [item for item in items if after is None or key(item) > after]
    more = len(rest) > size
    return rest[:size], token(str(key(rest[size - 1])), *query) if more else None


def part_by_place(
    items: Sequence[_Item], size: int, page_token: str | None, *query: Any
) -> tuple[list[_Item], str | None]:
    """Return the same for a list whose items are identified only by their place in it."""
    page, after = part(list(enumerate(items)), lambda each: each[0], size, page_token, *query)
    return [item for _, item in page], after


def _digest(query: tuple[Any, ...]) -> str:
    return hashlib.sha256(json.dumps(query, default=str).encode()).hexdigest()[:16]
