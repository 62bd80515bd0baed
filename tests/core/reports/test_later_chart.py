"""The picture of later rows, drawn for real."""

from datetime import UTC, datetime, timedelta
from typing import Any

from retrain.later import CohortScore
from retrain.records import Promotion, VersionId
from retrain.reports.later_chart import draw

BEGIN, WEEK = datetime(2026, 1, 5, tzinfo=UTC), timedelta(days=7)


def cohort(place: int, version: str, **fields: Any) -> CohortScore:
    begins = BEGIN + place * WEEK
    values: dict[str, Any] = {
        "model": "letters",
        "version": version,
        "identity": f"m-{version}",
        "begins": begins,
        "ends": begins + WEEK,
        "metric": "f1_macro",
        "labelled": 500,
        "rows": 500,
        "score": 0.8 + place / 100,
        "error": 0.01,
        "interval": (0.78 + place / 100, 0.82 + place / 100),
        "open": False,
        "digest": "",
        "uri": "",
    }
    return CohortScore(**(values | fields))


def promotion(version: str, place: int) -> Promotion:
    at = BEGIN + place * WEEK
    return Promotion(
        model="letters",
        seq=place + 1,
        from_version=None,
        to_version=version,
        to_identity=f"m-{version}",
        verdict="v",
        by="run",
        why="better",
        at=at,
        applied_at=at,
    )


def test_each_version_has_a_line_and_what_it_promised() -> None:
    history = [promotion("1", 0), promotion("2", 2)]
    cohorts = [cohort(0, "1"), cohort(1, "1"), cohort(2, "2"), cohort(3, "2", interval=None)]
    promised = {VersionId("1", "m-1"): 0.82, VersionId("2", "m-2"): 0.83}
    drawn = draw(cohorts, history, promised)
    assert drawn is not None
    assert drawn.startswith(b"\x89PNG")
    assert drawn == draw(cohorts, history, promised)
    assert drawn != draw(cohorts, history, {})
    assert drawn != draw(cohorts, history[:1], promised)


def test_without_a_cohort_that_has_a_score_there_is_no_picture() -> None:
    assert draw([], [promotion("1", 0)], {}) is None
    assert draw([cohort(0, "1", score=None), cohort(1, "1", rows=10)], [promotion("1", 0)], {}) is None
