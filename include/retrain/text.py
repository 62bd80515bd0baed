"""Text for people, made to fit where it is shown; and text for SQL, quoted."""

import re
import unicodedata

LONGEST_ERROR = 1_000
"""Characters of the text of an error that Retrain quotes."""
_LONGEST_NAME = 63
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


def columns(text: str) -> int:
    """Return the columns that a terminal needs: two for a Korean or Chinese sign."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Return the text with blanks up to this many columns; right: before it."""
    blanks = " " * (width - columns(text))
    return blanks + text if right else text + blanks


def sql_name(name: str) -> str:
    """Return a name (of a role, a schema, a column) as SQL quotes it. Raises ValueError where PostgreSQL cannot."""
    if not name or "\0" in name or len(name.encode()) > _LONGEST_NAME:
        raise ValueError(f"{printable(shorten(name, 80))!r} is not a name for PostgreSQL: it has 1 to 63 bytes, none 0")
    return '"' + name.replace('"', '""') + '"'


def sql_text(text: str) -> str:
    """Return a text as SQL quotes it, whatever the session's `standard_conforming_strings`."""
    quoted = "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    return f" E{quoted}" if "\\" in text else quoted


def sql_block(statements: str) -> str:
    """Return PL/pgSQL statements as one statement, which may choose what to do."""
    tag = "$do$"
    while tag in statements:
        tag = f"{tag[:-1]}_$"
    return f"DO {tag} BEGIN {statements} END {tag}"
