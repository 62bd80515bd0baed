"""The ledger: reached, of this version, with the rights of tasks; its clock; the studies beside it; and snapshots."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from retrain.ledger.ledger import Ledger
from retrain.preflight.probe import Found, fail, good, warn
from retrain.snapshots.store import SnapshotStore

CLOCKS = timedelta(seconds=30)
"""How far two clocks may differ: times of one are compared with those of another."""


def look(about: str, ledger: Ledger) -> Iterator[Found]:
    """Yield whether a cycle can work with this ledger."""
    ledger.check()
    yield good(about, f"answers, and its tables are those of this version (schema {ledger.schema})")
    if missing := ledger.missing_rights():
        yield fail(
            about,
            f"its login may not {', '.join(missing)}",
            "run `retrain migrate --runtime-role ROLE` as the owner of the schema, with the role of this login",
        )
    yield from clock(about, ledger.now())


def look_at_studies(about: str, ledger: Ledger) -> Iterator[Found]:
    """Yield whether a search can work with the studies beside this ledger."""
    from retrain.tuning.storage import schema_of, storage  # which need the extra tune

    with storage(ledger) as opened:
        opened.get_all_studies()
    yield good(about, f"their tables answer, and are of Optuna's version here (schema {schema_of(ledger)})")


def clock(about: str, there: datetime) -> Iterator[Found]:
    """Yield whether a clock runs with the one here."""
    apart = abs(there - datetime.now(UTC))
    if apart > CLOCKS:
        yield warn(
            about,
            f"its clock and that of this machine are {apart.total_seconds():,.0f} s apart",
            "let both follow a time server: schedules, label times and freezes compare them",
        )


def look_at_snapshots(snapshots: SnapshotStore) -> Iterator[Found]:
    """Yield whether a file can be written, read and deleted where snapshots are."""
    about = f"snapshots at {snapshots.uri}"
    snapshots.try_place(uuid4().hex)
    yield good(about, "a file can be written there, read and deleted")
