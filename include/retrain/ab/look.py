"""The verb `look`: what a split test shows by now, and what follows from it."""

from dataclasses import dataclass

from retrain.ab.decide import decide, next_phase
from retrain.ab.end import concluded, finish, overtaken
from retrain.ab.power import found_by_the_end
from retrain.ab.testing import Testing
from retrain.arms import Split, SplitEnd, SplitLook, SplitStep
from retrain.errors import SplitTestError
from retrain.messages import texts
from retrain.production.mode import mode_of
from retrain.records import Incident
from retrain.spec.operation import Mode
from retrain.topics import Topic


@dataclass(frozen=True)
class Looked:
    """A test after a look."""

    split: Split
    step: SplitStep
    """How it is now."""
    look: SplitLook | None
    """The last one; None where the test was overtaken before its first."""
    end: SplitEnd | None


def look(testing: Testing) -> Looked | None:
    """Look at the test that is under way, once a day (UTC), and do what follows; None where there is none.

    Run again, or killed and run again, it looks no second time that day, and concludes nothing twice. Raises
    SourceError where exposures or outcomes cannot be read, NoAnswerError where MLflow does not answer, and
    SplitTestError where the spec's section was changed meanwhile.
    """
    ledger = testing.ledger
    split = ledger.open_split(testing.spec.model)
    if split is None:
        return None
    if testing.wanted.model_dump(mode="json") != split.section:
        raise SplitTestError(
            f"{split.model}: the spec's `ab` is another one than when split test {split.id} began; put it back, "
            "or stop the test"
        )
    steps, looks = ledger.split_steps(split.id), ledger.split_looks(split.id)
    end = overtaken(testing, split)
    if end is None:
        if not looks or _another_is_due(testing, steps[-1], looks[-1]):
            looks.append(ledger.save_split_look(_seen(testing, split, steps, looks)))
        end = concluded(testing, split, looks[-1], may_promote=_may_promote(testing))
    if end is not None:
        finish(testing, split, end)
    elif (further := next_phase(testing.wanted, steps[-1], looks[-1], ledger.now())) is not None:
        ledger.save_split_step(split.id, len(steps), further, texts.of_incident(_further(testing, split, further)))
        steps.append(further)
    return Looked(split, steps[-1], looks[-1] if looks else None, end)


def _another_is_due(testing: Testing, step: SplitStep, last: SplitLook) -> bool:
    now = testing.ledger.now()
    return last.answer == "wait" and (last.at.date() < now.date() or last.at < step.ends <= now)


def _may_promote(testing: Testing) -> bool:
    return mode_of(testing.spec, testing.ledger) is Mode.ENFORCE and testing.spec.approval is None


def _seen(testing: Testing, split: Split, steps: list[SplitStep], looks: list[SplitLook]) -> SplitLook:
    now = testing.ledger.now()
    began = [step.began for place, step in enumerate(steps) if place == 0 or step.phase > steps[place - 1].phase]
    seen = testing.units.seen(split, began, now)
    found = decide(testing.wanted, split, steps, looks, seen, now)
    return found.model_copy(update={"smallest": found_by_the_end(testing.wanted, split, [*looks, found])})


def _further(testing: Testing, split: Split, step: SplitStep) -> Incident:
    share = testing.wanted.ramp[step.phase].share
    return Incident(
        model=split.model,
        topic=Topic.SPLIT_TEST,
        what=f"Staging's share in the split test of version {split.version} is {share:.0%} now.",
        remedy=f"Assign units by `{split.id}` with this share.",
        facts={"split": split.id, "step": step.to_json()},
    )
