"""Times as a person types them."""

from datetime import UTC, datetime

from retrain.errors import SettingsError


def time_of(text: str, name: str) -> datetime:
    """Return a time of ISO 8601; without a zone it is UTC. Raises SettingsError. name: what errors call it."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"{name} = {text!r}: is not a time of ISO 8601; write e.g. 2026-11-29T08:00+09:00"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
