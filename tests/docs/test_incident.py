"""Whoever gets an announcement finds its section in docs/incident.md."""

import ast
import re
from pathlib import Path

import pytest

from retrain.topics import Topic
from stack.home import PROJECT

PAGE = (PROJECT / "docs" / "incident.md").read_text(encoding="utf-8")
SECTIONS = {
    heading.lower().replace(" ", "-"): text for heading, text in re.findall(r"^### (.+)\n((?:(?!#).*\n)*)", PAGE, re.M)
}
WHERE_MADE = [path for root in ("include", "plugins") for path in sorted((PROJECT / root).rglob("*.py"))]


def test_each_topic_has_its_section_and_no_section_is_of_none() -> None:
    assert SECTIONS.keys() == {str(topic) for topic in Topic}


@pytest.mark.parametrize("topic", Topic)
def test_a_section_says_what_to_look_at_and_what_to_press(topic: Topic) -> None:
    text = SECTIONS[topic]
    assert text.strip().startswith("*")
    assert "\n- **Look**" in text
    assert "\n- **Press**" in text


def test_no_announcement_is_made_without_a_topic() -> None:
    bare = [f"{path}:{line}" for path in WHERE_MADE for line in _without_topic(path)]
    assert bare == []


def test_each_topic_is_told_somewhere() -> None:
    texts = [path.read_text(encoding="utf-8") for path in WHERE_MADE if path.name != "topics.py"]
    assert [topic for topic in Topic if not any(f"Topic.{topic.name}" in text for text in texts)] == []


def _without_topic(path: Path) -> list[int]:
    made = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("Incident", "Announcement")
    ]
    return [
        node.lineno for node in made if not {word.arg for word in node.keywords} & {"topic", None}
    ]  # None: **fields of one that was stored
