"""A model's assets in Airflow: its new rows, which wake its DAG, and its Production, which wakes the DAGs of others."""

from typing import Any
from urllib.parse import quote

from airflow.sdk import Asset, AssetOrTimeSchedule, AssetWatcher, Context, CronTriggerTimetable

from retrain.records import Promotion
from retrain.spec.operation import Wake
from retrain.spec.spec import Spec
from retrain_airflow.triggers.new_rows import NewRowsTrigger


def schedule(spec: Spec, path: str) -> Any:
    """What starts the DAG of the spec in the file `path`: times, rows that arrive, either, or (None) people alone.

    Raises AirflowTimetableInvalid for a cron expression that is none.
    """
    if spec.wake is Wake.SCHEDULE:
        return spec.schedule
    watcher = AssetWatcher(name="new_rows", trigger=NewRowsTrigger(path))
    rows = Asset(_uri(spec.model, "rows"), watchers=[watcher])
    if spec.schedule is None:
        return rows
    timetable = CronTriggerTimetable(spec.schedule, timezone="UTC")
    timetable.validate()  # AssetOrTimeSchedule does not
    return AssetOrTimeSchedule(timetable=timetable, assets=[rows])


def production(model: str) -> Asset:
    """What is in Production of this model: an outlet of each task that changes it."""
    return Asset(_uri(model, "production"))


def tell_production(promotion: Promotion, context: Context) -> None:
    """Let the event of the task's outlet say what was changed.

    `version` is None where the promotion did not come about, because somebody had changed Production by hand.
    """
    context["outlet_events"][production(promotion.model)].extra = {
        "version": None if promotion.superseded_at else promotion.to_version,
        "from": promotion.from_version,
        "verdict": promotion.verdict,
    }


def _uri(model: str, what: str) -> str:
    # Its name as well, so that `Asset("retrain://…")` in somebody's DAG is the same asset.
    return f"retrain://{quote(model, safe='')}/{what}"
