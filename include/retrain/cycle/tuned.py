"""What a search has found: the spec of a cycle, with parameters where it says what to look for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from retrain.cycle.context import Cycle
from retrain.errors import EstimatorError
from retrain.records import Snapshot
from retrain.spec.candidates import CandidateSpec
from retrain.spec.search import Search
from retrain.spec.spec import Spec

Found = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""For each candidate with a search: what stands for it, by name, each with the parameters that were found."""


def search_of(cycle: Cycle, name: str) -> Search:
    """Return the search of a candidate. Raises EstimatorError where it has none any more."""
    search = cycle.spec.candidate(name).search
    if search is None:
        raise EstimatorError(f"candidate {name!r}: has no search any more: the spec has changed; start a new run")
    return search


def study_name(cycle: Cycle, snapshot: Snapshot, name: str) -> str:
    """Return the name of a candidate's study in this cycle. Where the candidate has changed, it is another one."""
    shape = sha256(cycle.spec.candidate(name).model_dump_json().encode()).hexdigest()
    return f"{cycle.spec.model}/{name}/{cycle.key('study', snapshot.id, name, shape)[:16]}"


def chosen_key(cycle: Cycle, snapshot: Snapshot) -> str:
    """Return the key under which the ledger has `Found`."""
    return cycle.key("chosen", snapshot.id)


def tuned(cycle: Cycle, snapshot: Snapshot) -> Cycle:
    """Return the cycle with candidates in place of those that had a search; itself where none had.

    One whose search has not ended is left as it is: it cannot be built, which says so.
    """
    if all(each.search is None for each in cycle.spec.candidates):
        return cycle
    text = cycle.ledger.made(chosen_key(cycle, snapshot))
    return cycle if text is None else replace(cycle, spec=with_found(cycle.spec, json.loads(text)))


def with_found(spec: Spec, found: Found) -> Spec:
    """Return the spec with what was found."""
    candidates = list[CandidateSpec]()
    for each in spec.candidates:
        if each.search is None or not found.get(each.name):  # one without a score is named as not trained
            candidates.append(each)
            continue
        candidates += [at(each, params, name) for name, params in found[each.name].items()]
    return spec.model_copy(update={"candidates": tuple(candidates)})


def at(candidate: CandidateSpec, params: Mapping[str, Any], name: str | None = None) -> CandidateSpec:
    """Return a candidate with these parameters beside its own, and without a search."""
    update = {"params": {**candidate.params, **params}, "search": None, "name": name or candidate.name}
    return candidate.model_copy(update=update)


def with_candidate(spec: Spec, candidate: CandidateSpec) -> Spec:
    """Return the spec with this candidate alone."""
    return spec.model_copy(update={"candidates": (candidate,)})


def names_of(found: Found, names: Sequence[str]) -> list[str]:
    """Return the names of those to train, with what stands for a candidate in its place."""
    return [each for name in names for each in found.get(name, (name,))]
