"""The verb `begin`: a split test of a version against Production."""

import logging
from collections.abc import Sequence
from datetime import datetime

from retrain.ab import report
from retrain.ab.plan import plan
from retrain.ab.testing import Testing
from retrain.arms import Baseline, Split, SplitPlan
from retrain.errors import SplitTestError
from retrain.messages import texts
from retrain.production.apply import apply
from retrain.records import Incident
from retrain.spec.ab import SplitTest
from retrain.topics import Topic

log = logging.getLogger(__name__)


def begin(testing: Testing, *, key: str, by: str, why: str, version: str | None = None) -> Split:
    """Begin a split test; a call that repeats a key returns the test of the first.

    version: to be held against Production; None for the one in Staging. by, why: the person, and the reason. What the
    analysis takes from the rows of before, such as where amounts are cut, is fixed now. Until the test ends, no other
    version goes forward into Production; a rollback does, and makes the test void. Raises SplitTestError where there
    is nothing to hold against Production, or a test is under way, and RetrainError where the version does not load.
    """
    spec, ledger, tracker, wanted = testing.spec, testing.ledger, testing.tracker, testing.wanted
    name = f"{spec.model}/{key[:12]}"
    if (same := next((split for split, _ in ledger.splits(spec.model) if split.id == name), None)) is not None:
        return same
    apply(spec.model, ledger, tracker)
    production = ledger.production(spec.model)
    if production is None:
        raise SplitTestError(f"{spec.model}: nothing is in Production, so there is nothing to test against")
    number = version or tracker.staging(spec.model)
    if number is None:
        raise SplitTestError(f"{spec.model}: no version is in Staging; name the version to be tested")
    if number == production.number:
        raise SplitTestError(f"{spec.model}: version {number} is in Production; name another one")
    if (open_ := ledger.open_split(spec.model)) is not None:
        raise SplitTestError(
            f"{spec.model}: split test {open_.id} is under way since {open_.began:%Y-%m-%d}; stop it, or let it end"
        )
    found = tracker.get_model_version(spec.model, number)
    testing.registry.prove(found)
    now = ledger.now()
    split = Split(
        id=name,
        model=spec.model,
        version=number,
        identity=found.identity,
        production=production.number,
        production_identity=production.identity,
        began=now,
        ends=now + wanted.longest,
        by=by,
        why=why,
        baselines=(baselines := testing.units.baselines(now)),
        section=wanted.model_dump(mode="json"),
        run_id=report.run_of(testing, name),
        plan=_plan(testing, baselines, now),
    )
    if tracker.staging(spec.model) != number:
        tracker.transition_model_stage(spec.model, number, "Staging")
    ledger.begin_split(split, texts.of_incident(_begun(wanted, split)))
    return split


def _plan(testing: Testing, baselines: Sequence[Baseline], now: datetime) -> SplitPlan | None:
    """Return what the test needs and finds; None where it is not known how many units come."""
    arrivals = testing.units.arrivals(now)
    try:
        return plan(testing.wanted, baselines, arrivals) if arrivals else None
    except SplitTestError as error:
        log.info("%s: no plan: %s", testing.spec.model, error)
        return None


def _begun(wanted: SplitTest, split: Split) -> Incident:
    return Incident(
        model=split.model,
        topic=Topic.SPLIT_TEST,
        what=f"version {split.version} is tested against version {split.production}, in Production, on what units do: "
        f"{wanted.primary.name} decides, until {split.ends:%Y-%m-%d} at the latest. {split.by}: {split.why}.",
        remedy=f"Assign units by `{split.id}`, with Staging's share of {wanted.ramp[0].share:.0%} in the first phase. "
        "It ends by itself; until then no other version goes forward into Production.",
        facts={"split": split.to_json()},
    )
