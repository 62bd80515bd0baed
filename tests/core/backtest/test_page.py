"""A backtest as people read it: in a terminal, and as one page."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from retrain.backtest import words
from retrain.backtest.aging import wanted
from retrain.backtest.compare import compare
from retrain.backtest.compared import Compared
from retrain.backtest.page import to_html, write_html
from retrain.backtest.replayed import Rule
from retrain.backtest.table import WIDTH, to_text
from retrain.text import columns
from tests.core.backtest.histories import SHIPPED, Made, history, spec_of

HOSTILE = "<script>alert(1)</script>\x1b[2J"
LONG = "자기소개서 정책 " * 12
POLICIES = (
    SHIPPED,
    Made("2000, not worse", 0.86, cpu=250, changes={"threshold": {"rows": 2000}, "gate": {"margin": 0.01}}),
    Made("always", 0.87, Rule.ALWAYS, changes={}),
    Made("never", 0.6, Rule.NEVER, cpu=2, changes={}, blocked=3),
    Made(HOSTILE, 0.79),
    Made(LONG, 0.79),
)


@pytest.fixture(scope="module")
def compared() -> Compared:
    return compare(history(*POLICIES))


@pytest.fixture(scope="module")
def page(compared: Compared) -> str:
    return to_html(compared)


class _Reader(HTMLParser):
    """The elements of a page, each closed by its own end."""

    VOID = ("meta", "br", "img", "source")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


# ── terminal


def test_the_table_fits_its_width_whatever_the_names(compared: Compared) -> None:
    text = to_text(compared)
    table = text.split("\n\n")[0]
    assert len(table.splitlines()) == 2 + len(POLICIES)
    assert max(map(columns, table.splitlines())) <= WIDTH
    assert "\x1b" not in text


def test_the_numbers_of_a_policy_stand_below_their_headings(compared: Compared) -> None:
    first, second, *rows = to_text(compared).splitlines()
    (better,) = [row for row in rows if row.startswith("> 2000, not worse")]
    for head, heading, value in ((second, "trained", "5"), (second, "(worse)", "3 (1)"), (second, "(better)", "2 (1)")):
        end = head.index(heading) + len(heading)
        assert better[:end].endswith(value)
    assert first.split()[0] == "accuracy"


def test_it_says_what_is_recommended_and_why_and_what_was_not_replayed(compared: Compared) -> None:
    text = " ".join(to_text(compared).split())
    for each in (
        'Of 4 policies with a gate, "2000, not worse" is surely the best.',
        "Only policies with a gate are ever recommended",
        "which the choice has not seen",
        "surely better. ",
        'Recommended: "2000, not worse". It is surely better than the spec as it is',
        'Cycles that a check has ended before training: "never" 3.',
        "Not replayed: alarms on Production.",
    ):
        assert each in text


def test_an_error_is_told_in_its_own_units_and_points_in_points() -> None:
    points = to_text(compare(history(SHIPPED, Made("b"))))
    own = to_text(compare(history(SHIPPED, Made("b"), spec=spec_of(metric="log_loss", ceiling=2.0))))
    assert "points" in points
    assert "points" not in own
    assert max(map(len, own.splitlines())) <= WIDTH


# ── page


def test_the_page_is_whole_and_asks_no_other_host(page: str) -> None:
    reader = _Reader(page)
    assert reader.open == []
    assert not re.search(r"<script|<link|@import|url\(|https?:", page)
    addresses = [each["src"] for each in reader.all("img")] + [each["srcset"] for each in reader.all("source")]
    assert len(addresses) == 10
    assert all(each is not None and each.startswith("data:image/png;base64,") for each in addresses)


def test_each_picture_has_a_text_a_dark_twin_and_its_numbers(page: str) -> None:
    reader = _Reader(page)
    assert len(reader.all("img")) == len(reader.all("source")) == len(reader.all("details")) == 5
    assert all(each["alt"] for each in reader.all("img"))
    assert {each["media"] for each in reader.all("source")} == {"(prefers-color-scheme: dark)"}


def test_the_page_says_the_answer_first_and_explains_its_words(page: str, compared: Compared) -> None:
    text = " ".join(_Reader(page).text.split())
    assert text.index(compared.choice.reason) < text.index("rows from 2020-01-06")
    for each in ("threshold.rows: 2000; gate.margin: 0.01", "always: each challenger goes into Production", "Surely: "):
        assert each in text


def test_what_users_wrote_is_text_in_the_page(page: str) -> None:
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_same_backtest_gives_the_same_page_also_from_its_json(
    compared: Compared, page: str, tmp_path: Path
) -> None:
    path = tmp_path / "backtest.html"
    write_html(Compared.from_json(compared.to_json()), path)
    assert path.read_text("utf-8") == page


def test_a_page_of_one_policy_and_a_few_days_is_drawn() -> None:
    reader = _Reader(to_html(compare(history(SHIPPED, weeks=3, days=1))))
    assert "Difference to the spec as it is" not in reader.text


# ── models by time


def test_the_models_to_ask_are_few_and_each_only_about_rows_since_it_served() -> None:
    made = history(Made("as it is", changes={}, events=[(True, 0)] * 40))
    own = made.replays[0]
    asked = wanted(own)
    assert len(asked) == 12
    assert [decision for decision, _ in asked][:: len(asked) - 1] == [0, 39]
    for decision, rows in asked:
        assert (own.served[rows] >= decision).all()


# ── words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (0.4, "0.4 s"), (45, "45 s"), (60, "1 min"), (100, "1.7 min"), (5_400, "90 min"), (7_200, "2 h")],
)
def test_a_duration_is_told_in_the_unit_that_fits(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said
