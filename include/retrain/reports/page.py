"""A page for people: as HTML that needs nothing beside it, or as Markdown with its pictures beside it.

What users wrote is text in both. The page has no script, and fetches nothing from another host.
"""

import base64
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from retrain.messages.rendering import environment, is_web_address

Cell = str | float | None


@dataclass(frozen=True)
class Table:
    """The first cell of each row says what the row is about."""

    rows: Sequence[Sequence[Cell]]
    columns: Sequence[str] = ()
    """Headings; empty where each row is a name and its value."""

    @property
    def width(self) -> int:
        return max(map(len, self.rows), default=0)

    def has_only_numbers(self, column: int) -> bool:
        return all(isinstance(row[column], float | int) for row in self.rows)


@dataclass(frozen=True)
class Picture:
    name: str
    """The file's name without its ending."""
    alt: str
    """What the picture shows, for readers who do not see it."""
    png: bytes


@dataclass(frozen=True)
class Links:
    links: Sequence[tuple[str, str]]
    """The name and the address of each link; a page leaves out addresses that are not of the web."""


Part = str | Table | Picture | Links
"""A text is a paragraph."""


@dataclass(frozen=True)
class Section:
    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Page:
    title: str
    parts: Sequence[Part]
    """Above all sections."""
    sections: Sequence[Section]


def write_html(page: Page, folder: Path, name: str = "report") -> Path:
    """Write the page as `<name>.html`, its pictures in it, and return the path. The same page gives the same file."""
    return _write(page, "page.html.jinja", folder / f"{name}.html")


def write_markdown(page: Page, folder: Path, name: str = "report") -> Path:
    """Write the page as `<name>.md`, its pictures beside it, and return the path."""
    for part in [*page.parts, *(part for section in page.sections for part in section.parts)]:
        if isinstance(part, Picture):
            (folder / f"{part.name}.png").write_bytes(part.png)
    return _write(page, "page.md.jinja", folder / f"{name}.md")


def _write(page: Page, template: str, path: Path) -> Path:
    shown = Page(
        page.title,
        [*_shown(page.parts)],
        [replace(section, parts=[*_shown(section.parts)]) for section in page.sections],
    )
    text = TEMPLATES.get_template(template).render(page=shown)
    # UTF-8 cannot hold half a surrogate pair, which a name may hold.
    path.write_text(text, encoding="utf-8", errors="replace")
    return path


def _shown(parts: Sequence[Part]) -> Iterator[Part]:
    """The parts without links that are not of the web, and without lists of links that are then empty."""
    for part in parts:
        if not isinstance(part, Links):
            yield part
        elif links := [(name, address) for name, address in part.links if is_web_address(address)]:
            yield Links(links)


def _base64(png: bytes) -> str:
    return base64.b64encode(png).decode()


def _cell_text(cell: Cell) -> str:
    if isinstance(cell, float):
        return "" if math.isnan(cell) else f"{cell:.4g}"
    return "" if cell is None else str(cell)


def _in_angle_brackets(address: str) -> str:
    """An address as it may stand between < and > in CommonMark."""
    return address.replace("<", "%3C").replace(">", "%3E").replace("\\", "%5C")


TEMPLATES = environment(Path(__file__).with_name("templates"))
"""Those of all pages; they share one style."""
TEMPLATES.filters |= {
    "base64": _base64,
    "cell": _cell_text,
    "in_angle_brackets": _in_angle_brackets,
}
TEMPLATES.tests |= {
    "table": lambda part: isinstance(part, Table),
    "picture": lambda part: isinstance(part, Picture),
    "links": lambda part: isinstance(part, Links),
}
