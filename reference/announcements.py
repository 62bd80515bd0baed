"""docs/reference/announcements.md: what the team is told."""

from reference.attributes import docs_of
from reference.page import page, table
from retrain.topics import Topic


def text() -> str:
    intro = (
        "Each announcement has one topic, and a topic has one level. `least` of a channel in the spec says from which "
        "level on it is told there. A web hook gets both, as `topic` and `level`. Each topic here links to what to "
        "look at, and what to press."
    )
    said = docs_of(Topic)
    rows = ([f"[{topic}](../incident.md#{topic})", topic.level, said[topic.name]] for topic in Topic)
    return page("What the team is told", [intro, table(["topic", "level", "what has happened"], rows)])
