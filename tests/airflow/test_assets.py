"""What a model's assets are called, and what their events say."""

from datetime import UTC, datetime

import pytest
from airflow.sdk import Asset
from airflow.sdk.execution_time.context import OutletEventAccessors

from retrain.records import Move, Promotion
from retrain_airflow import assets

NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("model", "uri"),
    [
        ("CoverLetterClassifier", "retrain://CoverLetterClassifier/production"),
        ("main.ml.letters", "retrain://main.ml.letters/production"),
        ("자소서 분류", "retrain://%EC%9E%90%EC%86%8C%EC%84%9C%20%EB%B6%84%EB%A5%98/production"),
        ("a@b?c#d[e]%f", "retrain://a%40b%3Fc%23d%5Be%5D%25f/production"),
    ],
)
def test_production_is_the_asset_that_somebody_names_in_one_line(model: str, uri: str) -> None:
    asset = assets.production(model)
    assert asset == Asset(uri)
    # Airflow has put nothing right about it.
    assert (asset.name, asset.uri) == (uri, uri)


def promotion(**how: object) -> Promotion:
    fields = {"from_version": "1", "to_version": "2", "verdict": "v", "by": "a test", "why": "so", "at": NOW}
    return Promotion.model_validate({"model": "자소서 분류", "seq": 2, "applied_at": NOW, **fields, **how})


def event_of(changed: Promotion) -> object:
    events = OutletEventAccessors()
    assets.describe_change(changed, {"outlet_events": events}, [assets.production(changed.model)])
    ((asset, event),) = events.items()
    assert asset == assets.production(changed.model)
    return event.extra


def test_the_event_says_which_version_came_after_which_and_on_which_verdict() -> None:
    assert event_of(promotion()) == {"version": "2", "from": "1", "verdict": "v"}


def test_a_rollback_has_no_verdict() -> None:
    back = promotion(kind=Move.ROLLBACK, from_version="2", to_version="1", verdict=None)
    assert event_of(back) == {"version": "1", "from": "2", "verdict": None}


def test_a_promotion_that_somebody_forestalled_names_no_version() -> None:
    assert event_of(promotion(applied_at=None, superseded_at=NOW)) == {"version": None, "from": "1", "verdict": "v"}
