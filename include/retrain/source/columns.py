"""The names of our own columns among the user's, and what a source says of its rows in the metadata of their schema."""

# With a dot, so that no feature of the user's is called the same: "content" is a common name for a text.
CONTENT, GROUP, SUBSET, ROUND = "retrain.content", "retrain.group", "retrain.subset", "retrain.holdout_round"

KEY_ORDER = b"retrain.key_order"
"""In which order they come."""
NUMBERS = b"numbers"
"""Keys are whole numbers, in their order."""
TEXT = b"text"
"""Keys are in the order of their text's bytes."""

SINCE = b"retrain.since"
"""After which label time rows were taken, in ISO 8601, where not all were."""
