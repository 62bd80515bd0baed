"""Names of our own columns among the user's, and the metadata that a source writes into the schema of its rows."""

import json
from collections.abc import Sequence

# The dot keeps them apart from the user's features: "content" is a common name for a text.
CONTENT, GROUP, SUBSET, ROUND = "retrain.content", "retrain.group", "retrain.subset", "retrain.holdout_round"

KEY_ORDER = b"retrain.key_order"
"""The order of the keys: `NUMBERS` or `TEXT`."""
NUMBERS = b"numbers"
"""Keys are whole numbers in numeric order."""
TEXT = b"text"
"""Keys are in the byte order of their text."""

SINCE = b"retrain.since"
"""Only rows with a label time after this one were read, in ISO 8601; absent where all rows were read."""

TAKEN_AT = b"retrain.taken_at"
"""When the rows were read, by the database's clock, in ISO 8601."""

ALSO = b"retrain.also"
"""Columns that are not features: a JSON list of their names; absent where there are none."""


def names_to_bytes(names: Sequence[str]) -> bytes:
    return json.dumps(names).encode()


def names_from_bytes(text: bytes | None) -> list[str]:
    return list(json.loads(text)) if text else []
