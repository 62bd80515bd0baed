"""A text for people fits where it is shown."""

import pytest

from retrain.text import shorten

LONG = "a class of a long name 7"


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, "a class o…"), ({"keep_end": True}, "a clas…e 7")],
)
def test_a_long_text_loses_its_end_or_its_middle(options: dict[str, bool], expected: str) -> None:
    assert shorten(LONG, 10, **options) == expected
    assert len(expected) == 10
    assert shorten(LONG, len(LONG), **options) == LONG


def test_a_text_becomes_one_line_or_keeps_its_lines() -> None:
    assert shorten(" a\n\tb ", 9) == "a b"
    assert shorten(" a\n\tb ", 9, keep_lines=True) == " a\n\tb "
    assert shorten("a\nb\nc", 4, keep_lines=True) == "a\nb…"
