"""Exposures and outcomes of units, read in the user's database and never written: sums come back, and no rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, NamedTuple

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from retrain.ab import statements
from retrain.ab.moments import Moments, baseline
from retrain.ab.sample import Met, Sampled, met, sample
from retrain.ab.section import section_of
from retrain.ab.seen import Seen
from retrain.ab.sent import larger, sent
from retrain.ab.tables import Opened, TableT, exposures_rows, outcomes_rows, translated
from retrain.ab.tally import Cell, Tally
from retrain.arms import Baseline, Split
from retrain.errors import SourceError, SourceMismatchError, SplitTestError
from retrain.ledger.splits import Exposure
from retrain.source.catalogue import SECONDS, bounded, took_too_long
from retrain.source.session import reading, source_error
from retrain.spec.ab import EXPOSURES, Exposures, Measured, OutcomeTable, SplitTest
from retrain.spec.spec import Spec
from retrain.text import printable, shorten

FEWEST = 1_000
"""Units that must have been exposed before a test for its baselines to be theirs. Fewer may be trials of its makers."""
_ARMS = ("production", "staging")
"""Of our own exposures."""
_NO_TIME = timedelta(0)


class Units:
    """The units of one spec's split tests.

    Every method raises SourceError where a table cannot be read, and SourceMismatchError, which is one, where it is not
    as the spec says.
    """

    def __init__(
        self,
        connect: Callable[[], connection],
        spec: Spec,
        queries: Mapping[str, str],
        exposures: Callable[[str], Iterator[list[Exposure]]],
    ) -> None:
        """connect: opens a connection to the source's database. queries: text of each query file that `ab` names.

        exposures: yields those of a test, by its id, in lists that hold all exposures of each of their units. They are
        used where the spec names no table of exposures.
        """
        self._connect = connect
        self._spec = spec
        self._queries = queries
        self._exposures = exposures

    def baselines(self, now: datetime) -> tuple[Baseline, ...]:
        """Return what is fixed of each metric when a test begins, by the rows of before, in the order of the spec.

        Where a table of exposures has `FEWEST` units in the time that began two windows ago and ended one window ago,
        they are taken as a test of one arm that began then: the mean is that of all who were exposed, and `units` is
        how many come in a first window. Else the units are those with an outcome in the last window, or before it in
        the time of `before`. Cap and weight are good then as well, and the sum and the squares of all outcomes follow
        from mean, deviation and units; but those without an outcome are not known, so that a binary metric has mean 1.
        """
        with self._opened() as (cursor, tables):
            return tuple(_baseline(cursor, tables, metric, now) for metric in self._wanted.metrics)

    def arrivals(self, now: datetime) -> list[float] | None:
        """Return how many different units came within the first day, the first two days, and so on, as a test of all
        units would have met them that began as long ago as it may last, or when there first was one.

        None without a table of exposures, or where `FEWEST` did not come.
        """
        since = now - self._wanted.longest
        with self._opened() as (cursor, tables):
            exposures = tables.exposures
            if exposures is None:
                return None
            with translated(exposures.name, exposures.table):
                cursor.execute(statements.arrivals(exposures_rows(exposures, since, now), since))
            came = dict(cursor.fetchall())
        if sum(came.values()) < FEWEST:
            return None
        return [
            float(each) for each in accumulate(came.get(day, 0) for day in range(min(came), self._wanted.longest.days))
        ]

    def seen(self, split: Split, began: Sequence[datetime], now: datetime) -> Seen:
        """Return what there is of a test until now. began: when each phase of the ramp began, the first one first.

        A unit counts once: in the arm, phase and day (UTC) of its first exposure since the test began.
        """
        metrics, fixed = self._wanted.metrics, self._fixed(split)
        with self._opened() as (cursor, tables):
            look = _Look(cursor, tables, metrics, began, now, Tally())
            for shown in self._shown(tables, split, began[0], now):
                look.count(shown)
                for metric in metrics:
                    look.sum(shown, metric, fixed[metric.name].cap)
        tally = look.tally
        return Seen(
            days=tally.days(),
            counts=tally.counts(self._wanted.primary.name),
            pairs=tuple(
                tuple(tally.pair(metric, phase, fixed[metric.name]) for phase in range(len(began)))
                for metric in metrics
            ),
        )

    def _fixed(self, split: Split) -> dict[str, Baseline]:
        fixed = {each.metric: each for each in split.baselines}
        if lacking := [each.name for each in self._wanted.metrics if each.name not in fixed]:
            raise SplitTestError(
                f"{split.model}: split test {split.id} began without metric {', '.join(lacking)}; take it out of the "
                "spec until the test has ended, or stop the test"
            )
        return fixed

    def _shown(self, tables: "_Tables", split: Split, since: datetime, until: datetime) -> Iterator["_Shown"]:
        """Yield the exposures of these times as SQL, each unit's all together."""
        opened = tables.exposures
        if opened is None:
            for rows in larger(self._exposures(split.id)):
                own = statements.exposed(sent(rows, since, until), *_ARMS)
                yield _Shown(own, own)
            return
        arms = (opened.table.production, opened.table.staging)
        yield _Shown(
            statements.exposed(exposures_rows(opened, since, until), *arms),
            statements.exposed(exposures_rows(opened, since, until, also_untimed=True), *arms),
        )

    @property
    def _wanted(self) -> SplitTest:
        return section_of(self._spec)

    def sample(self, seconds: int = SECONDS) -> Iterator[Sampled | SourceError]:
        """Yield what some rows of each table tell, or why it cannot be read: that of one does not hide the others'.

        seconds: that one statement may take.
        """
        wanted = self._wanted
        for use, table in wanted.uses.items():
            try:
                with bounded(self._connect, f"{use}: {table.name}", seconds) as cursor:
                    found = sample(cursor, self._open(cursor, table, use))
            except SourceError as error:
                yield error
            else:
                yield found

    def met(self, seconds: int = SECONDS) -> Iterator[Met]:
        """Yield for each table of outcomes how far it is about the units of the exposures.

        Nothing without a table of exposures, and of a table that takes longer than so many seconds.
        """
        wanted = self._wanted
        if wanted.exposures is None:
            return
        for each in wanted.metrics:
            try:
                with bounded(self._connect, each.use, seconds) as cursor:
                    exposures = self._open(cursor, wanted.exposures, EXPOSURES)
                    found = met(cursor, exposures, self._open(cursor, each.outcome, each.use))
            except SourceError as error:
                if not took_too_long(error):
                    raise
            else:
                yield found

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, "_Tables"]]:
        """Open one transaction that only reads, and look all columns up in it."""
        wanted, name = self._wanted, f"ab of {self._spec.model}"
        try:
            session = self._connect()
        except psycopg2.Error as error:
            raise source_error(error, name) from error
        with closing(session), reading(session, name) as cursor:
            exposures = None
            if wanted.exposures is not None:
                exposures = self._open(cursor, wanted.exposures, EXPOSURES)
            outcomes = {each.name: self._open(cursor, each.outcome, each.use) for each in wanted.metrics}
            yield cursor, _Tables(exposures, outcomes)

    def _open(self, cursor: Any, table: TableT, use: str) -> Opened[TableT]:
        query = None if table.query is None else self._queries[table.query]
        return Opened.of(cursor, table, use, query, self._spec.source.time_zone or "UTC")


