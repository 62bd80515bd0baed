"""A model's assets in Airflow: its new rows, which wake its DAG, and its Production, which wakes the DAGs of others."""

from typing import Any
from urllib.parse import quote

from airflow.sdk import Asset, AssetOrTimeSchedule, AssetWatcher, Context, CronTriggerTimetable

from retrain.records import Promotion
from retrain.spec.operation import Wake
from retrain.spec.spec import Spec
from retrain_airflow.triggers.new_rows import NewRowsTrigger


def schedule(spec: Spec, path: str) -> Any:
    """Return what starts the DAG of the spec in file `path`: times, rows that arrive, either, or (None) people alone.

    Raises AirflowTimetableInvalid for an invalid cron expression.
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
    """Return the asset of the model's Production: an outlet of each task that changes it."""
    return Asset(_uri(model, "production"))


def describe_change(promotion: Promotion, context: Context) -> None:
    """Write into the event of the task's outlet what was changed.

    `version` is None where the promotion did not take effect, because somebody had changed Production by hand.
    """
    context["outlet_events"][production(promotion.model)].extra = {
        "version": None if promotion.superseded_at else promotion.to_version,
        "from": promotion.from_version,
        "verdict": promotion.verdict,
    }


def _uri(model: str, what: str) -> str:
    # Also the asset's name, so that `Asset("retrain://…")` in a user's DAG is the same asset.
    return f"retrain://{quote(model, safe='')}/{what}"
