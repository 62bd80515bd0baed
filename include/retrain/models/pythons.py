"""The interpreters that load models which need other versions of their packages: `RETRAIN_PYTHONS` lists them."""

import os

from retrain.errors import SettingsError

VARIABLE = "RETRAIN_PYTHONS"


def of_name(name: str) -> str:
    """Return the path of an interpreter. Raises SettingsError where the installation lists none of this name."""
    known_here = listed()
    if name not in known_here:
        known = ", ".join(sorted(known_here)) or "none"
        raise SettingsError(
            f"python = {name!r}: {VARIABLE} lists {known}; add {name}=/path/to/python there, on each machine that runs "
            "tasks"
        )
    return known_here[name]


def listed() -> dict[str, str]:
    """Return the path of each interpreter by its name. Raises SettingsError for one that is not NAME=PATH."""
    found = {}
    for each in filter(None, (part.strip() for part in os.environ.get(VARIABLE, "").split(","))):
        name, is_, path = each.partition("=")
        if not is_ or not name.strip() or not path.strip():
            raise SettingsError(f"{VARIABLE}: {each!r} is not NAME=PATH; write e.g. old=/opt/old/bin/python")
        found[name.strip()] = path.strip()
    return found
