"""The split test of a spec held to its tables: what its first look would find, found on some rows of each."""

from collections.abc import Iterator
from datetime import timedelta

from retrain.ab.sample import Sampled
from retrain.ab.units import Units
from retrain.preflight.finding import Finding
from retrain.source.catalogue import took_too_long
from retrain.spec.ab import SplitTest
from retrain.spec.fields import duration_text
from retrain.spec.spec import Spec
from retrain.text import printable, shorten

_FEWEST = 20
"""Units with an outcome, of which at least one should have been exposed."""


def hold_to_tables(spec: Spec, units: Units) -> Iterator[Finding]:
    """Yield what is wrong between section `ab` and its tables, and what is good to know; nothing without a section."""
    if spec.ab is None:
        return
    yield from _of_ramp(spec.ab)
    readable = True
    for each in units.sample():
        readable = readable and isinstance(each, Sampled)
        if isinstance(each, Sampled):
            yield from _of_rows(each, zone=spec.source.time_zone)
        elif took_too_long(each):
            yield Finding(f"{each}; its first rows take long, and each look reads them all", fault=False)
        else:
            yield from (Finding(line) for line in str(each).splitlines())
    for found in units.met() if readable else ():
        if found.units >= _FEWEST and not found.exposed:
            yield Finding(
                f"{found.name}: none of {found.units:,} units with an outcome was ever exposed; do both columns name "
                "the same thing, in the same writing? Else every unit counts as one without an outcome",
                fault=False,
            )


def _of_ramp(wanted: SplitTest) -> Iterator[Finding]:
    """Yield which metrics cannot show harm while the share is small."""
    *first, last = wanted.ramp
    small = sum((each.at_least for each in first), timedelta())
    late = [each.name for each in wanted.metrics if each.window >= small]
    if first and late:
        yield Finding(
            f"ab.ramp: Staging's share is {last.share:.0%} after {duration_text(small)}, and for {', '.join(late)} no "
            "unit has matured by then: the ramp protects nobody from what they would show; let its phases last longer "
            "than their windows",
            fault=False,
        )


def _of_rows(found: Sampled, *, zone: str | None) -> Iterator[Finding]:
    if not found.rows:
        what = "has no row, or row-level security hides them all" if found.hidden else "has no row yet"
        yield Finding(
            f"{found.name}: {what}; what a test fixes when it begins follows from rows of before", fault=found.hidden
        )
    elif found.hidden:
        yield Finding(f"{found.name}: row-level security is active for this role, and hides some rows", fault=False)
    if found.infinite:
        yield Finding(
            f"{found.name}: {found.infinite:,} of {found.rows:,} rows have a number that is NaN or infinite; correct "
            "them, or leave them out in a query file"
        )
    if found.incomplete:
        yield Finding(
            f"{found.name}: {found.incomplete:,} of {found.rows:,} rows lack a unit, a time or an arm: they do not "
            "count",
            fault=False,
        )
    if found.strange_arm is not None:
        yield Finding(
            f"{found.name}: holds arm {printable(shorten(found.strange_arm, 40))!r}, which the spec does not name; "
            "a look refuses it while a test runs: correct production and staging of ab.exposures, or use a query file",
            fault=False,
        )
    if found.zone_is_assumed and zone is None:
        yield Finding(f"{found.name}: its times have no zone, and are read as UTC; write source.time_zone", fault=False)
