"""What is made for an `Idempotency-Key` is made once: a client that had no answer sends the same again."""

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
        description="Sent again with the same body, the request gives what the first one made.",
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
    """What `create` gives for this caller's key and kind of body, the first time; without a key each time anew.

    create: told the claim (DESIGN rule 7), by which it finds what a killed predecessor made. Raises UnprocessableError
    where the key came with another body.
    """
    if key is None:
        return create(None)
    claim, digest = _digest("api", caller.name, type(body).__name__, key), _digest(body.model_dump_json())
    made = ledger().once(claim, find=lambda: None, create=lambda: f"{digest} {create(claim)}")
    sent, _, result = made.partition(" ")
    if sent != digest:
        raise UnprocessableError("Idempotency-Key: came with another body before; send a new key with a new request")
    return result


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
