"""`python -m stack.demo`: batches of rows arrive, and the real scheduler runs a cycle for each.

Without options two batches of the sample arrive; the second one has other words in it. With --data and --spec the
rows come from your own file, in batches by date.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import cast

import pandas as pd
import psycopg2

from retrain.errors import RetrainError
from retrain.records import Candidate, Promotion, Snapshot, Verdict
from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile
from stack import demo_words, feed, local, ports, signals
from stack.airflow_api import ENDED, AirflowApi
from stack.demo_words import Judged
from stack.errors import StackError
from stack.home import PROJECT, Home
from stack.local import Running
from stack.samples import tables

_BATCHES = 6
_PATIENCE = 1800
_MARK = "demo"
"""A file in a home whose contents come from a demo, so that the next demo may delete them."""


def main() -> int:
    """Return the exit status: 0 only if every cycle ended as it should."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--data", type=Path, help="a file of rows: .csv or .tsv, also .gz")
    parser.add_argument("--spec", type=Path, help="the spec that they are for")
    arguments = parser.parse_args()
    if (arguments.data is None) != (arguments.spec is None):
        parser.error("DATA and SPEC go together: the rows, and the spec that they are for")
    # Progress is printed at once, into a pipe as well.
    cast(TextIOWrapper, sys.stdout).reconfigure(line_buffering=True)
    try:
        with signals.as_interrupts():
            return _own(arguments.data, arguments.spec) if arguments.data else _sample()
    except (RetrainError, OSError) as error:
        print(f"The demo has failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: what was started has been ended.", file=sys.stderr)
        return 130


def _sample() -> int:
    file = spec_files.load(PROJECT / "include" / "specs" / "cover_letters.yaml")
    first, second = tables.first_letters(), tables.second_letters()
    # The first batch comes with the stack: the schedule finds it.
    with _stack(file.path.parent, fill=tables.load) as stack, closing(AirflowApi(stack)) as api:
        cycles = [_cycle(stack, api, file, first, number=1, known=set()), _cycle(stack, api, file, second, number=2)]
        _end(stack, file, cycles, again="make up")
    promoted = [cycle.promotion.to_version for cycle in cycles if cycle.promotion is not None]
    if promoted != ["1", "2"]:
        print(f"Both batches should have put a new version into Production; {promoted or 'none'} did.", file=sys.stderr)
        return 1
    return 0


def _own(data: Path, spec: Path) -> int:
    file = spec_files.load(spec)
    batches = list(_batches(data, file))
    with _stack(Home.at().path / "demo-specs", copy=file) as stack, closing(AirflowApi(stack)) as api:
        cycles = [_cycle(stack, api, file, batch, number=number) for number, batch in enumerate(batches, start=1)]
        _end(stack, file, cycles, again=f"RETRAIN_SPECS={spec.resolve().parent} make up")
    return 0


def _batches(data: Path, file: SpecFile) -> Iterable[pd.DataFrame]:
    source = file.spec.source
    if source.label_time is None:
        raise StackError(f"{file.path.name}: source.label_time is not set; rows arrive in batches by that column")
    rows = feed.read(data, dates=source.label_time)
    for field, column in (("key", source.key), ("label_time", source.label_time)):
        if column not in rows.columns:
            raise StackError(
                f"{data}: has no column {column!r}, which {file.path.name} names as source.{field}; "
                f"it has {', '.join(rows.columns)}"
            )
    return feed.batches(rows, source.label_time, _BATCHES)


@contextmanager
def _stack(specs: Path, *, copy: SpecFile | None = None, fill: local.Fill | None = None) -> Iterator[Running]:
    """Start a stack with nothing but this demo in it, and end it with the block; what it stored stays for `make up`."""
    home = Home.at()
    if home.exists() and not (home.path / _MARK).exists():
        raise StackError(
            f"{home.path} holds what a stack of yours stored: `make reset` deletes it, "
            "or set RETRAIN_HOME to another folder"
        )
    local.reset(home)
    home.make()
    (home.path / _MARK).touch()
    if copy is not None:
        specs.mkdir()
        shutil.copy(copy.path, specs)
        if copy.spec.source.query is not None:
            shutil.copy(copy.path.parent / copy.spec.source.query, specs)
    chosen = ports.from_variables(os.environ)
    with local.running(home.path, ports=chosen, env={"RETRAIN_SPECS": str(specs)}, fill=fill) as stack:
        yield stack


def _cycle(
    stack: Running, api: AirflowApi, file: SpecFile, batch: pd.DataFrame, *, number: int, known: set[str] | None = None
) -> Judged:
    """Return what became of a batch. known: the runs before it if it has arrived already; otherwise it arrives now."""
    source = file.spec.source
    api.wait_for_dag(file.dag_id)
    table = source.table or file.path.stem
    if known is None:
        # A run that the schedule has started and that has not ended may find the batch as well.
        known = {run for run, state in api.runs(file.dag_id) if state in ENDED}
        with closing(psycopg2.connect(stack.dsn("source"))) as connection:
            feed.load(connection, table, batch, key=source.key, index=source.label_time)
    print(f"\nBatch {number}: {len(batch):,} rows have arrived in table {table}.")
    # The schedule may start runs as well; the first run finds the batch.
    for _ in range(3):
        run = next((run for run, _ in api.runs(file.dag_id) if run not in known), None) or api.trigger(file.dag_id)
        known.add(run)
        print(f"{file.dag_id}, run {run}:")
        for task in api.follow(file.dag_id, run, _PATIENCE):
            key = demo_words.KEYS.get(task.id, "return_value")
            print(f"  {demo_words.of_task(task, api.result(file.dag_id, run, task.id, task.map_index, key=key))}")
        if api.state(file.dag_id, run) != "success":
            raise StackError(f"run {run} of {file.dag_id} has failed: look at {stack.home.airflow / 'logs'}")
        verdict = api.result(file.dag_id, run, "evaluate")
        if verdict is not None:
            trained = [api.result(file.dag_id, run, "train", i) for i in range(len(file.spec.candidates))]
            promotion = api.result(file.dag_id, run, "promote")
            return Judged(
                arrived=len(batch),
                snapshot=Snapshot.from_json(api.result(file.dag_id, run, "snapshot")),
                candidates=[Candidate.from_json(candidate) for candidate in trained],
                verdict=Verdict.from_json(verdict),
                promotion=None if promotion is None else Promotion.from_json(promotion),
            )
    raise StackError(
        f"{file.dag_id} did not judge the batch: does it have fewer labelled rows than threshold.rows, "
        f"{file.spec.threshold.rows:,} in {file.path.name}?"
    )


def _end(stack: Running, file: SpecFile, cycles: list[Judged], *, again: str) -> None:
    print(f"\n{file.spec.model}")
    for number, cycle in enumerate(cycles, start=1):
        print(f"\n  Cycle {number}")
        for name, text in demo_words.of_cycle(cycle):
            print(f"    {name:12} {text}")
    print(f"\nAirflow  {stack.airflow_url}  log in as {stack.user} with {stack.password}")
    print(f"MLflow   {stack.mlflow_page}")
    print(f"The stack ends now; `{again}` brings it back as it is.")


if __name__ == "__main__":
    sys.exit(main())
