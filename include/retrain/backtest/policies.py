"""The policies of a backtest: the spec as it is, with some fields changed, and three rules beside them."""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from retrain.backtest.replayed import Policy, Rule
from retrain.errors import BacktestError, SpecError
from retrain.spec.files import SpecFile
from retrain.spec.parse import parse
from retrain.spec.spec import Spec
from retrain.spec.yaml_text import data_in
from retrain.text import one_line

_FIXED = ("model", "task", "source", "aliases", "connections", "description", "channels", "watch", "approval", "mode")
"""Sections that no policy may change: all are compared on the same rows, and the last ones decide nothing here."""
SHIPPED = "shipped"
"""Name of the spec as it is."""


def policies(file: SpecFile, vary: Path | None) -> tuple[Policy, ...]:
    """Return all policies, the spec as it is first.

    vary: a YAML file, a mapping of names to changes, each nested as the spec is; without one, half and twice the
    threshold, and superiority. Raises BacktestError where the file cannot be read, and SpecError with every fault where
    a change makes no spec.
    """
    spec = replayable(file.spec)
    data = data_in(file.path.read_text(encoding="utf-8-sig"))
    changes = _default(spec) if vary is None else _read(vary)
    varied = [_varied(name, change, data, vary) for name, change in changes.items()]
    rules = [Policy(rule.value, spec, rule=rule) for rule in (Rule.NEVER, Rule.ALWAYS, Rule.GREATER)]
    return (Policy(SHIPPED, spec), *varied, *rules)


def replayable(spec: Spec) -> Spec:
    """Return the spec without what a backtest cannot measure: the time that a model takes and the size of its files.

    Raises BacktestError for a candidate with a search: each cycle would make all of its trials.
    """
    for place, candidate in enumerate(spec.candidates):
        if candidate.search is not None:
            raise BacktestError(
                f"candidates[{place}].search: a backtest makes no trials; write what a search has found into params of "
                "a copy of the spec, and remove search"
            )
    unmeasured = dict.fromkeys(("max_latency_ms", "max_slowdown", "max_growth"))
    return spec.model_copy(update={"gate": spec.gate.model_copy(update=unmeasured)})


def left_out(spec: Spec) -> Iterator[str]:
    """Yield what of a spec a backtest does not replay, a sentence each."""
    if spec.gate.needs_latency or spec.gate.max_growth is not None:
        yield "the gate's guards of latency and size are not replayed: they need the files of a registry"
    if spec.approval is not None:
        yield "approval is not replayed: every promotion takes effect at once"
    if spec.schedule is None and not spec.starts_by_itself:
        yield "the spec has no schedule: a look each day is assumed"


def _default(spec: Spec) -> dict[str, Any]:
    rows = spec.threshold.rows
    return {
        f"threshold {max(1, rows // 2)}": {"threshold": {"rows": max(1, rows // 2)}},
        f"threshold {rows * 2}": {"threshold": {"rows": rows * 2}},
        "superiority": {"gate": {"proof": "superiority"}},
    }


def _read(vary: Path) -> dict[str, Any]:
    try:
        data = data_in(vary.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise BacktestError(f"{vary}: cannot be read: {one_line(error)}; write names and changes in YAML") from error
    if not isinstance(data, dict) or not data:
        raise BacktestError(
            f"{vary}: holds no policies; write a name and its changes, as in `weekly: {{schedule: '@weekly'}}`"
        )
    reserved = [name for name in data if name in {SHIPPED, *(rule.value for rule in Rule)} or not isinstance(name, str)]
    if reserved:
        raise BacktestError(
            f"{vary}: {reserved[0]}: is a name that a backtest gives itself, or no text; choose another"
        )
    return data


def _varied(name: str, change: Any, data: Any, vary: Path | None) -> Policy:
    where = f"{vary}: {name}" if vary else name
    if not isinstance(change, dict) or not change:
        raise BacktestError(
            f"{where}: changes nothing; write fields as the spec does, as in `threshold: {{rows: 2000}}`"
        )
    fixed = [field for field in change if field in _FIXED]
    if fixed:
        raise BacktestError(
            f"{where}: {fixed[0]}: cannot differ between policies, which are compared on the same rows; remove it"
        )
    try:
        return Policy(name, replayable(parse(_merged(data, change), where)), change)
    except SpecError as error:
        raise BacktestError(str(error)) from error


def _merged(data: Any, change: Mapping[str, Any]) -> Any:
    """Return the spec's data with these fields changed: sections field by field, everything else as a whole."""
    merged = copy.deepcopy(data)
    for name, value in change.items():
        before = merged.get(name)
        merged[name] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged
