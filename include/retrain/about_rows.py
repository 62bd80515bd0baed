"""What a source says of the rows that it gives, in the metadata of their schema."""

KEY_ORDER = b"retrain.key_order"
"""In which order they come."""
NUMBERS = b"numbers"
"""Keys are whole numbers, in their order."""
TEXT = b"text"
"""Keys are in the order of their text's bytes."""

SINCE = b"retrain.since"
"""After which label time rows were taken, in ISO 8601, where not all were."""
