"""Ten years of film reviews as they came: cycles, weekly looks, alarms and trials, by the product's own verbs.

RETRAIN_TEST_REVIEWS names the folder of the reviews. The source table, the ledger and MLflow are real; only the clock
is not: the database's `now()` is a function of ours, which says the end of the week that is replayed. In each week

1. its reviews are put into the table,
2. a cycle runs if the threshold is reached, or if an alarm asked for one,
3. `retrain.live.look` looks at Production and at the trial that is under way.

Beside it, on the same weeks: what a plain rule would have said, an alarm where the 95% interval of a week's score is
below the promise. Nothing was broken on purpose, so how many of the alarms are false is not known; how many there are
is. With `--picture FILE` the score of each version by week, with promotions, trials and alarms, is drawn.
"""

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg2
import yaml
from psycopg2.extras import execute_values
from simulation import histories

from retrain.cycle.context import Cycle
from retrain.cycle.evaluate import evaluate
from retrain.cycle.promote import promote, promotes_now
from retrain.cycle.sense import sense
from retrain.cycle.snapshot import take_snapshot
from retrain.cycle.train import train
from retrain.errors import RetrainError, can_help
from retrain.later import CohortScore, Trial, TrialEnd
from retrain.ledger.ledger import Ledger
from retrain.live.look import look
from retrain.live.observing import Observing
from retrain.records import Promotion, VersionId
from retrain.reports import chart_style, later_chart
from retrain.snapshots.store import SnapshotStore
from retrain.source.table import FIRST_MONDAY, Source
from retrain.spec.parse import parse
from retrain.tracker.client import ExperimentTracker
from stack import local
from stack.home import PROJECT

WEEK = timedelta(days=7)
_CLOCK = """
CREATE SCHEMA clock;
CREATE TABLE clock.at (simulated timestamptz NOT NULL, really timestamptz NOT NULL);
INSERT INTO clock.at VALUES (pg_catalog.clock_timestamp(), pg_catalog.clock_timestamp());
CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT simulated + (pg_catalog.clock_timestamp() - really) FROM clock.at';
CREATE FUNCTION clock.now() RETURNS timestamptz LANGUAGE sql STABLE AS
    'SELECT simulated + (pg_catalog.now() - really) FROM clock.at';
GRANT USAGE ON SCHEMA clock TO PUBLIC;
GRANT SELECT ON clock.at TO PUBLIC;
CREATE TABLE public.rows (review_id text PRIMARY KEY, text text, written_on timestamptz, sentiment text);
CREATE INDEX ON public.rows (written_on);
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="until two cycles have run")
    parser.add_argument(
        "--proof", default="auto", help="the gate's: auto or superiority; the last leaves more undecided"
    )
    parser.add_argument("--picture", type=Path, help="draw it into this PNG file")
    parser.add_argument("--reviews", default=os.environ.get("RETRAIN_TEST_REVIEWS"), help="folder of dated reviews")
    arguments = parser.parse_args()
    if not arguments.reviews:
        raise SystemExit("RETRAIN_TEST_REVIEWS names no folder; set it to the folder of the reviews")
    begun = time.monotonic()
    rows = histories.reviews(Path(arguments.reviews))
    rows["written_on"] = rows["written_on"].dt.tz_localize("UTC")
    with (
        tempfile.TemporaryDirectory(prefix="retrain-") as folder,
        local.running(
            Path(folder) / "home", services=("postgres", "retrain-migrate", "mlflow"), fill=_set_clock
        ) as stack,
    ):
        replay = Replay(stack.dsn("retrain"), _observing(stack, Path(folder) / "snapshots", arguments.proof))
        for week, of_week in _weeks(rows):
            replay.week(week, of_week)
            if arguments.short and replay.cycles == 2:
                break
        found = replay.found()
    if arguments.picture:
        _draw(found, arguments.picture)
    print(json.dumps(_figures(found, arguments.proof) | {"seconds": round(time.monotonic() - begun)}))


def _set_clock(stack: local.Running) -> None:
    with closing(psycopg2.connect(stack.dsn("retrain"))) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(_CLOCK)
        # Before pg_catalog, where now() and clock_timestamp() are, for whoever connects from now on.
        cursor.execute("SELECT current_database()")
        cursor.execute(f'ALTER DATABASE "{cursor.fetchone()[0]}" SET search_path = public, clock, pg_catalog')


def _weeks(rows: pd.DataFrame) -> Iterator[tuple[datetime, pd.DataFrame]]:
    """Yield each week's end with its rows."""
    place = (rows["written_on"] - pd.Timestamp(FIRST_MONDAY)) // WEEK
    for each, of_week in rows.groupby(place):
        yield FIRST_MONDAY + (int(each) + 1) * WEEK, of_week


