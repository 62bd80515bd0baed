"""Markdown as each page of docs/reference/ writes it."""

import re
from collections.abc import Iterable, Sequence

NOTE = "<!-- Made from the code by `make reference`: change the code, not this page. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def prose(text: str) -> str:
    """Return paragraphs of the code as Markdown: each in one line, and no < begins a tag."""
    parts = [" ".join(part.split()) for part in text.split("\n\n")]
    return "\n\n".join("".join(_literal(piece) for piece in re.split(r"(`[^`]*`)", part)) for part in parts)


def _literal(piece: str) -> str:
    if piece.startswith("`"):
        return piece
    return re.sub(r"\bdocs/([\w/]+\.md)", r"[docs/\1](../\1)", piece).replace("<", "\\<").replace("*.", "\\*.")


def page(title: str, parts: Iterable[str]) -> str:
    return "\n\n".join((f"# {title}", NOTE, *parts)) + "\n"
