"""The pages of docs/reference/ are made from the code, and say something of everything in it."""

from pathlib import Path

import pytest

from reference import spec
from reference.attributes import docs_of
from reference.pages import PAGES
from retrain.topics import Topic


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_is_what_the_code_says_now(path: Path) -> None:
    committed = path.read_text(encoding="utf-8")
    assert PAGES[path]() == committed, f"{path.name} is not what the code says: run `make reference`, and commit it"


@pytest.mark.parametrize("place", spec.places(), ids=lambda place: place.path or "the spec")
def test_every_field_of_a_spec_says_what_it_is_for(place: spec.Place) -> None:
    assert place.kind.__doc__
    assert [name for name in place.kind.model_fields if not spec.meaning(place.kind, name)] == []


def test_every_topic_says_what_has_happened() -> None:
    assert docs_of(Topic).keys() == {topic.name for topic in Topic} | {"level"}
