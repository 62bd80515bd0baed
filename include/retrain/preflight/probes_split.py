"""The tables of a spec's split test: there, readable, and of the types that a look needs."""

from collections.abc import Iterator

from retrain.ab.units import Units
from retrain.preflight.probe import Found, fail, good, warn
from retrain.preflight.split import hold_to_tables
from retrain.spec.spec import Spec


def look(spec: Spec, units: Units) -> Iterator[Found]:
    """Yield whether a split test can read its tables. Of each, some rows are read."""
    about = f"split test of {spec.model}"
    nothing = True
    for each in hold_to_tables(spec, units):
        says, _, remedy = each.text.partition("; ")
        yield (fail if each.fault else warn)(about, says, remedy)
        nothing = False
    if nothing:
        yield good(about, "its tables can be read")