class _Tables(NamedTuple):
    exposures: Opened[Exposures] | None
    """None where they are our own."""
    outcomes: Mapping[str, Opened[OutcomeTable]]
    """By metric."""


class _Shown(NamedTuple):
    """Exposures, as `statements.exposed` selects them."""

    exposed: sql.Composable
    with_untimed: sql.Composable
    """The same, with rows that have no time."""


@dataclass
class _Look:
    """The statements of one look, and what they have found."""

    cursor: Any
    tables: _Tables
    metrics: Sequence[Measured]
    began: Sequence[datetime]
    until: datetime
    tally: Tally

    def count(self, shown: _Shown) -> None:
        """Count the units by day, phase and arm."""
        table = self.tables.exposures or self.tables.outcomes[self.metrics[0].name]
        with translated(table.name, table.table):
            self.cursor.execute(statements.days(shown.with_untimed, self.began, self.metrics, self.until))
        strange, example = 0, ""
        for day, phase, staging, units, crossed, incomplete, others, other, *matured in self.cursor:
            self.tally.incomplete += incomplete
            strange, example = strange + others, other or example
            if day is None:
                continue
            self.tally.units[day.astimezone(UTC), phase, staging] += units
            self.tally.crossed += crossed
            for metric, number in zip(self.metrics, matured, strict=True):
                self.tally.matured[Cell(metric.name, phase, staging)] += number
        if strange:
            raise SourceMismatchError(_strange_arms(self.tables.exposures, strange, example))

    def sum(self, shown: _Shown, metric: Measured, cap: float | None) -> None:
        """Sum the outcomes of a metric by phase and arm."""
        outcomes = self.tables.outcomes[metric.name]
        rows = outcomes_rows(outcomes, self.began[0] - (metric.before or _NO_TIME), self.until)
        statement = statements.sums(metric, rows, shown.exposed, cap=cap, began=self.began, until=self.until)
        with translated(outcomes.name, outcomes.table):
            self.cursor.execute(statement)
        infinite = 0
        for phase, staging, early, late, strange, *moments in self.cursor:
            infinite += strange
            if metric is self.metrics[0]:
                self.tally.before += early
                self.tally.late += late
            self.tally.add(Cell(metric.name, phase, staging), Moments.of(0, moments))
        _refuse_infinite(infinite, outcomes)


