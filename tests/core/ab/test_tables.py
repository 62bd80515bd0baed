"""Tables of exposures and outcomes as users have them: types, names, time zones, rights, strange rows."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from retrain.errors import SourceMismatchError, SpecError, SplitTestError
from tests.core.ab.split_tables import BEGAN, day, did, fixed, seen, shown, split, sums, units, wanted
from tests.core.source.tables import Schema, execute

STAGING_A_AND_B = [("a", "staging", day(1)), ("b", "production", day(1))]
VALUES = {"kind": "count", "outcome": {"value": "value"}}


def refusal(schema, spec=None, **how):
    with pytest.raises(SourceMismatchError) as refused:
        seen(schema, spec, **how)
    return str(refused.value)


# ── types


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        ("int", 12, 3),
        ("numeric", 12, 3),
        ("text", "김", "a'\\\"b"),
        ("varchar(9)", "a b", ""),
        ("char(9)", "a b", "b"),
        ("uuid", str(UUID(int=5)), str(UUID(int=6))),
    ],
)
def test_units_of_any_type_are_found_among_the_outcomes_of_another(schema, type_, one, other):
    shown(schema, [(one, "staging", day(1)), (other, "production", day(1))], f"unit {type_}, arm text, at timestamptz")
    did(schema, [(str(one), day(2), 4, 0), (str(other), day(2), 3, 0)])

    assert sums(schema, wanted(**VALUES)) == {"production": (1, 3, 1), "staging": (1, 4, 1)}


def test_columns_of_two_collations_are_compared(schema):
    shown(schema, STAGING_A_AND_B, 'unit text COLLATE "POSIX", arm text, at timestamptz')
    did(schema, [("a", day(2), 4, 0)], 'unit text COLLATE "C", at timestamptz, value float8, per float8')

    assert sums(schema, wanted(**VALUES))["staging"] == (1, 4, 1)


@pytest.mark.parametrize(
    ("type_", "arms"), [("int", ("0", "1")), ("boolean", ("false", "true")), ("arm", ("control", "new"))]
)
def test_arms_of_any_type_are_named_as_text(schema, type_, arms):
    execute(schema, "CREATE TYPE arm AS ENUM ('control', 'new')")
    shown(schema, [("a", arms[1], day(1)), ("b", arms[0], day(1))], f"unit text, arm {type_}, at timestamptz")
    did(schema, [("a", day(2), 4, 0)])
    exposures = {"table": "shown", "production": arms[0], "staging": arms[1]}

    assert sums(schema, wanted(exposures=exposures, **VALUES)) == {"production": (1, 0, 1), "staging": (1, 4, 1)}


@pytest.mark.parametrize(
    ("type_", "values", "total"),
    [
        ("int", (3, None), 3),
        ("numeric(9,2)", ("0.25", "-1.5"), -1.25),
        ("real", (0.25, None), 0.25),
        ("boolean", (True, None), 1),
        ("bigint", (2**40, 1), 2**40 + 1),
    ],
)
def test_values_of_any_number_are_summed_and_nothing_counts_as_0(schema, type_, values, total):
    shown(schema, STAGING_A_AND_B)
    did(schema, [("a", day(2), value, 0) for value in values], f"unit text, at timestamptz, value {type_}, per int")

    assert sums(schema, wanted(**VALUES))["staging"] == (1, total, 1)


def test_columns_of_other_types_are_refused_all_at_once(schema):
    shown(schema, STAGING_A_AND_B)
    did(schema, [], "unit text, at text, value text, per jsonb")

    message = refusal(schema, wanted(kind="ratio", outcome={"value": "value", "per": "per"}))

    assert message.splitlines() == [
        "metric metric: did: 'at' is not a time; cast it in a query file",
        "metric metric: did: 'value' is not a number; cast it in a query file",
        "metric metric: did: 'per' is not a number; cast it in a query file",
    ]


# ── names


def test_names_may_be_korean_quoted_or_reserved(schema):
    execute(schema, 'CREATE TABLE "노출표" ("지원자 ID" text, "Select" text, "시각" timestamptz)')
    execute(schema, 'CREATE TABLE "order" ("user" text, "%s" timestamptz, "{amount}\\" int)')
    execute(schema, 'INSERT INTO "order" VALUES (%s, %s, 5)', ("a", day(2)))
    execute(schema, 'INSERT INTO "노출표" VALUES (%s, %s, %s)', STAGING_A_AND_B[0])
    spec = wanted(
        exposures={"table": "노출표", "unit": "지원자 ID", "arm": "Select", "at": "시각"},
        kind="count",
        outcome={"table": "order", "unit": "user", "at": "%s", "value": "{amount}\\"},
    )

    assert sums(schema, spec)["staging"] == (1, 5, 1)


def test_a_column_that_is_not_there_is_named_with_one_that_is(schema):
    shown(schema, [])
    did(schema, [])

    message = refusal(schema, wanted(kind="count", outcome={"value": "valeu", "unit": "nobody"}))

    assert message.splitlines() == [
        "metric metric: did: there is no column 'nobody'; it has unit, at, value, per",
        "metric metric: did: there is no column 'valeu'; did you mean 'value'?",
    ]


def test_a_table_that_is_not_there_is_named(schema):
    shown(schema, [])

    assert refusal(schema).startswith('metric metric: did: relation "did" does not exist')


# ── times


@pytest.mark.parametrize(("zone", "in_window"), [(None, 0), ("Asia/Seoul", 1)])
def test_times_without_a_zone_are_those_of_the_spec(schema, zone, in_window):
    """At nine hours less, an outcome is before its unit's exposure, or after it."""
    shown(schema, [("a", "staging", datetime(2026, 3, 5, 1, tzinfo=UTC))])
    did(schema, [("a", "2026-03-05 10:30", 1, 0)], "unit text, at timestamp, value int, per int")
    execute(schema, "INSERT INTO did VALUES ('a', '2026-03-12 09:30', 1, 0)")
    source = {"table": "letters", "key": "id", "label": "l", "features": ["f"], "label_time": "t"}
    spec = wanted(kind="count", source={**source, **({"time_zone": zone} if zone else {})})

    assert sums(schema, spec)["staging"] == (1, 1 + in_window, 1)


