"""One result for each `Idempotency-Key`: a client that got no response sends the same request again."""

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from fastapi import Header
from pydantic import BaseModel

from retrain_airflow.api.access import Caller
from retrain_airflow.api.problems import UnprocessableError

if TYPE_CHECKING:
    from retrain.ledger.ledger import Ledger

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same request, sent again with this key, returns the result of the first one.",
        examples=["b9c1f0d2"],
    ),
]


def once(
    ledger: "Callable[[], Ledger]",
    caller: Caller,
    key: str | None,
    body: BaseModel,
    create: Callable[[str | None], str],
) -> str:
    """Return the result of the first `create` for this caller's key and kind of body; without a key, of a new one.

    create: gets the claim (DESIGN rule 7), by which it finds what a killed try has made. Raises UnprocessableError if
    the key came with another body before.
    """
    if key is None:
        return create(None)
    claim, digest = _digest("api", caller.name, type(body).__name__, key), _digest(body.model_dump_json())
    made = ledger().once(claim, find=lambda: None, create=lambda: f"{digest} {create(claim)}")
    sent, _, result = made.partition(" ")
    if sent != digest:
        raise UnprocessableError("Idempotency-Key: it came with another body before; send a new key with a new request")
    return result


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
