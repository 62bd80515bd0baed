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
from retrain.records import Guard, Matchup, Verdict
from retrain.spec.gate import Gate
from retrain.spec.task import Task

_PROBABILITY = "p_"
_SLACK = 0.01
"""By how much the probabilities of a row may miss 1: people round them."""
_OF_A_CYCLE = ("overlap", "holdout_round")
"""Guards that say nothing here: nobody told which rows a model has trained on, or how often these have judged."""


@dataclass(frozen=True)
class Columns:
    """What the columns are called, the same in both files."""

    label: str
    prediction: str = "prediction"
    score: str = "score"
    key: str | None = None
    """Pairs the rows; without it they are paired by position."""
    group: str | None = None
    """Rows of one group are one cluster. The challenger's file says."""


def gate_of(**options: Any) -> Gate:
    """A gate that judges two files once. Raises JudgingError with one line for each option that is at fault."""
    try:
        return Gate(**{"tests": 1, "signature": "any", **options})
    except ValidationError as error:
        raise JudgingError("\n".join(_line(fault) for fault in error.errors())) from None


def judge_files(challenger: Path, production: Path, columns: Columns, gate: Gate, task: Task) -> Verdict:
    """The gate's verdict on two files of predictions for the same rows; the same files give the same verdict.

    Raises JudgingError where a file cannot be read, lacks a column or a value, or its rows do not pair, and
    EstimatorError where scikit-learn has no scorer of the metric's name.
    """
    if not task.has(gate.metric):
        raise JudgingError(f'--metric = "{gate.metric}": is not for {task}; name another one')
    ours, theirs = _File.read(challenger), _File.read(production)
    theirs = theirs.ordered(_places(ours, theirs, columns.key))
    truth = _labels(ours, theirs, columns, task)
    said = [_said(file, columns, gate, task) for file in (ours, theirs)]
    classes: tuple[str, ...] = ()
    if task is Task.CLASSIFICATION:
        joined = described(gate.metric).needs == "probabilities"
        classes = classes_of(truth, said, joined=joined)
        for file, each in zip((ours, theirs), said, strict=True):
            _refuse_strangers(file, columns.prediction, each, classes_in(truth))
    answers = [_answers(file, columns, gate, each, classes) for file, each in zip((ours, theirs), said, strict=True)]
    groups = np.arange(len(truth)) if columns.group is None else pd.factorize(ours.texts(columns.group))[0]
    scores = Evidence(
        matchup=_matchup(challenger, production),
        classes=classes,
        labels=encode(truth, classes) if classes else truth,
        challenger=answers[0],
        production=answers[1],
        clusters=groups.astype(np.int64),
        scorers=scorers_for((gate,), task, classes),
    )
    return judge(scores, gate)


def told(verdict: Verdict) -> str:
    """The verdict's sentence, then its numbers as a table: what a person reads in a terminal."""
    numbers = [
        ("", "score", "95%"),
        ("challenger", _figure(verdict.score), _range(verdict.score_interval)),
        ("Production", _figure(verdict.production_score), _range(verdict.production_interval)),
        ("difference", _figure(verdict.difference, "+"), _range(verdict.interval, "+")),
    ]
    rest = [
        ("needed gain", f"more than {verdict.threshold:g}"),
        ("p", "-" if verdict.p_value is None else f"{verdict.p_value:.3g}"),
        ("alpha", f"{verdict.alpha:.3g}"),
        ("smallest gain seen", _figure(verdict.smallest_gain)),
        ("rows", f"{verdict.rows:,}"),
        ("clusters", f"{verdict.clusters:,}"),
        ("right to wrong", f"{verdict.right_to_wrong:,}"),
        ("wrong to right", f"{verdict.wrong_to_right:,}"),
    ]
    guards = [(_passed(guard), guard.name, guard.says) for guard in verdict.guards if guard.name not in _OF_A_CYCLE]
    blocks = [[f"{verdict.outcome}: {verdict.reason}"], *(list(_aligned(each)) for each in (numbers, rest, guards))]
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
                # Of rows that are longer than the header, pandas takes the first field for an index and says nothing.
                if not isinstance(table.index, pd.RangeIndex):
                    raise JudgingError(f"{path}: its rows have more fields than its header; name every column")
            elif path.suffix.lower() == ".parquet":
                table = pd.read_parquet(path)
                table = table.reset_index(drop=table.index.names == [None])
            else:
                raise JudgingError(f"{path}: is neither .csv nor .parquet; save it as one of them")
        except (OSError, ValueError) as error:
            why = " ".join(str(error).split())
            raise JudgingError(f"{path}: cannot be read: {why}; save it as CSV in UTF-8, or as Parquet") from None
        if table.empty:
            raise JudgingError(f"{path}: holds no rows; write one for each prediction below a header")
        return _File(path, table)

    def ordered(self, places: NDArray[np.intp]) -> "_File":
        """The rows at these places."""
        return replace(self, table=self.table.iloc[places].reset_index(drop=True))

    def column(self, name: str) -> pd.Series:
        """Raises JudgingError where it is missing, or empty in a row."""
        if name not in self.table:
            has = ", ".join(map(str, self.table))
            raise JudgingError(f"{self.path}: has no column {name}, but {has}; name the right one, or add it")
        column = self.table[name]
        empty = np.flatnonzero(column.isna() | (column.astype(str) == ""))
        if len(empty):
            raise JudgingError(
                f"{self.path}: {name} is empty in {len(empty):,} rows (e.g. row {empty[0] + 1}); fill it, or leave "
                "those rows out of both files"
            )
        return column

    def texts(self, name: str) -> NDArray[np.str_]:
        """Shape (rows,). A whole number is the same text whether a program wrote it as 1 or as 1.0."""
        return np.array([_plain(str(each)) for each in self.column(name)], np.str_)

    def numbers(self, name: str) -> Floats:
        """Shape (rows,), all finite."""
        column = self.column(name)
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
        wrong = np.flatnonzero(~np.isfinite(numbers))
        if len(wrong):
            value = _quoted(column.iloc[wrong[0]])
            raise JudgingError(
                f"{self.path}: {name} = {value}: is no finite number (row {wrong[0] + 1}); write one in each row"
            )
        return numbers

    def classes(self) -> dict[str, str]:
        """Of which class each column of probabilities is."""
        return {
            str(name): _plain(str(name).removeprefix(_PROBABILITY))
            for name in self.table
            if str(name).startswith(_PROBABILITY)
        }

    def probabilities(self) -> Floats:
        """Shape (rows, k), in the order of `classes`."""
        names = list(self.classes())
        table = np.column_stack([self.numbers(name) for name in names])
        for place, name in enumerate(names):
            wrong = np.flatnonzero((table[:, place] < 0) | (table[:, place] > 1))
            if len(wrong):
                raise JudgingError(
                    f"{self.path}: {name} = {table[wrong[0], place]:g}: is no probability (row {wrong[0] + 1}); write "
                    "one from 0 to 1"
                )
        wrong = np.flatnonzero(np.abs(table.sum(axis=1) - 1) > _SLACK)
        if len(wrong):
            raise JudgingError(
                f"{self.path}: {' + '.join(names)} = {table[wrong[0]].sum():g}: is not 1 (row {wrong[0] + 1}); write a "
                f"column {_PROBABILITY}<class> for each class"
            )
        return table


