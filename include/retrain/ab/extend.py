"""The verb `extend`: a split test gets more time, before its end is reached."""

from datetime import datetime, timedelta

from retrain.ab.end import overtaken
from retrain.ab.testing import Testing
from retrain.arms import Split, SplitStep
from retrain.errors import SplitTestError
from retrain.messages import texts
from retrain.records import Incident
from retrain.topics import Topic

_WEEK = timedelta(days=7)


def extend(testing: Testing, weeks: int, *, key: str, by: str, why: str) -> SplitStep:
    """Let the test go on for some weeks more. A call that repeats a key changes nothing.

    Raises SplitTestError where no test is under way, or where its end has been reached: what has been decided stays.
    """
    ledger, model = testing.ledger, testing.spec.model
    split = ledger.open_split(model)
    if split is None:
        raise SplitTestError(f"{model}: no split test is under way; start one")
    steps = ledger.split_steps(split.id)
    if (same := next((each for each in steps if each.key == key), None)) is not None:
        return same
    last, now = steps[-1], ledger.now()
    if overtaken(testing, split) is not None or now >= last.ends:
        raise SplitTestError(f"{model}: split test {split.id} has reached its end; start a new one")
    if weeks < 1:
        raise SplitTestError(f"{model}: weeks = {weeks}: is not more time; write 1 or more")
    step = SplitStep(phase=last.phase, began=last.began, ends=last.ends + weeks * _WEEK, by=by, why=why, key=key)
    ledger.save_split_step(split.id, len(steps), step, texts.of_incident(_extended(split, step.ends, by, why)))
    return step


def _extended(split: Split, ends: datetime, by: str, why: str) -> Incident:
    return Incident(
        model=split.model,
        topic=Topic.SPLIT_TEST,
        what=f"the split test of version {split.version} goes on until {ends:%Y-%m-%d}. {by}: {why}.",
        remedy="",
        facts={"split": split.id},
    )
