"""The site of docs/ is built without a warning, holds every page, and loads nothing from another host."""

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from stack.home import PROJECT
from tests.docs.blocks import PAGES

SPHINX = PROJECT / ".docs-venv" / "bin" / "sphinx-build"
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not SPHINX.exists():
        pytest.skip("the site's tools are not installed: run `make docs`")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [SPHINX, "--fail-on-warning", "--keep-going", "--quiet", "docs", folder],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_each_page_is_there_and_none_is_left_out_of_the_menu(site: Path) -> None:
    """Sphinx warns of a link to nothing and of a page in no menu, and a warning is an error."""
    pages = [path.relative_to(PROJECT / "docs").with_suffix(".html") for path in PAGES if path.name != "README.md"]
    assert [page for page in pages if not (site / page).exists()] == []


def test_a_page_loads_nothing_from_another_host(site: Path) -> None:
    loaded = {address for path in site.rglob("*.html") for address in _Loads.of(path)}
    assert loaded
    assert {
        address for address in loaded if re.match(r"[a-z]+:|//", address) and not address.startswith("data:")
    } == set()


def test_a_style_sheet_loads_nothing_from_another_host(site: Path) -> None:
    foreign = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])(?:https?:)?//""")
    sheets = [*site.rglob("*.css")]
    assert sheets
    assert [path.name for path in sheets if foreign.search(path.read_text(encoding="utf-8"))] == []


class _Loads(HTMLParser):
    """Addresses of what a browser loads with a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found = list[str]()

    @classmethod
    def of(cls, path: Path) -> list[str]:
        parser = cls()
        parser.feed(path.read_text(encoding="utf-8"))
        return parser.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.extend(value for name, value in attrs if value and name == LOADS.get(tag))
