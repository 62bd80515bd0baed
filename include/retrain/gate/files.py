"""The gate for any two files of predictions, without Airflow, MLflow or a ledger: what `retrain judge` does."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from retrain.errors import JudgingError
from retrain.gate.judge import judge
from retrain.gate.labels import Floats, classes_in, encode
from retrain.gate.predictions import Evidence, Predictions, RawPredictions, classes_of
from retrain.gate.scorers import scorers_for
from retrain.metrics import described
from retrain.records import Guard, Matchup, Proof, Verdict
from retrain.spec.gate import Gate
from retrain.spec.task import Task
from retrain.text import one_line

_PROBABILITY_PREFIX = "p_"
_TOLERANCE = 0.01
"""How far from 1 the probabilities of a row may sum: people round them."""
_CYCLE_GUARDS = ("overlap", "holdout_round")
"""Guards without a meaning here: files do not show which rows trained a model, or how often these have judged."""


@dataclass(frozen=True)
class Columns:
    """The names of the columns, the same in both files."""

    label: str
    prediction: str = "prediction"
    score: str = "score"
    key: str | None = None
    """Pairs the rows; without it, they are paired by position."""
    group: str | None = None
    """Rows of one group are one cluster. It is read from the challenger's file."""


def gate_of(**options: Any) -> Gate:
    """Return a gate that judges two files once. Raises JudgingError with one line for each wrong option."""
    try:
        gate = Gate(**{"tests": 1, "signature": "any", "proof": Proof.SUPERIORITY, **options})
    except ValidationError as error:
        raise JudgingError("\n".join(_option_fault(fault) for fault in error.errors())) from None
    if gate.proof is Proof.AUTO:
        raise JudgingError(
            '--proof = "auto": files do not show how a model was made; name superiority or non_inferiority'
        )
    return gate


def judge_files(challenger: Path, production: Path, columns: Columns, gate: Gate, task: Task) -> Verdict:
    """Return the gate's verdict on two files of predictions for the same rows; the same files give the same verdict.

    Raises JudgingError where a file cannot be read, where it lacks a column or a value, and where the rows do not pair,
    and EstimatorError where scikit-learn has no scorer of the metric's name.
    """
    if not task.has(gate.metric):
        raise JudgingError(f'--metric = "{gate.metric}": is not for {task}; name another one')
    ours, theirs = _File.read(challenger), _File.read(production)
    theirs = theirs.ordered(_positions(ours, theirs, columns.key))
    files = (ours, theirs)
    labels = _labels(ours, theirs, columns, task)
    raw = [_raw_predictions(file, columns, gate, task, labels) for file in files]
    classes: tuple[str, ...] = ()
    if task is Task.CLASSIFICATION:
        joined = described(gate.metric).needs == "probabilities"
        classes = classes_of(labels, raw, joined=joined)
        for file, each in zip(files, raw, strict=True):
            _require_known_labels(file, columns.prediction, each, classes_in(labels))
    predictions = [_predictions(file, columns, gate, each, classes) for file, each in zip(files, raw, strict=True)]
    groups = np.arange(len(labels)) if columns.group is None else pd.factorize(ours.texts(columns.group))[0]
    evidence = Evidence(
        matchup=_matchup(challenger, production),
        classes=classes,
        labels=encode(labels, classes) if classes else labels,
        challenger=predictions[0],
        production=predictions[1],
        clusters=groups.astype(np.int64),
        scorers=scorers_for((gate,), task, classes),
    )
    return judge(evidence, gate)


