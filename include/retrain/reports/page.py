"""A page for people: as HTML that needs nothing beside it, or as Markdown with its pictures beside it.

What users wrote is text in both. There is no script in it, and nothing is fetched from another host.
"""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from retrain.messages.formats import is_of_the_web, markdown_text

_STYLE = """
:root { color-scheme: light dark; background: Canvas; color: CanvasText; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif;
  word-break: keep-all; }
h1, h2, p, li { overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.2rem; margin-top: 2rem; }
p { max-width: 48rem; }
figure { margin: 1rem 0; }
ul { padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; }
div { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent); }
th, td { text-align: left; vertical-align: top; max-width: 36rem; overflow-wrap: anywhere; }
th { min-width: 4rem; }
td.number, th.number { text-align: right; white-space: nowrap; }
thead th { overflow-wrap: break-word; }
tbody th { font-weight: normal; }
a { color: #0b57d0; }
@media (prefers-color-scheme: dark) { a { color: #8ab4f8; } }
img { max-width: 100%; height: auto; background: white; }
"""

Cell = str | float | None


@dataclass(frozen=True)
class Table:
    """The first cell of each row says what the row is about."""

    rows: Sequence[Sequence[Cell]]
    columns: Sequence[str] = ()
    """Empty where each row is a name and what it is."""


@dataclass(frozen=True)
class Picture:
    name: str
    """Of its file, without the ending."""
    says: str
    """What it shows, for who does not see it."""
    png: bytes


@dataclass(frozen=True)
class Links:
    links: Sequence[tuple[str, str]]
    """What is there, and its address; those that are not of the web are left out."""


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
    """As `<name>.html` in this folder, its pictures in it. The same page gives the same file."""
    body = [f"<h1>{escape(page.title)}</h1>", *(_html(part, page.title) for part in page.parts)]
    for section in page.sections:
        body.append(f"<h2>{escape(section.title)}</h2>")
        body += [_html(part, section.title) for part in section.parts]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>{escape(page.title)}</title><style>{_STYLE}</style>"
    main = "\n".join(body)
    text = f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><main>\n{main}\n</main></body></html>\n'
    return _written(folder / f"{name}.html", text)


def write_markdown(page: Page, folder: Path, name: str = "report") -> Path:
    """As `<name>.md` in this folder, its pictures beside it."""
    parts = [f"# {markdown_text(page.title)}", *(_markdown(part) for part in page.parts)]
    for section in page.sections:
        parts += [f"## {markdown_text(section.title)}", *(_markdown(part) for part in section.parts)]
    for picture in _pictures(page):
        (folder / f"{picture.name}.png").write_bytes(picture.png)
    return _written(folder / f"{name}.md", "\n\n".join(filter(None, parts)) + "\n")


def _pictures(page: Page) -> list[Picture]:
    every = [*page.parts, *(part for section in page.sections for part in section.parts)]
    return [part for part in every if isinstance(part, Picture)]


def _written(path: Path, text: str) -> Path:
    # Half a character, as a name may hold, cannot be said in UTF-8.
    path.write_text(text, encoding="utf-8", errors="replace")
    return path


# ── HTML


def _html(part: Part, title: str) -> str:
    """title: of what it is in."""
    if isinstance(part, Table):
        return _html_table(part, title)
    if isinstance(part, Picture):
        data = base64.b64encode(part.png).decode()
        return f'<figure><img alt="{escape(part.says)}" src="data:image/png;base64,{data}"></figure>'
    if isinstance(part, Links):
        links = (f'<li><a href="{escape(address)}">{escape(name)}</a></li>' for name, address in _safe(part))
        return f"<ul>{''.join(links)}</ul>"
    return f"<p>{escape(part)}</p>"


def _html_table(table: Table, title: str) -> str:
    numbers = [all(isinstance(row[place], float | int) for row in table.rows) for place in range(len(table.columns))]
    head = ""
    if table.columns:
        cells = (
            f'<th scope="col"{_align(right)}>{escape(column)}</th>'
            for column, right in zip(table.columns, numbers, strict=True)
        )
        head = f"<thead><tr>{''.join(cells)}</tr></thead>"
    rows = (
        f'<tr><th scope="row"{_align(isinstance(row[0], float | int))}>{escape(_text(row[0]))}</th>'
        f"{''.join(map(_html_cell, row[1:]))}</tr>"
        for row in table.rows
    )
    # Scrolls where it is too wide; to be reached by keyboard then, and named.
    around = f'<div role="region" tabindex="0" aria-label="{escape(title)}">'
    return f"{around}<table>{head}<tbody>{''.join(rows)}</tbody></table></div>"


def _html_cell(cell: Cell) -> str:
    return f"<td{_align(isinstance(cell, float | int))}>{escape(_text(cell))}</td>"


def _align(right: bool) -> str:
    return ' class="number"' if right else ""


# ── Markdown


def _markdown(part: Part) -> str:
    if isinstance(part, Table):
        return _markdown_table(part)
    if isinstance(part, Picture):
        return f"![{markdown_text(part.says)}]({part.name}.png)"
    if isinstance(part, Links):
        return " · ".join(f"[{markdown_text(name)}](<{_quoted(address)}>)" for name, address in _safe(part))
    return markdown_text(part)


def _markdown_table(table: Table) -> str:
    columns = table.columns or [""] * max(map(len, table.rows), default=0)
    lines = [[markdown_text(column) for column in columns], ["---"] * len(columns)]
    lines += [[markdown_text(_text(cell)) for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _quoted(address: str) -> str:
    return address.replace("<", "%3C").replace(">", "%3E").replace("\\", "%5C")


# ── both


def _safe(part: Links) -> list[tuple[str, str]]:
    return [(name, address) for name, address in part.links if is_of_the_web(address)]


def _text(cell: Cell) -> str:
    if isinstance(cell, float):
        return "" if math.isnan(cell) else f"{cell:.4g}"
    return "" if cell is None else str(cell)
