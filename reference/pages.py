"""Which pages there are, and what writes each."""

from pathlib import Path

from reference import announcements, commands, spec

_FOLDER = Path(__file__).parent.parent / "docs" / "reference"
PAGES = {
    _FOLDER / "spec.md": spec.text,
    _FOLDER / "commands.md": commands.text,
    _FOLDER / "announcements.md": announcements.text,
}
