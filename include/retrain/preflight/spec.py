"""A spec before its first run: whatever that would find, found in seconds."""

from collections.abc import Iterator
from dataclasses import replace

from retrain import extras
from retrain.errors import RetrainError
from retrain.gate.scorers import scorers_for
from retrain.models import training
from retrain.models.as_onnx import EXTRA
from retrain.models.function import function_of
from retrain.models.sandbox import Sandbox
from retrain.preflight.corners import at, corners_of
from retrain.preflight.finding import Finding
from retrain.preflight.made_rows import made_rows
from retrain.preflight.trial import elsewhere, run_trial
from retrain.spec.candidates import CandidateSpec, Format
from retrain.spec.spec import Spec


def look(spec: Spec) -> Iterator[Finding]:
    """Yield what is wrong with a spec by itself: its candidates are built, and tried on made rows."""
    try:
        scorers_for((spec.gate, *spec.gate.limits), spec.task, ())
    except RetrainError as error:
        yield Finding(str(error))
    yield from missing_extras(spec)
    if spec.run_on.python is not None:
        yield from elsewhere(spec)
        return
    with Sandbox() as sandbox:
        for candidate in spec.candidates:
            yield from _of_candidate(spec, candidate, sandbox)


def _of_candidate(spec: Spec, candidate: CandidateSpec, sandbox: Sandbox) -> Iterator[Finding]:
    """Yield what is wrong with a candidate: all corners of a search are built, and the first and the last are tried."""
    try:
        corners = corners_of(candidate)
    except RetrainError as error:
        yield Finding(str(error))
        return
    for corner in corners:
        try:
            function_of(corner) if corner.train else training.build(corner)
        except RetrainError as error:
            yield Finding(f"{error}{at(candidate, corner)}")
            return
    for corner in corners[:1] + corners[1:][-1:]:
        found = [*_tried(spec, corner, sandbox)]
        yield from (replace(each, text=each.text + at(candidate, corner)) for each in found)
        if found:
            return


_OF_CHANNELS = {"slack": "slack", "email": "smtp", "apprise": "apprise"}
"""By kind of channel, the extra that carries it."""


def missing_extras(spec: Spec) -> Iterator[Finding]:
    """Yield which extras the spec needs, or would be better with, and are not installed."""
    for place, channel in enumerate(spec.channels):
        extra = _OF_CHANNELS.get(channel.kind)
        if extra is not None and not extras.has(extra):
            yield Finding(f"channels[{place}]: {channel.kind} needs an extra; {extras.remedy(extra)}")
    for place, candidate in enumerate(spec.candidates):
        if Format.ONNX in candidate.format and spec.run_on.python is None and not extras.has(EXTRA):
            yield Finding(f"candidates[{place}].format: onnx needs an extra; {extras.remedy(EXTRA)}")
    if any(each.search is not None for each in spec.candidates) and not extras.has("tune"):
        yield Finding(f"search needs an extra; {extras.remedy('tune')}")
    if not extras.has("report"):
        yield Finding(f"reports have no pictures; {extras.remedy('report')}", fault=False)
    if not extras.has("adbc"):
        yield Finding(f"snapshots are read more slowly than they could be; {extras.remedy('adbc')}", fault=False)


def _tried(spec: Spec, candidate: CandidateSpec, sandbox: Sandbox) -> Iterator[Finding]:
    failed: list[str] = []
    for rows in made_rows(spec):
        try:
            run_trial(spec, candidate, rows, sandbox)
        except RetrainError as error:
            failed.append(str(error))
        else:
            return
    where = f"candidate {candidate.name!r}, tried on made rows: "
    if len(set(failed)) == 1:
        yield Finding(where + failed[0])
    else:
        yield Finding(f"{where}it could not be tried, as its columns' types are not known; use --source", fault=False)
