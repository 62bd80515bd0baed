"""Text for people, made to fit where it is shown."""

import re

LONGEST_ERROR = 1_000
"""Characters of the text of an error that Retrain quotes."""
_NOT_STORABLE = re.compile(r"[\x00\ud800-\udfff]")


def one_line(text: object) -> str:
    """Return the text of a value with single spaces in place of line breaks and runs of blanks.

    The text of an exception enters Retrain here: others write it, so it is shortened, and made storable.
    """
    line = " ".join(str(text).split())
    if not isinstance(text, BaseException):
        return line
    return shorten(storable(line), LONGEST_ERROR, keep_end=True, keep_lines=True)


def storable(text: str) -> str:
    """Return the text with a replacement sign for what PostgreSQL cannot store or UTF-8 cannot encode."""
    return _NOT_STORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def printable(text: str) -> str:
    """Return the text with escapes in place of what is not printed as it is: line breaks, half a surrogate pair."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def shorten(text: str, most: int, *, keep_end: bool = False, keep_lines: bool = False) -> str:
    """Return at most `most` characters of the text, with an ellipsis where some are left out.

    keep_end: cut the middle and not the end, because long names often differ at their end. keep_lines: keep line breaks
    and spaces as they are; else the text becomes one line.

    Not `textwrap.shorten`: that one cuts between words, and drops a long text without spaces.
    """
    text = text if keep_lines else one_line(text)
    if len(text) <= most:
        return text
    end = most // 3 if keep_end else 0
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"