def test_times_do_not_depend_on_the_settings_of_the_role(schema):
    shown(schema, [("a", "staging", datetime(2026, 3, 5, 23, 30, tzinfo=UTC))])
    did(schema, [])
    options = f"{parse_dsn(schema.dsn)['options']} -c timezone=Asia/Seoul -c datestyle=German"

    (found,) = seen(Schema(make_dsn(schema.dsn, options=options), schema.session)).days

    assert found.day == datetime(2026, 3, 5, tzinfo=UTC)


def test_a_date_is_its_midnight(schema):
    shown(schema, [("a", "staging", "2026-03-05")], "unit text, arm text, at date")
    did(
        schema,
        [("a", day, 1, 0) for day in ("2026-03-05", "2026-03-11", "2026-03-12")],
        "unit text, at date, value int, per int",
    )

    found = seen(schema, wanted(kind="count"))

    assert found.days[0].day == datetime(2026, 3, 5, tzinfo=UTC)
    assert (found.pairs[0][0].staging.y, found.counts.late) == (2, 1)


def test_times_without_end_are_not_in_the_test(schema):
    shown(schema, [*STAGING_A_AND_B, ("c", "staging", "infinity"), ("d", "staging", "-infinity")])
    did(schema, [("a", "infinity", 1, 0), ("a", "-infinity", 1, 0), ("a", day(2), 1, 0)])

    assert sums(schema, wanted(kind="count")) == {"production": (1, 0, 1), "staging": (1, 1, 1)}


# ── strange rows


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_a_value_that_is_not_finite_is_refused_with_its_metric_and_table(schema, value):
    shown(schema, STAGING_A_AND_B)
    did(schema, [("a", day(2), value, 0), ("b", day(2), value, 0), ("a", day(2), 1, 0), ("nobody", day(2), value, 0)])

    assert refusal(schema, wanted(**VALUES)) == (
        "metric metric: did: 'value' is NaN or infinite in 2 rows; correct them, or leave them out in a query file"
    )


