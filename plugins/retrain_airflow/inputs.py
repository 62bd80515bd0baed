"""What a run is asked for, as operators receive it."""

from typing import Any

from retrain.errors import SettingsError

_WORDS = {"true": True, "false": False, "none": False, "": False}


def is_on(value: Any, name: str) -> bool:
    """Return whether a field is on: it is a boolean, or the text that a template makes of one.

    Raises SettingsError for any other value: `bool("False")` would be true.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    try:
        return _WORDS[str(value).strip().lower()]
    except KeyError:
        raise SettingsError(f"{name} = {value!r} is neither true nor false") from None