def _observing(stack: local.Running, snapshots: Path, proof: str) -> Observing:
    data: dict[str, Any] = yaml.safe_load((PROJECT / "include" / "specs" / "reviews.yaml").read_text(encoding="utf-8"))
    source = {key: value for key, value in data["source"].items() if key != "query"} | {"table": "public.rows"}
    candidates = [each for each in data["candidates"] if each["name"] == "hashed_svm"]
    gate = {"metric": "f1_macro", "floor": 0.6, "proof": proof}
    watch = {"on_decay": "retrain"}
    spec = parse(
        data | {"source": source, "candidates": candidates, "gate": gate, "watch": watch, "trial": {}}, "reviews.yaml"
    )

    def connect() -> Any:
        return psycopg2.connect(stack.dsn("retrain"))

    return Observing(
        spec,
        Source(connect, spec.source),
        SnapshotStore(snapshots.as_uri()),
        Ledger(connect),
        ExperimentTracker(stack.mlflow_url),
    )


@dataclass(frozen=True)
class Alarm:
    at: datetime
    scan: str
    version: str


@dataclass(frozen=True)
class Found:
    cohorts: Sequence[CohortScore]
    history: Sequence[Promotion]
    trials: Sequence[tuple[Trial, TrialEnd | None]]
    alarms: Sequence[Alarm]
    verdicts: Sequence[tuple[datetime, str]]
    promised: dict[VersionId, float]
    looks: int


class Replay:
    """The model as its weeks pass."""

    def __init__(self, dsn: str, observing: Observing) -> None:
        self._dsn, self._of = dsn, observing
        self.cycles = 0
        self._alarms, self._verdicts, self._promised = (
            list[Alarm](),
            list[tuple[datetime, str]](),
            dict[VersionId, float](),
        )
        self._looks = 0
        self._asked = ""

    def week(self, ends: datetime, rows: pd.DataFrame) -> None:
        with closing(psycopg2.connect(self._dsn)) as connection, connection:
            cursor = connection.cursor()
            values = rows[["review_id", "text", "written_on", "sentiment"]].itertuples(index=False)
            execute_values(cursor, "INSERT INTO public.rows VALUES %s ON CONFLICT DO NOTHING", [*values])
            cursor.execute("UPDATE clock.at SET simulated = %s, really = pg_catalog.clock_timestamp()", (ends,))
        of = self._of
        if sense(of.spec, source=of.source, ledger=of.ledger).enough:
            self._retried(lambda: self._cycle(ends))
        if of.ledger.production(of.spec.model) is None:
            return
        looked = self._retried(lambda: look(of))
        self._looks += 1
        self._alarms += [
            Alarm(ends, each.scan, of.ledger.production(of.spec.model).number) for each in looked.looks if each.alarm
        ]
        for each in looked.trials:
            if each.end is not None:
                print(f"{ends:%Y-%m-%d} trial of {each.trial.version} {each.end.outcome}: {each.end.why}", flush=True)
        if looked.cycle is not None and looked.cycle != self._asked:
            self._asked = looked.cycle
            print(f"{ends:%Y-%m-%d} {looked.cycle}", flush=True)
            self._retried(lambda: self._cycle(ends))

    def _retried(self, act: Callable[[], Any]) -> Any:
        """Try again where that can help, as Airflow does."""
        for _ in range(4):
            try:
                return act()
            except RetrainError as error:
                if not can_help(error):
                    raise
                print(f"again: {error}", flush=True)
                time.sleep(10)
        return act()

    def _cycle(self, at: datetime) -> None:
        of = self._of
        cycle = Cycle(of.spec, "years", f"run {self.cycles}", of.snapshots, of.ledger, of.tracker)
        snapshot = take_snapshot(of.spec, source=of.source, snapshots=of.snapshots, ledger=of.ledger)
        verdict = evaluate(cycle, snapshot, [train(cycle, snapshot, "hashed_svm")], dry_run=False)
        if promotes_now(cycle, verdict):
            promote(cycle, verdict)
        self.cycles += 1
        if verdict.matchup.version and verdict.score is not None:
            self._promised[VersionId(verdict.matchup.version, verdict.matchup.identity)] = verdict.score
        cause = f" {verdict.cause.value}" if verdict.cause else ""
        self._verdicts.append((at, f"{verdict.outcome.value.lower()}{cause}"))
        print(f"{at:%Y-%m-%d} {snapshot.rows:,} rows: {self._verdicts[-1][1]}: {verdict.reason[:150]}", flush=True)

    def found(self) -> Found:
        of = self._of
        long_ago = datetime(1990, 1, 1, tzinfo=UTC)
        return Found(
            of.ledger.cohorts(of.spec.model, of.spec.cohort or WEEK, long_ago),
            of.ledger.history(of.spec.model),
            of.ledger.trials(of.spec.model),
            self._alarms,
            self._verdicts,
            self._promised,
            self._looks,
        )


