"""The templates of messages and pages: what users wrote is text in each of them, never markup."""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_LONGEST_ADDRESS = 2_000


def environment(folder: Path) -> Environment:
    """Return the templates of a folder: `*.html.jinja` escapes by itself, `*.md.jinja` with the filter `markdown`."""
    templates = Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(["html.jinja"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["markdown"] = markdown_text
    return templates


def markdown_text(text: str) -> str:
    """Return the text in one line, with a backslash before each character that CommonMark could take for markup."""
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~&-])", r"\\\1", " ".join(text.split()))


def is_web_address(address: str) -> bool:
    """Whether an address may become a link: one of another kind may do something when it is followed."""
    is_web = address.startswith(("http://", "https://"))
    return is_web and len(address) <= _LONGEST_ADDRESS and not re.search(r"\s", address)
