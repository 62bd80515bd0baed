"""In which order a source gives its rows, and a snapshot holds them: said in the metadata of their schema."""

KEY_ORDER = b"retrain.key_order"
NUMBERS = b"numbers"
"""Keys are whole numbers, in their order."""
TEXT = b"text"
"""Keys are in the order of their text's bytes."""
