"""The fenced blocks of README.md and docs/, and the commands in their text."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

from stack.home import PROJECT

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
_FENCED = re.compile(r"^ *```(?P<language>[^\n]*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    page: str
    language: str
    text: str

    @property
    def begins(self) -> str:
        return self.text.partition("\n")[0]

    def __str__(self) -> str:
        return f"{self.page}: {self.begins}"


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def blocks_of(page: str) -> list[Block]:
    return [Block(page, each["language"], dedent(each["text"])) for each in _FENCED.finditer(read(PROJECT / page))]


def prose(path: Path) -> str:
    """Return a page without its blocks."""
    return _FENCED.sub("", read(path))


def inline() -> Iterator[tuple[str, str]]:
    """Yield what stands between backticks in text, each with its page."""
    for path in PAGES:
        for code in re.findall(r"`([^`]+)`", prose(path)):
            yield name(path), " ".join(code.split())


BLOCKS = [block for path in PAGES for block in blocks_of(name(path))]
