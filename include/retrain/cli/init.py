"""`retrain init`: writes a spec and an estimator file for a table."""

import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from psycopg2.extensions import make_dsn, parse_dsn

from retrain.cli.database import connecting
from retrain.cli.exits import GOOD
from retrain.cli.options import print_json
from retrain.spec.task import Task
from retrain.text import printable

if TYPE_CHECKING:
    from retrain.preflight.init import Made

_SECRETS = ("password", "sslpassword")
_MOST_LEFT_OUT = 40


def init(
    *,
    table: Annotated[
        str, typer.Option("--table", metavar="TABLE", help="table or schema.table, as the database writes its name")
    ],
    label: Annotated[str, typer.Option("--label", metavar="COLUMN", help="what the model is to predict")],
    source: Annotated[
        str,
        typer.Option(
            "--source", metavar="DSN", help="the database: a libpq connection string; default: libpq's variables"
        ),
    ] = "",
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="name in the registry; default: that of the table")
    ] = None,
    into: Annotated[Path, typer.Option("--into", metavar="FOLDER", help="where the files are written")] = Path(),
    features: Annotated[
        list[str] | None,
        typer.Option("--features", metavar="COLUMN", help="learn from these alone; once for each, or between commas"),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="COLUMN", help="identifies a row; default: the primary key")
    ] = None,
    label_time: Annotated[
        str | None, typer.Option("--label-time", metavar="COLUMN", help="when a row was labelled; default: by its name")
    ] = None,
    task: Annotated[
        Task | None, typer.Option("--task", help="default: by the type and the values of the label")
    ] = None,
    connection: Annotated[
        str | None, typer.Option("--connection", metavar="ID", help="the source's Airflow connection, for the spec")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print what was decided as JSON")] = False,
) -> int:
    """Look at a table, and write a spec and an estimator file for it.

    The table is only read: its catalogue, the number of its rows, and at most 10,000 of them. Two files are written
    into the folder, <model>.yaml and <model>_estimators.py, or none: no file is written over. Prints what was decided,
    what was left out and why, and what to run next.
    """
    connect = connecting(source, "--source")
    from retrain.preflight import init as core  # seconds that `migrate` does not need
    from retrain.preflight.init_wish import Wish

    wish = Wish(table, label, model, tuple(features or ()), key, label_time, connection, task)
    made = core.init(wish, connect, into)
    command = _next(made, source)
    if as_json:
        print_json({**made.to_json(), "next": command})
    else:
        typer.echo("\n".join(_lines(made, command)))
    return GOOD


def _next(made: "Made", source: str) -> str:
    """Return the command that checks what was written, without a password."""
    folder = made.spec.parent
    given = parse_dsn(source)
    if secret := [name for name in _SECRETS if name in given]:
        source = make_dsn(**{name: value for name, value in given.items() if name not in secret})
    password = "PGPASSWORD=… " if "password" in secret else ""
    path = shlex.quote(str(folder))
    return f"{password}PYTHONPATH={path} retrain check {path} --source {shlex.quote(source)}"


def _lines(made: "Made", command: str) -> Iterator[str]:
    it, files = made.decided, [made.spec, made.estimators, *([made.query] if made.query else [])]
    yield f"Wrote {' and '.join(map(str, files))}."
    yield ""
    for name, text in _decisions(made):
        yield f"{name:<12}{printable(text)}"
    if it.left_out:
        yield ""
        yield "Left out:"
        yield from (f"  {printable(each.name)}: {printable(each.why)}" for each in it.left_out[:_MOST_LEFT_OUT])
    if len(it.left_out) > _MOST_LEFT_OUT:
        yield f"  and {len(it.left_out) - _MOST_LEFT_OUT:,} more; --json names them all"
    for place, note in enumerate(it.notes):
        yield f"{'' if place else chr(10)}Note: {printable(note)}."
    yield ""
    yield (
        f"Airflow's tasks must be able to import {made.estimators.stem}: put {made.estimators.parent.absolute()} on "
        f"their Python path, or {made.estimators.name} beside the DAG file. The spec belongs into the folder of specs."
    )
    yield ""
    yield "Next:"
    yield f"  {command}"


def _decisions(made: "Made") -> Iterator[tuple[str, str]]:
    from retrain.preflight.init_spec import described
    from retrain.preflight.init_wish import counted, number_text

    it, judging = made.decided, made.decided.judging
    about = "" if it.counts.exact else "about "
    rows = f"{about}{it.counts.labelled:,} labelled rows, {about}{it.counts.unlabelled:,} without a label"
    yield "table", f"{it.table}: {rows}; {made.sampled:,} were read"
    yield "label", f"{it.label.name}: {described(it.label)}"
    yield "task", f"{it.label.task}: {it.label.why}"
    yield "key", f"{it.key.name}: {it.key.why}"
    yield "label time", f"{it.time.name}: {it.time.why}" if it.time else f"none: {it.no_time}"
    uses = Counter(each.use for each in it.features)
    kinds = ", ".join(counted(times, use, "categories" if use == "category" else "") for use, times in uses.items())
    yield "features", f"{len(it.features):,}: {kinds}"
    yield "candidates", ", ".join(each.name for each in it.recipes)
    yield "threshold", f"{judging.rows:,} new rows: {judging.why_rows}"
    bound = "at most" if it.label.task is Task.REGRESSION else "at least"
    yield "gate", f"{judging.metric} {bound} {number_text(judging.limit)}: {judging.why_limit}"
