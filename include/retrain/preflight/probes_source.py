"""The source of a spec: reached, readable, counted by an index, not hidden; and its clock."""

from collections.abc import Iterator

from retrain.preflight.probe import Found, fail, good, warn
from retrain.preflight.probes_ledger import clock
from retrain.source.served import Served
from retrain.source.table import Source
from retrain.spec.spec import Spec


def look(spec: Spec, source: Source, served: Served | None) -> Iterator[Found]:
    """Yield whether a cycle can read this source, and a look the log of what was served, where there is one. No more
    rows are read than tell whether there is one.
    """
    about = f"source of {spec.model}"
    plan = source.count_plan()
    says = f"new rows are counted by {plan.scans}"
    if plan.slow:
        yield warn(about, f"{says}, about {plan.rows:,} rows, each time", plan.remedy)
    else:
        yield good(about, says)
    some = source.count_labelled(after=None, at_most=1)
    if source.hides_rows():
        what = "hides rows from this login" if some else "hides each row from this login, or there is none"
        make = warn if some else fail
        yield make(
            about,
            f"row-level security {what}",
            "let a policy show each row to the login (USING (true)), or give it BYPASSRLS: rows that it may not see do "
            "not count",
        )
    elif not some:
        yield warn(about, "has no labelled row yet", "cycles wait until there are some")
    for note in source.about():
        says, _, remedy = note.partition("; ")
        yield warn(about, says, remedy)
    yield from clock(about, source.now())
    if served is not None:
        served.check()
        yield good(about, f"what was served can be read in {served.spec.name}")