def to_text(verdict: Verdict) -> str:
    """Return the verdict for a terminal: its sentence, then its numbers and guards as tables."""
    numbers = [
        ("", "score", "95%"),
        ("challenger", _number(verdict.score), _range(verdict.score_interval)),
        ("Production", _number(verdict.production_score), _range(verdict.production_interval)),
        ("difference", _number(verdict.difference, "+"), _range(verdict.interval, "+")),
    ]
    rest = [
        ("needed gain", f"more than {verdict.threshold:g}"),
        ("p", "-" if verdict.p_value is None else f"{verdict.p_value:.3g}"),
        ("alpha", f"{verdict.alpha:.3g}"),
        ("detectable gain", _number(verdict.smallest_gain)),
        ("rows", f"{verdict.rows:,}"),
        ("clusters", f"{verdict.clusters:,}"),
        ("right to wrong", f"{verdict.right_to_wrong:,}"),
        ("wrong to right", f"{verdict.wrong_to_right:,}"),
    ]
    guards = [(_passed(guard), guard.name, guard.says) for guard in verdict.guards if guard.name not in _CYCLE_GUARDS]
    blocks = [[f"{verdict.result}: {verdict.reason}"], *(list(_aligned(each)) for each in (numbers, rest, guards))]
    return "\n\n".join("\n".join(block) for block in blocks)


# ── files


@dataclass(frozen=True, eq=False)
class _File:
    path: Path
    table: pd.DataFrame

    @staticmethod
    def read(path: Path) -> "_File":
        try:
            if path.suffix.lower() == ".csv":
                # As text: a class may be called "NA", or "01".
                table = pd.read_csv(path, dtype=str, keep_default_na=False)
                # Where rows are longer than the header, pandas takes their first field as an index without a word.
                if not isinstance(table.index, pd.RangeIndex):
                    raise JudgingError(f"{path}: its rows have more fields than its header; name every column")
            elif path.suffix.lower() == ".parquet":
                table = pd.read_parquet(path)
                table = table.reset_index(drop=table.index.names == [None])
            else:
                raise JudgingError(f"{path}: is neither .csv nor .parquet; save it as one of them")
        except (OSError, ValueError) as error:
            why = one_line(error)
            raise JudgingError(f"{path}: cannot be read: {why}; save it as CSV in UTF-8, or as Parquet") from None
        if table.empty:
            raise JudgingError(f"{path}: holds no rows; write one for each prediction below a header")
        return _File(path, table)

    def ordered(self, positions: NDArray[np.intp]) -> "_File":
        """Return the file with the rows at these positions, in this order. positions: shape (rows,)."""
        return replace(self, table=self.table.iloc[positions].reset_index(drop=True))

    def column(self, name: str) -> pd.Series:
        """Return a column. Raises JudgingError where it is missing, or empty in a row."""
        if name not in self.table:
            names = ", ".join(map(str, self.table))
            raise JudgingError(f"{self.path}: has no column {name}, only {names}; name the right one, or add it")
        column = self.table[name]
        empty = np.flatnonzero(column.isna() | (column.astype(str) == ""))
        if len(empty):
            raise JudgingError(
                f"{self.path}: {name} is empty in {len(empty):,} rows (e.g. row {empty[0] + 1}); fill it, or leave "
                "those rows out of both files"
            )
        return column

    def texts(self, name: str) -> NDArray[np.str_]:
        """Return a column as text, shape (rows,). A whole number gives the same text, be it written as 1 or as 1.0."""
        return np.array([_plain(str(each)) for each in self.column(name)], np.str_)

    def numbers(self, name: str) -> Floats:
        """Return a column as finite numbers, shape (rows,). Raises JudgingError for any other value."""
        column = self.column(name)
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
        wrong = np.flatnonzero(~np.isfinite(numbers))
        if len(wrong):
            value = _quoted(column.iloc[wrong[0]])
            raise JudgingError(
                f"{self.path}: {name} = {value}: is not a finite number (row {wrong[0] + 1}); write one in each row"
            )
        return numbers

    def classes(self, known: tuple[str, ...]) -> dict[str, str]:
        """Return the class of each column of probabilities, by the name of the column; none where no class has one.

        known: the classes of labels and predictions. `p_value` is not the probability of a class "value", unless a row
        adds up to 1 only with it: a model may know a class that occurs nowhere else.
        """
        named = {
            str(name): _plain(str(name).removeprefix(_PROBABILITY_PREFIX))
            for name in self.table
            if str(name).startswith(_PROBABILITY_PREFIX)
        }
        own = {name: class_ for name, class_ in named.items() if encode([class_], known)[0] >= 0}
        return named if own and not self.adds_up(own) and self.adds_up(named) else own

    def probability_of(self, class_: str) -> str | None:
        """Return the name of the column with the probability of this class; None where there is none."""
        names = [name for name, each in self.classes((class_,)).items() if encode([each], (class_,))[0] >= 0]
        return names[0] if names else None

    def adds_up(self, names: Iterable[str]) -> bool:
        """Return whether these columns hold all probabilities of each row."""
        table = np.column_stack([pd.to_numeric(self.table[name], errors="coerce") for name in names])
        return not len(_not_one(table))

    def probabilities(self, names: Iterable[str]) -> Floats:
        """Return the probabilities in these columns, shape (rows, k). Raises JudgingError for others."""
        table = np.column_stack([self.numbers(name) for name in names])
        for position, name in enumerate(names):
            wrong = np.flatnonzero((table[:, position] < 0) | (table[:, position] > 1))
            if len(wrong):
                raise JudgingError(
                    f"{self.path}: {name} = {table[wrong[0], position]:g}: is not a probability (row {wrong[0] + 1}); "
                    "write one from 0 to 1"
                )
        wrong = _not_one(table)
        if len(wrong):
            raise JudgingError(
                f"{self.path}: {' + '.join(names)} = {table[wrong[0]].sum():g}: is not 1 (row {wrong[0] + 1}); write a "
                f"column {_PROBABILITY_PREFIX}<class> for each class"
            )
        return table


