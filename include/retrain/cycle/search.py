"""The verb `search`: opens the studies of the candidates that have a search, and says who tries what."""

import json
import logging
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from retrain.cycle import runs
from retrain.cycle.context import Cycle
from retrain.cycle.prepare_trials import prepare_trials
from retrain.cycle.tuned import search_of, study_name
from retrain.metrics import described
from retrain.records import Snapshot
from retrain.spec.candidates import CandidateSpec
from retrain.spec.spec import Spec
from retrain.tuning.space import fits
from retrain.tuning.storage import storage
from retrain.tuning.study import LAST, PRODUCTION, Study

log = logging.getLogger(__name__)


def search(cycle: Cycle, snapshot: Snapshot, names: Sequence[str]) -> dict[str, list[int]]:
    """Open the studies of those of these candidates that have a search; a later call finds them.

    Returns for each the turns of its trials: each is a task. Production's parameters, and those that the last cycle has
    found, are tried first. Raises LedgerError where Optuna's tables are missing.
    """
    searched = [candidate for candidate in map(cycle.spec.candidate, names) if candidate.search is not None]
    return {candidate.name: _opened(cycle, snapshot, candidate) for candidate in searched}


def _opened(cycle: Cycle, snapshot: Snapshot, candidate: CandidateSpec) -> list[int]:
    name, wanted, metric = candidate.name, search_of(cycle, candidate.name), cycle.spec.gate.metric
    run_id = runs.of_candidate(cycle, snapshot, name, runs.of_cycle(cycle, snapshot))
    runs.log_params(cycle.tracker, run_id, {candidate.kind: candidate.function, **candidate.params})
    about = {
        "trials": wanted.trials,
        "parallel": wanted.parallel,
        "metric": metric,
        "greater": described(metric).greater_is_better,
    }
    cycle.tracker.set_tags(run_id, {runs.SEARCH: json.dumps(about)})
    first = _first(cycle, candidate)
    with storage(cycle.ledger) as opened:
        Study(opened, study_name(cycle, snapshot, name), wanted, metric).begin(first)
    for given, params in first.items():
        log.info("%s: %s parameters are tried first: %s", name, given, json.dumps(params, ensure_ascii=False))
    if prepare_trials(cycle, snapshot, name) is not None:
        log.info("%s: the first step of all trials was fitted once.", name)
    return [*range(ceil(wanted.trials / wanted.per_task))]


def of_production(cycle: Cycle, candidate: CandidateSpec) -> dict[str, Any] | None:
    """Return the parameters of Production where the candidate's function has made it with the same other ones."""
    ledger, model = cycle.ledger, cycle.spec.model
    production = ledger.production(model)
    file = None if production is None else ledger.file_of(model, production)
    return None if file is None else _params(ledger.fitted_by(file), file.name, candidate)


def _first(cycle: Cycle, candidate: CandidateSpec) -> dict[str, dict[str, Any]]:
    """Return parameters to try first, by where they are from; each once."""
    search = search_of(cycle, candidate.name)
    last = None
    if search.warm_start:
        last = _params(cycle.ledger.last_fitted(cycle.spec.model, candidate.name), candidate.name, candidate)
    found = {PRODUCTION: of_production(cycle, candidate), LAST: last}
    known = {given: params for given, params in found.items() if params is not None and fits(params, search)}
    for given in found.keys() - known.keys():
        if found[given] is not None:
            log.info("%s: %s parameters are no point of this space, so they are not tried.", candidate.name, given)
    if known.get(PRODUCTION) == known.get(LAST):
        known.pop(LAST, None)
    return known


def _params(text: str | None, name: str, candidate: CandidateSpec) -> dict[str, Any] | None:
    """Return the parameters beside the candidate's own ones; None where they were another function's."""
    if text is None:
        return None
    then = Spec.model_validate_json(text).candidate(name)
    own: Mapping[str, Any] = candidate.params
    if then.function != candidate.function or any(then.params.get(each, ...) != own[each] for each in own):
        return None
    return {each: value for each, value in then.params.items() if each not in own}
