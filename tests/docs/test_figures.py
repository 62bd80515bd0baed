"""A figure that was measured stands in a section that names the benchmark or the test which measures it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.home import PROJECT
from tests.docs.blocks import PAGES, name, prose

FIGURE = re.compile(r"\d[\d.,]*½? ?(?:ms|s|min|minutes|seconds|hours|KB|MB|GB|%)(?![\w/])|\d[\d.]* times as")
SOURCE = re.compile(r"`((?:benchmarks|tests|matrix)/[\w./]+)`|`(docker stats)`")

NOT_MEASURED = {
    "docs/audit.md": {"95%"},  # of an interval
    "docs/backtest.md": {"95%"},  # of an interval
    "docs/channels.md": {"30 s"},
    "docs/decisions/api.md": {"1.5 s", "7 s", "90 s"},
    "docs/decisions/checks.md": {"0.1%"},
    "docs/decisions/dashboard.md": {"15 s", "3 s"},
    "docs/decisions/outbox.md": {"20 s"},
    "docs/decisions/split.md": {"40%"},
    "docs/gate.md": {"1 ms"},
    "docs/init.md": {"20 s", "40%"},
    "docs/training.md": {"64 KB"},
}
"""What is not measured: what the code or a spec sets, and what follows by arithmetic."""


def sections(path: Path) -> Iterator[str]:
    yield from re.split(r"^(?=#{1,3} )", prose(path), flags=re.MULTILINE)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_a_figure_names_what_measures_it(path: Path) -> None:
    without = {
        figure
        for section in sections(path)
        if not SOURCE.search(section)
        for figure in FIGURE.findall(section)
        if figure not in NOT_MEASURED.get(name(path), set())
    }
    assert without == set()


def test_what_measures_is_there() -> None:
    named = {each[0] for path in PAGES for each in SOURCE.findall(prose(path)) if each[0]}
    assert [each for each in sorted(named) if not (PROJECT / each).exists()] == []


def test_no_line_of_the_table_is_idle() -> None:
    idle = {
        (page, figure)
        for page, figures in NOT_MEASURED.items()
        for figure in figures
        if figure not in FIGURE.findall(prose(PROJECT / page))
    }
    assert idle == set()
