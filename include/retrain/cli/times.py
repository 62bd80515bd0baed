"""Times and sizes as a person types them."""

from datetime import UTC, datetime, timedelta

from retrain.errors import SettingsError
from retrain.spec.fields import duration
from retrain.spec.training import size


def time_of(text: str, name: str) -> datetime:
    """Return a time of ISO 8601; without a zone it is UTC. Raises SettingsError. name: what errors call it."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"{name} = {text!r}: is not a time of ISO 8601; write e.g. 2026-11-29T08:00+09:00"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def length_of(text: str, name: str) -> timedelta:
    """Return a length of time as a spec writes it. Raises SettingsError. name: what errors call it."""
    try:
        return duration(text)
    except ValueError:
        raise SettingsError(f"{name} = {text!r}: is not a length of time; write e.g. 30m, 12h or 14d") from None


def size_of(text: str, name: str) -> int:
    """Return a size in bytes as a spec writes it. Raises SettingsError. name: what errors call it."""
    try:
        return size(text)
    except ValueError:
        raise SettingsError(f"{name} = {text!r}: is not a size; write e.g. 8g or 512m") from None