def _not_one(table: Floats) -> NDArray[np.intp]:
    """Return the positions of the rows that do not add up to 1."""
    return np.flatnonzero(~(np.abs(table.sum(axis=1) - 1) <= _TOLERANCE))


def _positions(ours: _File, theirs: _File, key: str | None) -> NDArray[np.intp]:
    """Return the position in Production's file of each row of the challenger's, shape (rows,)."""
    if key is None:
        if len(ours.table) != len(theirs.table):
            raise JudgingError(
                f"{theirs.path}: has {len(theirs.table):,} rows and {ours.path} has {len(ours.table):,}; write the "
                "same rows in the same order into both"
            )
        return np.arange(len(ours.table))
    keys = {file.path: pd.Index(file.texts(key)) for file in (ours, theirs)}
    for path, index in keys.items():
        if not index.is_unique:
            raise JudgingError(
                f"{path}: {key} = {_quoted(index[index.duplicated()][0])}: occurs more than once; name a column that "
                "identifies a row"
            )
    for one, other in ((ours, theirs), (theirs, ours)):
        alone = keys[one.path].difference(keys[other.path], sort=False)
        if len(alone):
            raise JudgingError(
                f"{other.path}: lacks {len(alone):,} keys of {one.path} (e.g. {key} = {_quoted(alone[0])}); write the "
                "same rows into both"
            )
    return keys[theirs.path].get_indexer(keys[ours.path])


def _labels(ours: _File, theirs: _File, columns: Columns, task: Task) -> NDArray[Any]:
    """Return the labels, shape (rows,). Raises JudgingError where the two files do not agree on them."""
    name = columns.label
    regression = task is Task.REGRESSION
    one, other = (file.numbers(name) if regression else file.texts(name) for file in (ours, theirs))
    differ = np.flatnonzero(one != other)
    if len(differ):
        row = int(differ[0])
        where = f"row {row + 1}"
        remedy = "write the same rows in the same order, or name a column that identifies them with --key"
        if columns.key is not None:
            where = f"{columns.key} = {_quoted(ours.texts(columns.key)[row])}"
            remedy = "a row has one label: correct it"
        raise JudgingError(
            f"{theirs.path}: {name} = {_quoted(other[row])}: is {_quoted(one[row])} in {ours.path} ({where}, and "
            f"{len(differ) - 1:,} more); {remedy}"
        )
    return one


