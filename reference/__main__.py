"""Writes the pages of docs/reference/. Needs nothing that runs."""

from reference.pages import PAGES

for path, text in PAGES.items():
    path.write_text(text(), encoding="utf-8")
