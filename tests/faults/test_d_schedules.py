"""Schedules that Airflow would not take, and their time zone."""

from datetime import UTC, datetime
from typing import Any

import pendulum
import pytest
from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable
from airflow.sdk.definitions.timetables._cron import CRON_PRESETS
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.timetables.base import TimeRestriction

from retrain.errors import SpecError
from retrain.spec.parse import parse
from retrain_airflow import assets
from tests.airflow.conftest import python, toy_spec


def _refusal(**fields: Any) -> str:
    with pytest.raises(SpecError) as refused:
        parse(toy_spec(**fields), "toy.yaml")
    return str(refused.value)


@pytest.mark.parametrize(
    ("schedule", "what"),
    [
        ("every day", "is not a schedule; write the five fields of cron, as in 0 6 * * 1-5, or one of @hourly, "),
        ("", "is not a schedule; write the five fields"),
        ("61 * * * *", "is not a schedule: "),
        ("* * * *", "is not a schedule; write the five fields"),
        ("0 6 * * * 30", "is not a schedule; write the five fields"),
        ("0 6 * * MOO", "is not a schedule: "),
        ("*/0 * * * *", "is not a schedule: "),
        ("R R * * *", "is not a schedule; write the five fields"),
        ("H 6 * * *", "is not a schedule; write the five fields"),
        ("@never", "is not a schedule; write the five fields"),
        ("@once", "is not a schedule; write the five fields"),
        ("@continuous", "is not a schedule; write the five fields"),
        ("@reboot", "is not a schedule; write the five fields"),
        ("0 0 31 2 *", "never comes; name a day that there is"),
        ("CRON_TZ=Asia/Seoul 0 6 * * *", "holds a variable; write its time zone into schedule_time_zone"),
        ("TZ=UTC 0 6 * * *", "holds a variable; write its time zone into schedule_time_zone"),
        ("1," * 200 + "1 * * * *", "string should have at most 200 characters"),
    ],
)
def test_a_schedule_that_airflow_would_not_take_is_refused(schedule: str, what: str) -> None:
    """D4."""
    assert f": {what}" in _refusal(schedule=schedule)
    assert _refusal(schedule=schedule).startswith("toy.yaml: schedule = ")


def _next(spec: Any, after: datetime) -> datetime:
    found = assets.schedule(spec, "toy.yaml")
    timetable = coerce_to_core_timetable(found.timetable if isinstance(found, AssetOrTimeSchedule) else found)
    timetable.validate()
    info = timetable.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(pendulum.instance(after), None, catchup=True)
    )
    assert info is not None
    return info.run_after.astimezone(UTC)


@pytest.mark.parametrize("wake", ["schedule", "on_arrival"])
@pytest.mark.parametrize(
    "schedule", [*CRON_PRESETS, "0 6 * * 1-5", "*/7 * * * *", "0 0 29 2 *", "0 0 L * *", "0 6 * jan,MAR mon#2"]
)
def test_a_schedule_that_passes_makes_a_timetable_that_airflow_takes(schedule: str, wake: str) -> None:
    """D4."""
    spec = parse(toy_spec(schedule=schedule, wake=wake), "toy.yaml")
    assert _next(spec, datetime(2026, 3, 1, tzinfo=UTC)) >= datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("wake", ["schedule", "on_arrival"])
def test_a_schedule_has_a_zone_of_its_own(wake: str) -> None:
    """D4."""
    spec = parse(toy_spec(schedule="0 6 * * *", schedule_time_zone="Asia/Seoul", wake=wake), "toy.yaml")
    assert _next(spec, datetime(2026, 3, 1, tzinfo=UTC)) == datetime(2026, 3, 1, 21, tzinfo=UTC)


DEFAULT = """
from retrain.spec.parse import parse
from retrain_airflow import assets
source = {"table": "t", "key": "k", "label": "l", "features": ["f"]}
candidates = [{"name": "c", "estimator": "a:b"}]
spec = parse({"model": "m", "schedule": "0 6 * * *", "source": source, "candidates": candidates}, "m.yaml")
print("zone", assets.schedule(spec, "m.yaml").timezone)
"""


@pytest.mark.parametrize("zone", ["utc", "Asia/Seoul", "system"])
def test_the_zone_is_that_of_airflow_where_the_spec_names_none(zone: str) -> None:
    """D4."""
    printed = python(DEFAULT, AIRFLOW__CORE__DEFAULT_TIMEZONE=zone, TZ="America/New_York")
    found = {"utc": "UTC", "system": "America/New_York"}.get(zone, zone)
    assert f"zone {found}" in printed or f"zone Timezone('{found}')" in printed


@pytest.mark.parametrize(
    ("zone", "hint"),
    [("Asia/Soeul", "did you mean Asia/Seoul?"), ("../etc/passwd", "write one"), ("Asia", ""), ("KST+9", "")],
)
def test_a_zone_that_there_is_not_is_refused(zone: str, hint: str) -> None:
    """D4."""
    said = _refusal(schedule="@daily", schedule_time_zone=zone)
    assert f'toy.yaml: schedule_time_zone = "{zone}": is not a time zone; {hint}' in said


def test_a_zone_without_a_schedule_is_refused() -> None:
    """D4."""
    assert "schedule_time_zone needs schedule; write one, or remove it" in _refusal(schedule_time_zone="Asia/Seoul")


def test_a_preset_has_the_zone_as_well() -> None:
    """D4."""
    spec = parse(toy_spec(schedule="@daily", schedule_time_zone="Asia/Seoul"), "toy.yaml")
    assert assets.schedule(spec, "toy.yaml") == CronTriggerTimetable("@daily", timezone="Asia/Seoul")