def _raw_predictions(file: _File, columns: Columns, gate: Gate, task: Task, labels: NDArray[Any]) -> RawPredictions:
    if task is Task.REGRESSION:
        return RawPredictions(file.numbers(columns.prediction))
    predicted, needs = file.texts(columns.prediction), described(gate.metric).needs
    if needs in ("labels", "scores"):
        return RawPredictions(predicted)
    classes = file.classes(classes_in(np.concatenate([labels, predicted])))
    if needs == "probabilities" and not classes:
        raise JudgingError(
            f"{file.path}: has no column of probabilities, which {gate.metric} needs; write a column "
            f"{_PROBABILITY_PREFIX}<class> for each class"
        )
    ranked = needs == "anything" and _score_column(file, columns, gate) is not None
    if not classes or (ranked and not file.adds_up(classes)):
        return RawPredictions(predicted)
    return RawPredictions(predicted, tuple(classes.values()), file.probabilities(list(classes)))


def _predictions(
    file: _File, columns: Columns, gate: Gate, raw: RawPredictions, classes: tuple[str, ...]
) -> Predictions:
    predictions, needs = raw.among(classes, gate.positive), described(gate.metric).needs
    name = _score_column(file, columns, gate) if needs in ("scores", "anything") else None
    if name is not None and (name == columns.score or predictions.probabilities is None):
        return replace(predictions, scores=file.numbers(name))
    if needs == "scores":
        raise JudgingError(
            f"{file.path}: has neither a column {columns.score} nor {_PROBABILITY_PREFIX}{gate.positive}, and "
            f"{gate.metric} needs one; write how much each row is {gate.positive!r}"
        )
    return predictions


def _score_column(file: _File, columns: Columns, gate: Gate) -> str | None:
    """Return the column that ranks the rows by the positive class: a score, or that class's probability."""
    if gate.positive is None or columns.score in file.table:
        return None if gate.positive is None else columns.score
    return file.probability_of(_plain(str(gate.positive)))


def _require_known_labels(file: _File, name: str, raw: RawPredictions, classes: tuple[str, ...]) -> None:
    """Raise JudgingError where no prediction is a label: it is another column. A few such are wrong predictions."""
    if not (encode(raw.labels, classes) >= 0).any():
        raise JudgingError(
            f"{file.path}: {name} = {_quoted(raw.labels[0])}: none of its values is a label ({', '.join(classes[:5])}"
            f"{', …' if len(classes) > 5 else ''}); name the right column with --prediction"
        )


def _matchup(challenger: Path, production: Path) -> Matchup:
    content = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in (challenger, production)))
    return Matchup(
        id=content.hexdigest(),  # the seed of the resampling
        model="",
        candidate=str(challenger),
        snapshot="",
        run_id="",
        version=None,
        production=str(production),
        holdout_round=1,
        test=1,
        dry_run=True,
    )


# ── texts


def _plain(text: str) -> str:
    """Return the number 1.0 as 1: an empty value turns a column of whole numbers into one of floats."""
    whole, _, rest = text.partition(".")
    return whole if rest and not rest.strip("0") and whole.removeprefix("-").isdecimal() else text


def _quoted(value: object) -> str:
    return json.dumps(value if isinstance(value, float) else str(value), ensure_ascii=False)


def _option_fault(fault: Any) -> str:
    field = "--" + str(fault["loc"][0]).replace("_", "-") if fault["loc"] else "the options"
    value = f" = {_quoted(fault['input'])}" if fault["loc"] else ""
    return f"{field}{value}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _number(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.3f}"


def _range(interval: tuple[float, float] | None, sign: str = "") -> str:
    return "-" if interval is None else " to ".join(_number(end, sign) for end in interval)


def _passed(guard: Guard) -> str:
    return "passed" if guard.passed else "FAILED"


def _aligned(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
