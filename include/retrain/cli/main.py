"""`retrain check`, `migrate`, `forget`, `report` and `judge`: what an engineer runs from a shell, without Airflow."""

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

import psycopg2

from retrain.errors import RetrainError
from retrain.ledger.ledger import Ledger
from retrain.metrics import METRICS, SCORER, described
from retrain.records import Outcome, Proof
from retrain.spec import files as spec_files
from retrain.spec.task import Task

BAD_INPUT = 64
"""What BSD calls EX_USAGE. argparse would say 2, which here is a verdict."""

STATUS = {Outcome.PROMOTE: 0, Outcome.HOLD: 1, Outcome.INCONCLUSIVE: 2}

_JUDGE = """\
Judge two files of predictions for the same rows as the gate judges two models: may the first one replace the second?

Each file, CSV or Parquet, has the label, a prediction, for metrics of ranking a score (greater: more of the positive
class), and for metrics of probabilities one column p_<class> for each class. Rows are paired by --key, or else by their
position.
"""
_JUDGE_STATUS = f"exit status: 0 PROMOTE, 1 HOLD, 2 INCONCLUSIVE, {BAD_INPUT} the files or options are at fault"
_OF_GATE = (
    *("metric", "positive", "proof", "margin", "min_gain", "alpha"),
    *("floor", "ceiling", "min_rows", "min_positives"),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(BAD_INPUT, f"{self.prog}: {message}\n")


def main() -> int:
    """Exit status 0 when all is well, 1 with one line for each fault; of `judge`, what its help says."""
    parser = _Parser(prog="retrain", description="Keeps a model in Production good as its data grows.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="read every spec, import its estimators and build them")
    check.add_argument("folder", nargs="?", type=Path, default=spec_files.folder(), help="default: %(default)s")
    check.add_argument(
        "--source",
        metavar="DSN",
        help="also look at the tables in this database, and say how new rows are counted there; a libpq connection "
        "string, '' for libpq's variables",
    )
    check.add_argument("--connection", metavar="ID", help="with --source: only of specs whose source.connection it is")
    migrate = commands.add_parser("migrate", help="bring Retrain's tables up to date")
    migrate.add_argument(
        "--dsn", default="", help="libpq connection string of a role that may create; default: libpq's variables"
    )
    erase = commands.add_parser(
        "forget",
        help="erase rows from every snapshot of a model",
        description="Erase the rows of these keys from every snapshot of a model. Delete them from the source before, "
        "or the next snapshot takes them again.",
    )
    erase.add_argument("--model", required=True, help="as in its spec")
    erase.add_argument("--key", required=True, nargs="+", help="of the rows, as the source has them")
    erase.add_argument("--dsn", default="", help="of schema `retrain`: libpq connection string; default: its variables")
    erase.add_argument(
        "--snapshots",
        default=os.environ.get("RETRAIN_SNAPSHOTS_URI"),
        required="RETRAIN_SNAPSHOTS_URI" not in os.environ,
        metavar="URI",
        help="where snapshots are; default: RETRAIN_SNAPSHOTS_URI",
    )
    report = commands.add_parser(
        "report",
        help="fetch the report of a cycle",
        description="Fetch the report of a cycle from its run in MLflow: one HTML file, or Markdown with pictures.",
    )
    report.add_argument("--run", required=True, metavar="ID", help="of the cycle's run in MLflow")
    report.add_argument("--markdown", action="store_true", help="report.md and its pictures, in place of report.html")
    report.add_argument("--out", type=Path, default=Path(), metavar="FOLDER", help="where to; default: here")
    report.add_argument(
        "--mlflow",
        default=os.environ.get("MLFLOW_TRACKING_URI"),
        required="MLFLOW_TRACKING_URI" not in os.environ,
        metavar="URI",
        help="of the tracking server; default: MLFLOW_TRACKING_URI. It is logged in to with MLflow's own variables",
    )
    _add_judge(
        commands.add_parser(
            "judge",
            help="judge one file of predictions against another",
            description=_JUDGE,
            epilog=_JUDGE_STATUS,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    arguments = parser.parse_args()
    if arguments.command == "judge":
        return _judge(arguments)
    try:
        if arguments.command == "migrate":
            faults = _migrate(arguments.dsn)
        elif arguments.command == "report":
            faults = _report(arguments.mlflow, arguments.run, arguments.out, markdown=arguments.markdown)
        elif arguments.command == "forget":
            faults = _forget(arguments.model, arguments.key, arguments.dsn, arguments.snapshots)
        else:
            faults = _check(arguments.folder)
            if arguments.source is not None:
                faults += _check_sources(arguments.folder, arguments.source, arguments.connection)
    except RetrainError as error:
        faults = [str(error)]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _check(folder: Path) -> list[str]:
    # scikit-learn: two seconds that `migrate` does not need
    from retrain.gate.scorers import scorers_for
    from retrain.models.training import build

    found = spec_files.load_folder(folder)
    faults = list(found.faults)
    for file in found.files:
        gate = file.spec.gate
        checks = [partial(build, candidate) for candidate in file.spec.candidates]
        checks.append(partial(scorers_for, (gate, *gate.limits), file.spec.task, ()))
        for check in checks:
            try:
                check()
            except RetrainError as error:
                faults.append(f"{file.path.name}: {error}")
    if not found.files and not faults:
        faults.append(f"{folder}: holds no *.yaml; write one spec for each model into it")
    if not faults:
        print(f"{len(found.files)} specs are good: {', '.join(file.path.name for file in found.files)}")
    return faults


def _check_sources(folder: Path, dsn: str, connection: str | None) -> list[str]:
    """How new rows are counted is told; what cannot be read as the spec says is a fault."""
    from retrain.source.table import Source  # pyarrow, which `migrate` does not need

    faults = []
    for file in spec_files.load_folder(folder).files:
        if connection not in (None, file.spec.source.connection):
            continue
        try:
            plan = Source(lambda: psycopg2.connect(dsn), file.spec.source, file.sql, file.spec.snapshot).count_plan()
            print(f"{file.path.name}: {plan}")
        except RetrainError as error:
            faults += [f"{file.path.name}: {line}" for line in str(error).splitlines()]
    return faults


def _migrate(dsn: str) -> list[str]:
    done = Ledger(lambda: psycopg2.connect(dsn)).migrate()
    print(f"Ran {', '.join(done)}." if done else "Nothing to do.")
    return []


def _forget(model: str, keys: list[str], dsn: str, uri: str) -> list[str]:
    from retrain.cycle.retention import forget  # pyarrow, which `migrate` does not need
    from retrain.snapshots.store import SnapshotStore

    ledger = Ledger(lambda: psycopg2.connect(dsn))
    ledger.check()
    forgotten = forget(model, keys, snapshots=SnapshotStore(uri), ledger=ledger)
    for each in forgotten:
        versions = f"; version {', '.join(each.versions)} cannot be reproduced any more" if each.versions else ""
        print(f"{each.rows:,} rows erased from snapshot {each.snapshot.id}{versions}")
    if not forgotten:
        print(f"No snapshot of {model} holds these keys.")
    return []


def _report(uri: str, run_id: str, out: Path, *, markdown: bool) -> list[str]:
    from retrain.cycle.report import fetch  # MLflow, which `migrate` does not need
    from retrain.tracker.client import ExperimentTracker

    print(f"Wrote {fetch(ExperimentTracker(uri), run_id, out, markdown=markdown)}.")
    return []


def _add_judge(judge: argparse.ArgumentParser) -> None:
    judge.add_argument("challenger", type=Path, help="what may replace Production: .csv or .parquet")
    judge.add_argument("production", type=Path, help="what is in Production: .csv or .parquet")
    columns = judge.add_argument_group("columns, the same in both files")
    columns.add_argument("--label", required=True, help="the truth")
    columns.add_argument("--prediction", default="prediction", help="default: %(default)s")
    columns.add_argument("--score", default="score", help="default: %(default)s, or else p_<positive>")
    columns.add_argument("--key", help="identifies a row")
    columns.add_argument("--group", help="rows of one group count as one, e.g. copies of a text")
    gate = judge.add_argument_group("gate")
    gate.add_argument("--metric", required=True, help=f"{', '.join(METRICS)}, or {SCORER}<a scorer of scikit-learn>")
    gate.add_argument("--positive", metavar="CLASS", help="the class that the metric is about")
    gate.add_argument("--regression", action="store_true", help=f"of a metric {SCORER}…: labels are numbers")
    gate.add_argument("--proof", choices=[str(each) for each in Proof], help=f"default: {Proof.SUPERIORITY}")
    gate.add_argument("--margin", type=float, help="of non_inferiority: the loss that must be excluded")
    gate.add_argument("--min-gain", type=float, help="of superiority: the gain that must be exceeded; default: 0")
    gate.add_argument("--alpha", type=float, help="probability of promoting an equal model; default: 0.05")
    gate.add_argument("--floor", type=float, help="what the challenger must reach; default: 0.5")
    gate.add_argument("--ceiling", type=float, help="what it must stay below, where smaller is better; no default")
    gate.add_argument("--min-rows", type=int, help="fewer are INCONCLUSIVE; default: 100")
    gate.add_argument("--min-positives", type=int, help="fewer rows of the class are INCONCLUSIVE; default: 100")
    judge.add_argument("--json", action="store_true", help="print the verdict as JSON")


def _judge(arguments: argparse.Namespace) -> int:
    from retrain.gate.files import Columns, gate_of, judge_files, told

    given = {name: value for name in _OF_GATE if (value := getattr(arguments, name)) is not None}
    if "proof" in given:
        given["proof"] = Proof(given["proof"])
    columns = Columns(arguments.label, arguments.prediction, arguments.score, key=arguments.key, group=arguments.group)
    try:
        gate = gate_of(**given)
        regression = arguments.regression or described(gate.metric).needs == "numbers"
        task = Task.REGRESSION if regression else Task.CLASSIFICATION
        verdict = judge_files(arguments.challenger, arguments.production, columns, gate, task)
    except RetrainError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    if arguments.json:
        print(json.dumps(verdict.to_json(), ensure_ascii=False, indent=2))
    else:
        print(told(verdict))
    return STATUS[verdict.outcome]


if __name__ == "__main__":
    sys.exit(main())
