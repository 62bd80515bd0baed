"""A model's assets in Airflow: its new rows, which wake its DAG, and its Production, which wakes the DAGs of others."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from airflow.sdk import Asset, AssetAlias, AssetWatcher, Context, timezone

from retrain.records import Promotion
from retrain.spec.operation import Wake
from retrain.spec.spec import Spec
from retrain_airflow.compat import AssetOrTimeSchedule, CronTriggerTimetable
from retrain_airflow.triggers.messages_due import MessagesDueTrigger
from retrain_airflow.triggers.new_rows import NewRowsTrigger


def schedule(spec: Spec, path: str) -> Any:
    """Return what starts the DAG of the spec in file `path`: times, arriving rows, either, or (None) people alone."""
    times = None if spec.schedule is None else CronTriggerTimetable(spec.schedule, timezone=_zone(spec))
    if spec.wake is Wake.SCHEDULE:
        return times
    watcher = AssetWatcher(name="new_rows", trigger=NewRowsTrigger(path))
    rows = Asset(_uri(spec.model, "rows"), watchers=[watcher])
    return rows if times is None else AssetOrTimeSchedule(timetable=times, assets=[rows])


def _zone(spec: Spec) -> Any:
    # The second is Airflow's `default_timezone`, which may be the machine's own.
    return spec.schedule_time_zone or timezone.datetime(2026, 1, 1).tzinfo  # type: ignore[no-untyped-call]


def messages_due(ledgers: Sequence[str]) -> Asset:
    """Return what wakes the outbox: a message is to be sent, and whoever made it has not sent it.

    ledgers: the ids of the connections to look in.
    """
    watchers = [AssetWatcher(name=f"messages_due_{each}", trigger=MessagesDueTrigger(each)) for each in ledgers]
    # `-/…`: no model's rows
    return Asset("retrain-messages-due", uri="retrain://-/messages", watchers=list(watchers))


def production(model: str) -> Asset:
    """Return the asset of the model's Production: an outlet of each task that changes it."""
    return Asset(_uri(model, "production"))


def any_production() -> AssetAlias:
    """Return what stands for the Production of whichever model: an outlet of a task whose run says which one it is."""
    return AssetAlias("retrain-production")


def describe_change(promotion: Promotion, context: Context, outlets: Sequence[Any]) -> None:
    """Write into the event of a task's outlet what was changed. outlets: of the task, `production` or `any_production`.

    `version` is None where the promotion did not take effect, because somebody had changed Production by hand.
    """
    said: dict[str, Any] = {
        "version": None if promotion.superseded_at else promotion.to_version,
        "from": promotion.from_version,
        "verdict": promotion.verdict,
    }
    asset, events = production(promotion.model), context["outlet_events"]
    if any_production() in outlets:
        events[any_production()].add(asset, extra=said)
    else:
        events[asset].extra = said


def _uri(model: str, what: str) -> str:
    # Also the asset's name, so that `Asset("retrain://…")` in a user's DAG is the same asset.
    return f"retrain://{quote(model, safe='')}/{what}"
