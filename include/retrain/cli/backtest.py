"""`retrain backtest`: how often to retrain, and with which gate, answered by the rows that are there."""

import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrain import extras
from retrain.cli.database import connecting
from retrain.cli.exits import GOOD
from retrain.cli.options import to_json, writing
from retrain.cli.times import length_of, size_of, time_of
from retrain.errors import SettingsError
from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile

if TYPE_CHECKING:
    from retrain.backtest.history import History
    from retrain.backtest.plan import Plan
    from retrain.backtest.run import Progress

_STDOUT = Path("-")
_SALT = b"backtest"
"""Of the split: another than the ledger's, so the rows that judge here are not those that will judge there."""


def backtest(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="the file of the spec")],
    *,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", metavar="DSN", help="read the spec's table here; a libpq connection string", show_default=False
        ),
    ] = None,
    rows: Annotated[
        Path | None,
        typer.Option(
            "--rows",
            metavar="FILE",
            help="read the rows from a file with the columns of the spec: .parquet, .csv, .tsv, the last two also .gz",
            show_default=False,
        ),
    ] = None,
    vary: Annotated[
        Path | None,
        typer.Option(
            "--vary",
            metavar="FILE",
            help="the policies: a mapping of names to changes of the spec, in YAML; default: half and twice the "
            "threshold, and superiority",
            show_default=False,
        ),
    ] = None,
    first: Annotated[int, typer.Option("--first", min=1, help="labelled rows that the first model has")] = 5000,
    delay: Annotated[
        str, typer.Option("--delay", metavar="TIME", help="from a prediction to its label, as in 14d")
    ] = "0d",
    choose_until: Annotated[
        str | None,
        typer.Option(
            "--choose-until",
            metavar="DATE",
            help="the policy is chosen on the rows before, and tested on those after; default: the first two thirds",
            show_default=False,
        ),
    ] = None,
    following: Annotated[
        int, typer.Option("--following", min=1, help="rows after a verdict that show whether it was right")
    ] = 5000,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", min=1, default_factory=lambda: os.cpu_count() or 1, show_default="the cores", help="processes"
        ),
    ],
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            help="large fits wait for each other, so that all processes together stay below it, as in 8g; default: "
            "three quarters of what is free",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="TIME",
            help="after it, end with the part of the history that is done, as in 30m",
            show_default=False,
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache",
            metavar="FOLDER",
            help="keep scores and predictions here, so that another run goes on where this one ended",
            show_default=False,
        ),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="only say how many trainings it takes, and how long")] = False,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="also write JSON; - prints it")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="also write one page")] = None,
) -> int:
    """Replay policies over your own labelled history: threshold, window, gate, candidates, split.

    It reads rows and writes nothing but the files that you name. docs/backtest.md says how to read the answer.
    """
    from retrain.backtest import plan as planning  # scikit-learn, which `migrate` does not need
    from retrain.backtest.compare import compare
    from retrain.backtest.policies import left_out, policies
    from retrain.backtest.run import Options, running
    from retrain.backtest.run import backtest as replay
    from retrain.backtest.table import to_text

    if (source is None) == (rows is None):
        raise SettingsError("--source and --rows: name exactly one of them, the database or the file of the rows")
    until = None if choose_until is None else time_of(choose_until, "--choose-until")
    options = Options(
        first=first,
        delay=length_of(delay, "--delay"),
        following=following,
        jobs=jobs,
        budget=None if budget is None else length_of(budget, "--budget"),
        cache=cache,
        memory=_free() if memory is None else size_of(memory, "--memory"),
    )
    if html is not None:
        extras.require("report")  # before any work
    file = spec_files.load(spec)
    compared_with = policies(file, vary)
    history = _history(file, source, rows)
    remarks = [*left_out(file.spec)]
    if history.undated:
        remarks.append(f"{history.undated:,} rows have no label time and were left out")
    with running(compared_with, history, options) as run:
        if plan:
            _tell_plan(planning.plan(run), as_json=json is not None)
            return GOOD
        found = compare(replay(run, _Teller(), remarks), choose_until=until)
    if html is not None:
        from retrain.backtest.page import write_html  # as above, and matplotlib

        with writing("--html", html):
            write_html(found, html)
    body = to_json(found.to_json())
    if json is not None and json != _STDOUT:
        with writing("--json", json):
            # UTF-8 cannot hold half a surrogate pair, which a name may hold.
            json.write_text(body, encoding="utf-8", errors="replace")
    typer.echo(body if json == _STDOUT else to_text(found))
    return GOOD


def _free() -> int:
    import psutil

    return int(psutil.virtual_memory().available * 0.75)


def _history(file: SpecFile, source: str | None, rows: Path | None) -> "History":
    from retrain.backtest import row_files  # as above
    from retrain.backtest.history import History
    from retrain.source.table import Source

    if rows is not None:
        return History.of(file.spec, row_files.read(rows, file.spec), _SALT)
    with Source(connecting(source or "", "--source"), file.spec.source, file.sql).labelled() as reader:
        return History.of(file.spec, reader.read_all(), _SALT)


class _Teller:
    """Says on the terminal how far it is, in one line that is written over; nothing where nobody looks."""

    def __init__(self) -> None:
        self._looked_at = sys.stderr.isatty()
        self._told = 0.0

    def __call__(self, progress: "Progress") -> None:
        now = time.monotonic()
        if not self._looked_at or (now - self._told < 1 and progress.cycles < progress.of):
            return
        self._told = now
        left = "" if progress.left is None else f", about {timedelta(seconds=round(progress.left))} left"
        end = "\n" if progress.cycles == progress.of else ""
        done = f"{progress.cycles:,} of {progress.of:,} cycles, {progress.fitted:,} trainings"
        typer.echo(f"\r\x1b[K{str(progress.at)[:10]}: {done}{left}{end}", err=True, nl=False)


def _tell_plan(planned: "Plan", *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(planned.to_json()))
        return
    for each in planned.policies:
        typer.echo(f"{each.name}: {each.cycles:,} cycles, {each.trainings:,} trainings by itself")
    total = sum(each.trainings for each in planned.policies)
    typer.echo(
        f"{planned.trainings:,} different trainings instead of {total:,}; about "
        f"{timedelta(seconds=max(1, round(planned.seconds)))}, by two that were timed"
    )
