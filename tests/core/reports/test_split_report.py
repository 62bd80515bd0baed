"""The report of a split test says all that it shows, and what would change the answer."""

from itertools import pairwise
from pathlib import Path

import pytest

from retrain.arms import SplitEnd, SplitLook
from retrain.reports.page import Picture, Table, write_html, write_markdown
from retrain.reports.split_report import Facts, of_split
from tests.core.ab.makers import BEGAN, DAY
from tests.core.ab.story import BEGUN, STEPS, TEST, looks


def facts(looks: list[SplitLook], end: SplitEnd | None = None) -> Facts:
    return Facts(TEST, BEGUN, STEPS, looks, end, [("Run in MLflow", "https://mlflow.example/run")])


def text(facts: Facts, folder: Path) -> str:
    return write_markdown(of_split(facts), folder).read_text("utf-8").replace("\\", "")  # Markdown's escapes


def test_before_the_first_look_it_says_how_the_test_began(tmp_path: Path) -> None:
    said = text(facts([]), tmp_path)
    assert "Nobody has looked at it yet." in said
    assert "a new ranking" in said
    assert "50,000 units are exposed in 8 weeks" in said
    assert [*tmp_path.glob("*.png")] == []


def test_while_it_runs_it_says_what_lacks_and_what_would_be_found(tmp_path: Path) -> None:
    seen = looks(days=30)
    said = text(facts(seen), tmp_path)
    assert "not decided yet" in said
    assert "all of the interval of bought above 0" in said
    assert "With the units of now, bought would be taken as better, from a difference of +0.0" in said
    assert seen[-1].smallest is not None
    assert f"a gain of {seen[-1].smallest:.3g} is found by 2026-03-02 in 4 of 5 tests" in said
    assert "latency, guardrail" in said
    assert "within its margin" in said


def test_its_arms_have_their_share_and_units(tmp_path: Path) -> None:
    arms = next(section for section in of_split(facts(looks())).sections if section.title == "Arms")
    table = arms.parts[0]
    assert isinstance(table, Table)
    assert [*table.rows] == [("Production", "1", "50%", "10,500"), ("Staging", "2", "50%", "10,500")]


def test_each_look_is_a_row_the_newest_first() -> None:
    section = next(section for section in of_split(facts(looks())).sections if section.title == "Looks")
    table = section.parts[0]
    assert isinstance(table, Table)
    times = [str(row[0]) for row in table.rows]
    assert len(times) == 5
    assert all(one > other for one, other in pairwise(times))


@pytest.mark.parametrize(
    ("better", "latency", "found"),
    [(0.03, 0.0, "better"), (-0.03, 0.0, "worse"), (0.0, 30.0, "worse"), (0.0, -30.0, "better")],
)
def test_what_each_metric_shows_is_said_in_the_direction_that_is_better(
    better: float, latency: float, found: str
) -> None:
    section = next(
        section for section in of_split(facts(looks(better, latency))).sections if section.title == "What it shows"
    )
    table = section.parts[0]
    assert isinstance(table, Table)
    assert table.rows[0 if better else 1][-1] == found


def test_what_has_ended_says_how_and_no_longer_what_would_change_it(tmp_path: Path) -> None:
    end = SplitEnd(outcome="promoted", why="bought is better.", at=BEGAN + 22 * DAY)
    said = text(facts(looks(0.03), end), tmp_path)
    assert "It has ended, promoted, on 2026-01-27 00:00 UTC: bought is better." in said
    assert "What would change the answer" not in said
    assert "It ends on" not in said


def test_the_pictures_are_of_exposure_and_of_each_metric(tmp_path: Path) -> None:
    pictures = [
        part for section in of_split(facts(looks())).sections for part in section.parts if isinstance(part, Picture)
    ]
    assert [each.name for each in pictures] == ["exposure", "differences"]
    assert all(each.png.startswith(b"\x89PNG") for each in pictures)


def test_the_same_test_gives_the_same_page(tmp_path: Path) -> None:
    first, second = (write_html(of_split(facts(looks())), tmp_path, name).read_bytes() for name in ("first", "second"))
    assert first == second