def test_arms_that_the_spec_does_not_name_are_refused_with_one_of_them(schema):
    shown(schema, [*STAGING_A_AND_B, ("c", "Staging", day(2)), ("d", "Staging", day(3)), ("e", "old", day(-3))])
    did(schema, [])

    assert refusal(schema).startswith(
        "ab.exposures: shown: 2 rows of 'arm' are neither 'production' nor 'staging', but 'Staging' and the like; "
    )


def test_two_arms_of_one_name_are_refused():
    with pytest.raises(SpecError, match=r"ab.exposures.* production and staging are one value"):
        wanted(exposures={"table": "shown", "production": "a", "staging": "a"})


def test_rows_of_exposures_without_a_unit_an_arm_or_a_time_are_counted_and_not_used(schema):
    shown(schema, [*STAGING_A_AND_B, (None, "staging", day(1)), ("c", None, day(1)), ("d", "staging", None)])
    did(schema, [(None, day(2), 1, 0), ("d", day(2), 1, 0)])

    counts = seen(schema).counts

    assert (counts.exposed, counts.incomplete) == (2, 3)


def test_a_metric_that_the_test_did_not_begin_with_is_refused(schema):
    shown(schema, [])
    did(schema, [])

    with pytest.raises(SplitTestError, match="began without metric metric; take it out"):
        units(schema, wanted()).seen(split(fixed("other")), [BEGAN], day(9))


# ── query files


def test_exposures_and_outcomes_may_be_the_results_of_queries(schema):
    shown(schema, [*STAGING_A_AND_B, ("c", "elsewhere", day(1))])
    did(schema, [("a", day(2), 4, 0), ("a", day(2), 100, 0)])
    spec = wanted(
        exposures={"query": "ours.sql"}, kind="count", outcome={"table": None, "query": "paid.sql", "value": "won"}
    )
    queries = {
        "ours.sql": "SELECT unit, arm, at FROM shown WHERE arm IN ('staging', 'production') -- of this test",
        "paid.sql": "SELECT unit, at, value * 2 AS won FROM did WHERE value < 50 AND unit LIKE '%a%'",
    }

    assert sums(schema, spec, queries=queries) == {"production": (1, 0, 1), "staging": (1, 8, 1)}


def test_a_query_file_that_postgresql_refuses_is_named(schema):
    shown(schema, [])
    did(schema, [])
    spec = wanted(outcome={"table": None, "query": "paid.sql"})

    assert refusal(schema, spec, queries={"paid.sql": "SELEC 1"}).startswith("metric metric: paid.sql: syntax error")
    deleting = "WITH gone AS (DELETE FROM did RETURNING *) SELECT unit, at FROM gone"
    assert refusal(schema, spec, queries={"paid.sql": deleting}).startswith("metric metric: paid.sql: WITH clause")


# ── rights


@pytest.fixture
def reader(schema):
    """The schema as a role sees it that may read no table yet; the role has the schema's name."""
    name = schema.dsn.partition("search_path=")[2].split()[0].strip("'")
    execute(schema, f"CREATE ROLE {name} LOGIN; GRANT USAGE ON SCHEMA {name} TO {name}")
    yield Schema(make_dsn(schema.dsn, user=name), schema.session), name
    execute(schema, f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_the_right_to_read_the_named_columns_is_enough(schema, reader):
    as_reader, name = reader
    shown(schema, STAGING_A_AND_B)
    did(schema, [("a", day(2), 4, 0)])
    execute(schema, "ALTER TABLE shown ADD secret text; ALTER TABLE did ADD secret text")
    execute(schema, f"GRANT SELECT (unit, arm, at) ON shown TO {name}; GRANT SELECT (unit, at, value) ON did TO {name}")

    assert sums(as_reader, wanted(**VALUES))["staging"] == (1, 4, 1)


def test_a_right_that_is_missing_is_said_with_the_statement_that_gives_it(schema, reader):
    as_reader, name = reader
    shown(schema, STAGING_A_AND_B)
    did(schema, [])
    execute(schema, f"GRANT SELECT (unit, arm, at) ON shown TO {name}")

    assert refusal(as_reader, wanted(**VALUES)) == (
        "metric metric: did: permission denied for table did; "
        'run GRANT SELECT ("unit", "at", "value") ON "did" for the role of the connection'
    )