def _figures(found: Found, proof: str) -> dict[str, Any]:
    below = [
        each
        for each in found.cohorts
        if each.interval and each.of in found.promised and each.interval[1] < found.promised[each.of]
    ]
    ended = Counter(end.outcome if end else "open" for _, end in found.trials)
    applied = [each for each in found.history if each.applied_at is not None]
    by_trial = {trial.id for trial, end in found.trials if end and end.outcome == "promoted"}
    months = Counter(f"{each.applied_at:%Y-%m}" for each in applied if each.applied_at)
    return {
        "name": "later_years",
        "proof": proof,
        "looks": found.looks,
        "cohorts": len(found.cohorts),
        "rows_scored": sum(each.rows for each in found.cohorts),
        "verdicts": dict(Counter(what for _, what in found.verdicts)),
        "promotions": len(applied),
        "promotions_by_trial": len([each for each in applied if each.verdict in by_trial]),
        "promotions_by_month": dict(months),
        "trials": dict(ended),
        "void_share": round(ended["void"] / len(found.trials), 3) if found.trials else None,
        "alarms": [f"{each.at:%Y-%m-%d} {each.scan} v{each.version}" for each in found.alarms],
        "plain_alarms": len(below),
        "aim": "no aim: what came is not known to be right or wrong",
        "met": True,
    }


# ── picture


def _draw(found: Found, file: Path) -> None:
    """Draw as the report does, with what it has not: trials and alarms."""
    scored = [each for each in found.cohorts if each.score is not None and each.rows >= 100]
    with chart_style.style():
        figure = chart_style.new_figure(13, 5)
        axes = figure.add_subplot()
        later_chart.draw_versions(axes, scored, found.promised)
        later_chart.draw_promotions(axes, scored, found.history)
        low = axes.get_ylim()[0]
        marks = {"promoted": "^", "void": "x"}
        for trial, end in found.trials:
            until = end.at if end else found.cohorts[-1].ends
            axes.hlines(low - 0.01, trial.began, until, color=chart_style.GREY, linewidth=4)
            axes.plot([until], [low - 0.01], marks.get(end.outcome if end else "", "v"), color="black", markersize=5)
        alarms = [each.at for each in found.alarms]
        axes.plot(alarms, [low + 0.01] * len(alarms), "o", color=chart_style.VERMILION, markersize=4, label="alarm")
        axes.plot([], [], "^-", color=chart_style.GREY, label="trial: promoted (▲), dropped or held (▼), void (×)")
        axes.set_ylabel("macro F1 of the version in Production, by week")
        axes.legend(loc="upper left", ncols=3)
        file.write_bytes(chart_style.png(figure))


if __name__ == "__main__":
    main()
