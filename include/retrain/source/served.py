"""Reads the predictions that were served for labelled rows, and never writes to their table."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
from psycopg2 import sql

from retrain.errors import SourceMismatchError
from retrain.source.layout import (
    FLOATS,
    INTEGERS,
    TIMES,
    Layout,
    Within,
    matched,
    names_there,
    relation_of,
    typed,
    zoned,
)
from retrain.source.session import reading
from retrain.source.stream import selected
from retrain.source.table import FIRST_MONDAY, Source, place_of
from retrain.spec.served import ServedSpec


class Log(NamedTuple):
    """The predictions that count for the labelled rows of some time."""

    versions: dict[str, int]
    """How many rows each version served, by what the table calls it."""
    digest: str
    """Another one where a prediction came, or was changed."""


class Served:
    """What was served of one source's rows.

    Of several predictions for a row, the last one at or before its label time counts; one without a version, a
    prediction or, where the spec names one, a score does not. Every method raises SourceError
    where the table is not as the spec says, or where the database cannot be reached.
    """

    def __init__(self, source: Source, spec: ServedSpec, query: str | None = None) -> None:
        """query: text of the query file, where the spec names one."""
        self._source, self.spec = source, spec
        self._relation = relation_of(spec.table, query)

    @classmethod
    def of(cls, source: Source, spec: ServedSpec | None, queries: Mapping[str, str]) -> "Served | None":
        """Return the log that a spec names; None where it names none. queries: texts of its query files, by name."""
        return None if spec is None else cls(source, spec, queries.get(spec.query or ""))

    def check(self) -> None:
        """Raises SourceMismatchError where a column is missing, or is not what it should be."""
        with self._source.transaction() as cursor:
            self._columns(cursor)

    def rows(self, within: Within) -> pa.Table:
        """Return the predictions that count for the labelled rows of these times, a row each at most: columns `key` and
        `version` (text), `prediction` (as in the table; other types than numbers and booleans as text) and `score` (a
        double, or null).
        """
        source = self._source
        with closing(source.session()) as session:
            with reading(session, self.spec.name) as cursor:
                columns = self._columns(cursor)
                joined, kind = self._joined(source.layout(cursor, within=within), columns, within)
            statement = sql.SQL("SELECT k, v, p, s FROM ({}) found").format(joined)
            names = [("key", pa.string()), ("version", pa.string()), ("prediction", kind), ("score", pa.float64())]
            with selected(session, statement, pa.schema(names), self.spec.name) as reader:
                table = reader.read_all()
        return table

    def logs(self, within: Within, length: timedelta) -> dict[datetime, Log]:
        """Return what was served for the labelled rows of these times, by when their cohort begins, as
        `Source.cohorts` cuts them.
        """
        with self._source.transaction() as cursor:
            joined, _ = self._joined(self._source.layout(cursor, within=within), self._columns(cursor), within)
            statement = sql.SQL(
                "SELECT {place} AS place, v, count(*), "
                "sum(hashtextextended(concat_ws(chr(31), k, v, p::text, s::text), 0)::numeric)::text "
                "FROM ({joined}) found GROUP BY place, v ORDER BY place, v"
            ).format(place=place_of(sql.SQL("t"), length), joined=joined)
            cursor.execute(statement)
            found: dict[datetime, Log] = {}
            for place, version, rows, digest in cursor.fetchall():
                begins = FIRST_MONDAY + place * length
                before = found.get(begins, Log({}, ""))
                found[begins] = Log(before.versions | {version: rows}, f"{before.digest} {version} {digest}")
        return found

    def _columns(self, cursor: Any) -> "_Columns":
        spec, name = self.spec, self.spec.name
        named = [spec.key or self._source.key, spec.version, spec.at, spec.prediction]
        named += [spec.score] if spec.score else []
        there = matched(named, names_there(cursor, spec.table, self._relation), name)
        found = [sql.Identifier(there[each]) for each in named]
        cursor.execute(sql.SQL("SELECT {} FROM {} LIMIT 0").format(sql.SQL(", ").join(found), self._relation))
        types = [column.type_code for column in cursor.description]
        if types[2] not in TIMES:
            raise SourceMismatchError(f"{name}: {spec.at!r} is not a time; cast it in a query file")
        if spec.score is not None and types[4] not in INTEGERS | FLOATS:
            raise SourceMismatchError(f"{name}: {spec.score!r} is not a number; cast it in a query file")
        return _Columns(found, types)

    def _joined(self, layout: Layout, columns: "_Columns", within: Within) -> tuple[sql.Composable, pa.DataType]:
        """Return the statement whose columns are k (key), v (version), p (prediction), s (score) and t (time of the
        row's cohort), and the Arrow type of a prediction.
        """
        key, version, at, prediction = columns.names[:4]
        value, kind = typed(prediction, columns.types[3])
        score = sql.SQL("{}::float8").format(columns.names[4]) if self.spec.score else sql.SQL("NULL::float8")
        time = zoned(at, columns.types[2], layout.zone)
        native = columns.types[0] in INTEGERS and layout.key_is_number
        alike = sql.SQL("served.k = labelled.n") if native else sql.SQL("served.k::text = labelled.k")
        statement = sql.SQL(
            "SELECT DISTINCT ON (labelled.k) labelled.k, served.v, served.p, served.s, labelled.t FROM "
            "(SELECT {own}::text AS k, {own} AS n, {time} AS t, {until} AS u FROM {source} "
            "WHERE {labelled} AND {within}) labelled JOIN "
            "(SELECT {key} AS k, {version}::text AS v, {value} AS p, {score} AS s, {at} AS a FROM {served} "
            "WHERE {version} IS NOT NULL AND {prediction} IS NOT NULL{scored}) served "
            "ON {alike} AND served.a <= coalesce(labelled.u, 'infinity') "
            "ORDER BY labelled.k, served.a DESC, served.v DESC, served.p::text"
        ).format(
            own=layout.identifier(self._source.key),
            time=layout.time_in(within.column),
            until=layout.time,
            source=self._source.relation,
            labelled=layout.labelled,
            within=layout.within(within),
            key=key,
            version=version,
            value=value,
            prediction=prediction,
            score=score,
            scored=sql.SQL(" AND {} IS NOT NULL").format(columns.names[4]) if self.spec.score else sql.SQL(""),
            at=time,
            served=self._relation,
            alike=alike,
        )
        return statement, kind


class _Columns(NamedTuple):
    names: Sequence[sql.Identifier]
    """Of key, version, time, prediction and, where the spec names one, score."""
    types: Sequence[int]
    """Their OIDs."""