def _baseline(cursor: Any, tables: _Tables, metric: Measured, now: datetime) -> Baseline:
    outcomes = tables.outcomes[metric.name]
    window, before = metric.window, metric.before or _NO_TIME
    if tables.exposures is not None:
        begin, end = now - 2 * window, now - window
        rows = outcomes_rows(outcomes, begin - before, now)
        shown = exposures_rows(tables.exposures, begin, end)
        cap, moments = _history(cursor, statements.history_of_exposed(metric, rows, shown), outcomes)
        if moments.units >= FEWEST:
            return baseline(metric.name, metric.kind, moments, cap, exposed=True)
    begin = now - window
    rows = outcomes_rows(outcomes, begin - before, now)
    cap, moments = _history(cursor, statements.history_of_outcomes(metric, rows, begin), outcomes)
    return baseline(metric.name, metric.kind, moments, cap, exposed=False)


def _history(cursor: Any, statement: sql.Composable, outcomes: Opened[OutcomeTable]) -> tuple[float | None, Moments]:
    """Return the cap and the moments."""
    with translated(outcomes.name, outcomes.table):
        cursor.execute(statement)
        ((units, cap, infinite, *moments),) = cursor.fetchall()
    _refuse_infinite(infinite, outcomes)
    return cap, Moments.of(units, moments)


def _refuse_infinite(rows: int, outcomes: Opened[OutcomeTable]) -> None:
    if rows:
        named = " or ".join(repr(each) for each in (outcomes.table.value, outcomes.table.per) if each is not None)
        raise SourceMismatchError(
            f"{outcomes.name}: {named} is NaN or infinite in {rows:,} rows; correct them, or leave them out in a query "
            "file"
        )


def _strange_arms(opened: Opened[Exposures] | None, rows: int, example: str) -> str:
    shown = repr(printable(shorten(example, 40)))
    if opened is None:
        return f"exposures of the ledger: {rows:,} have the arm {shown}, which no test has; correct what wrote them"
    table = opened.table
    return (
        f"{opened.name}: {rows:,} rows of {table.arm!r} are neither {table.production!r} nor {table.staging!r}, but "
        f"{shown} and the like; correct production and staging of ab.exposures, or let a query file select the rows of "
        "this test"
    )
