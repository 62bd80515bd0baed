"""How a split test ends: by what its looks have shown, by a person, or because what it was about has changed."""

import logging

from retrain.ab.testing import Testing
from retrain.arms import Split, SplitEnd, SplitLook
from retrain.errors import FrozenError, SplitTestError, StaleVerdictError
from retrain.messages import texts
from retrain.production.apply import apply
from retrain.records import Incident
from retrain.topics import Topic

log = logging.getLogger(__name__)

_OUTCOMES = {"drop": "dropped", "same": "same", "harm": "harm", "invalid": "invalid", "undecided": "undecided"}
_STOPPED = {"harm", "invalid"}


def overtaken(testing: Testing, split: Split) -> SplitEnd | None:
    """Return the end of a test whose Production is no longer what it was; None while it is."""
    ledger = testing.ledger
    apply(split.model, ledger, testing.tracker)
    now = ledger.production(split.model)
    if now == split.against:
        return None
    last = [each for each in ledger.history(split.model) if each.applied_at is not None][-1]
    if now == split.challenger:
        return SplitEnd(outcome="promoted", why=last.why, at=ledger.now())
    what = "nothing" if now is None else f"version {now.number}"
    return SplitEnd(outcome="void", why=f"Production has changed: {what} is there ({last.why})", at=ledger.now())


def concluded(testing: Testing, split: Split, look: SplitLook, *, may_promote: bool) -> SplitEnd | None:
    """Return the end that follows from a look; None while the test goes on, or waits for a person.

    may_promote: whether anything may change Production without a person. While Production is frozen, the test waits.
    """
    if look.answer == "wait":
        return None
    if look.answer != "promote":
        return SplitEnd.from_json(
            {"outcome": _OUTCOMES[look.answer], "why": look.why, "at": testing.ledger.now().isoformat()}
        )
    if not may_promote:
        testing.ledger.announce(f"split/{split.id}/asks", texts.of_incident(_asks(split, look)))
        return None
    try:
        testing.registry.promote(
            split.model, split.version, expects=split.production, by=f"split test {split.id}", why=look.why
        )
    except FrozenError as error:
        log.info("%s: %s", split.model, error)
        return None
    except StaleVerdictError as error:
        return SplitEnd(outcome="void", why=str(error), at=testing.ledger.now())
    return overtaken(testing, split)


def finish(testing: Testing, split: Split, end: SplitEnd) -> None:
    """Take the version out of Staging, and record and announce the end."""
    tracker = testing.tracker
    if end.outcome != "promoted" and tracker.staging(split.model) == split.version:
        tracker.transition_model_stage(split.model, split.version, "None")
    incident = Incident(
        model=split.model,
        topic=Topic.SPLIT_STOPPED if end.outcome in _STOPPED else Topic.SPLIT_TEST,
        what=f"the split test of version {split.version} against version {split.production} has ended, {end.outcome}: "
        f"{end.why}",
        remedy="Give all units the version in Production again."
        if end.outcome != "promoted"
        else "All units get the version in Production, which is the tested one now.",
        facts={"split": split.to_json(), "end": end.to_json()},
    )
    testing.ledger.end_split(split, end, texts.of_incident(incident))


def stop(testing: Testing, *, key: str, by: str, why: str) -> SplitEnd:
    """End the test that is under way, as a person wants it. A call that repeats a key changes nothing.

    Raises SplitTestError where there is none, or where no reason is given: the team is told it.
    """
    if not why.strip():
        raise SplitTestError(f"{testing.spec.model}: why is empty; write why the test is stopped")
    done = (end for _, end in testing.ledger.splits(testing.spec.model) if end is not None and end.key == key)
    if (same := next(done, None)) is not None:
        return same
    split = _open(testing)
    stopped = SplitEnd(outcome="stopped", why=why, at=testing.ledger.now(), by=by, key=key)
    end = overtaken(testing, split) or stopped
    finish(testing, split, end)
    return end


def _open(testing: Testing) -> Split:
    split = testing.ledger.open_split(testing.spec.model)
    if split is None:
        raise SplitTestError(f"{testing.spec.model}: no split test is under way; start one")
    return split


def _asks(split: Split, look: SplitLook) -> Incident:
    return Incident(
        model=split.model,
        topic=Topic.APPROVAL_WANTED,
        what=f"split test {split.id}: {look.why} Nothing changes by itself: the spec asks a person, or only observes.",
        remedy=f"To promote it, run `retrain promote {split.model} {split.version}`; the test then ends. "
        "To end it otherwise, stop it.",
        facts={"split": split.id, "version": split.version},
    )
