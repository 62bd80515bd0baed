"""`retrain check` and `retrain migrate`: what an engineer runs from a shell, without Airflow."""

import argparse
import sys
from functools import partial
from pathlib import Path

import psycopg2

from retrain import spec_files
from retrain.errors import RetrainError
from retrain.state import State


def main() -> int:
    """Exit status 0 when all is well, 1 with one line for each fault."""
    parser = argparse.ArgumentParser(prog="retrain", description="Keeps a model in Production good as its data grows.")
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
    arguments = parser.parse_args()
    try:
        if arguments.command == "migrate":
            faults = _migrate(arguments.dsn)
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
    from retrain.scorers import scorers_for
    from retrain.training import build

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
    from retrain.source import Source  # pyarrow, which `migrate` does not need

    faults = []
    for file in spec_files.load_folder(folder).files:
        if connection not in (None, file.spec.source.connection):
            continue
        try:
            plan = Source(lambda: psycopg2.connect(dsn), file.spec.source, file.sql).count_plan()
            print(f"{file.path.name}: {plan}")
        except RetrainError as error:
            faults += [f"{file.path.name}: {line}" for line in str(error).splitlines()]
    return faults


def _migrate(dsn: str) -> list[str]:
    done = State(lambda: psycopg2.connect(dsn)).migrate()
    print(f"Ran {', '.join(done)}." if done else "Nothing to do.")
    return []


if __name__ == "__main__":
    sys.exit(main())
