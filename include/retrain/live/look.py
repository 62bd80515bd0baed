"""The verb `look`: how Production does on later rows, told to the team where it does worse than was promised."""

import logging
from dataclasses import dataclass

from retrain.errors import EstimatorError, NoAnswerError, RetrainError
from retrain.later import CohortScore, Expected, LiveLook
from retrain.live.alarm import looks
from retrain.live.decay import PREFIX, decays
from retrain.live.expect import expect
from retrain.live.observe import observe
from retrain.live.observing import Observing
from retrain.live.predict import Predicting
from retrain.live.skew import skews
from retrain.live.trial import Tried, look_at_trials
from retrain.messages import texts
from retrain.production.mode import mode_of
from retrain.records import Fault
from retrain.spec.operation import Mode, OnDecay

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Looked:
    scores: tuple[CohortScore, ...]
    """Those that have changed."""
    looks: tuple[LiveLook, ...]
    """The last one of each scan."""
    faults: tuple[Fault, ...]
    expected: Expected | None
    """What the score may be on rows whose labels are still to come."""
    trials: tuple[Tried, ...]
    """Those that had not ended before."""
    cycle: str | None
    """What a cycle that is to start now is known by: the same as long as no further cohort has closed; else None."""


def look(observing: Observing) -> Looked:
    """Bring the scores up to date, and make the looks that are due. Run again, it tells nothing twice.

    Raises what `observe` raises, and, when all else is done, EstimatorError for a version that cannot be asked.
    """
    with Predicting(observing) as predicting:
        return _looked(observing, predicting)


def _looked(observing: Observing, predicting: Predicting) -> Looked:
    spec, ledger = observing.spec, observing.ledger
    scores, unasked = observe(observing, predicting)
    ledger.save_expected(spec.model, expected := _expected(observing, predicting))
    seen = looks(observing)
    faults = [*decays(observing, seen), *skews(observing)]
    for fault in faults:
        ledger.fail(fault, key=PREFIX, announcement=texts.of_fault)
    ledger.end_faults(spec.model, PREFIX, but=[each.name for each in faults], announcement=texts.of_recovery)
    enforced = mode_of(spec, ledger) is Mode.ENFORCE and spec.approval is None
    trials = look_at_trials(observing, predicting, may_promote=enforced)
    if unasked:
        raise EstimatorError("\n".join(f"version {version}: {why}" for version, why in unasked.items()))
    alarms = [each for each in seen if each.alarm]
    wanted = bool(alarms) and spec.watch.on_decay is OnDecay.RETRAIN
    newest = max((each.ends for each in alarms), default=None)
    return Looked(
        tuple(scores),
        tuple(seen),
        tuple(faults),
        expected,
        tuple(trials),
        f"decay__{newest:%Y-%m-%dT%H:%M:%S}" if wanted and newest else None,
    )


def _expected(observing: Observing, predicting: Predicting) -> Expected | None:
    try:
        return expect(observing, predicting)
    except NoAnswerError:
        raise
    except RetrainError as error:  # nothing depends on an estimate
        log.warning("%s: nothing is estimated: %s", observing.spec.model, error)
        return None
