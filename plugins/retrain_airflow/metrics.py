"""Retrain's metrics, beside Airflow's own of each task: over StatsD or OpenTelemetry, whichever Airflow's configuration
turns on. Each has a tag `spec`, the name of the spec file.
"""

from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk.timezone import utcnow

from retrain.records import Outcome
from retrain_airflow.compat import stats


def rows_waiting(spec: str, rows: int) -> None:
    """Set a gauge: new labelled rows, counted no further than the threshold. spec: path of the spec file."""
    stats.gauge("retrain.rows_waiting", rows, tags=_tags(spec))


def verdict(spec: str, outcome: Outcome) -> None:
    """Increment a counter by outcome; a task that is run again counts again."""
    stats.incr("retrain.verdict", tags={**_tags(spec), "outcome": outcome.value})


def cycle_done(spec: str, since: datetime | None) -> None:
    """Record a timing: from the start of a run to the end of its cycle. since: None where the start is not known."""
    if since is not None:
        stats.timing("retrain.cycle", utcnow() - since, tags=_tags(spec))


def message_age(spec: str, age: timedelta) -> None:
    """Set a gauge, in seconds: the age of the oldest message that a channel has not accepted; 0 where none waits."""
    stats.gauge("retrain.message_age", age.total_seconds(), tags=_tags(spec))


def _tags(spec: str) -> dict[str, str]:
    return {"spec": Path(spec).stem}
