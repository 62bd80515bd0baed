"""Sphinx makes build/docs of this folder: `make docs`."""

project = "Retrain"
author = "the Retrain contributors"
extensions = ["myst_parser"]
exclude_patterns = ["images/*.py", "requirements.txt"]

myst_heading_anchors = 3
"""Each heading is an anchor, by the name that GitHub gives it."""

highlight_language = "none"  # a block says its language, or has none

html_theme = "furo"
html_title = "Retrain"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_static_path: list[str] = []
pygments_style = "friendly"
pygments_dark_style = "github-dark"