def _places(ours: _File, theirs: _File, key: str | None) -> NDArray[np.intp]:
    """Where in Production's file each of the challenger's rows is. Shape (rows,)."""
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
    """Shape (rows,): what both files agree on."""
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


def _said(file: _File, columns: Columns, gate: Gate, task: Task) -> RawPredictions:
    if task is Task.REGRESSION:
        return RawPredictions(file.numbers(columns.prediction))
    labels, needs, classes = file.texts(columns.prediction), described(gate.metric).needs, file.classes()
    if needs == "labels" or not classes:
        if needs == "probabilities":
            raise JudgingError(
                f"{file.path}: has no column of probabilities, which {gate.metric} needs; write a column "
                f"{_PROBABILITY}<class> for each class"
            )
        return RawPredictions(labels)
    return RawPredictions(labels, tuple(classes.values()), file.probabilities())


def _answers(file: _File, columns: Columns, gate: Gate, said: RawPredictions, classes: tuple[str, ...]) -> Predictions:
    answers, needs = said.among(classes, gate.positive), described(gate.metric).needs
    of_class = gate.positive is not None and needs in ("scores", "anything")
    if of_class and (columns.score in file.table or (needs == "scores" and answers.scores is None)):
        return replace(answers, scores=file.numbers(columns.score))
    return answers


def _refuse_strangers(file: _File, name: str, said: RawPredictions, classes: tuple[str, ...]) -> None:
    """One odd answer is a wrong one; where no answer is a label, it is another column."""
    if not (encode(said.labels, classes) >= 0).any():
        raise JudgingError(
            f"{file.path}: {name} = {_quoted(said.labels[0])}: none of its values is a label ({', '.join(classes[:5])}"
            f"{', …' if len(classes) > 5 else ''}); name the right column with --prediction"
        )


def _matchup(challenger: Path, production: Path) -> Matchup:
    content = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in (challenger, production)))
    return Matchup(
        id=content.hexdigest(),  # the dice are thrown by it
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


# ── words


def _plain(text: str) -> str:
    """The number 1.0 as 1: a column of whole numbers in which one was empty has become one of floats."""
    whole, _, rest = text.partition(".")
    return whole if rest and not rest.strip("0") and whole.removeprefix("-").isdecimal() else text


def _quoted(value: object) -> str:
    return json.dumps(value if isinstance(value, float) else str(value), ensure_ascii=False)


def _line(fault: Any) -> str:
    field = "--" + str(fault["loc"][0]).replace("_", "-") if fault["loc"] else "the options"
    value = f" = {_quoted(fault['input'])}" if fault["loc"] else ""
    return f"{field}{value}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _figure(figure: float | None, sign: str = "") -> str:
    return "-" if figure is None else f"{figure:{sign}.3f}"


def _range(interval: tuple[float, float] | None, sign: str = "") -> str:
    return "-" if interval is None else " to ".join(_figure(end, sign) for end in interval)


def _passed(guard: Guard) -> str:
    return "passed" if guard.passed else "FAILED"


def _aligned(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
