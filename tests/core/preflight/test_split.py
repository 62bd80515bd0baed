"""A spec's split test held to its tables: what its first look would find is found on some rows, all at once."""

from retrain.preflight.probe import State
from retrain.preflight.probes_split import look
from retrain.preflight.split import hold_to_tables
from tests.core.ab.split_tables import OWN, day, did, shown, units, wanted
from tests.core.source.tables import ONE_WAY, execute
from tests.core.spec.specs import spec

pytestmark = ONE_WAY

AMOUNT = {"kind": "amount", "outcome": {"value": "value"}}
GOOD = [("a", "staging", day(1)), ("b", "production", day(1))]


def found(schema, spec, queries=None):
    findings = [*hold_to_tables(spec, units(schema, spec, queries))]
    return [each.text for each in findings if each.fault], [each.text for each in findings if not each.fault]


def test_good_tables_have_no_fault_and_no_note(schema):
    shown(schema, GOOD)
    did(schema, [("a", day(2), 1, 1)])

    assert found(schema, wanted(**AMOUNT)) == ([], [])
    assert found(schema, wanted(exposures=OWN, **AMOUNT)) == ([], [])


def test_a_spec_without_a_split_test_has_nothing_to_find(schema):
    assert found(schema, spec()) == ([], [])


def test_the_faults_of_all_tables_are_found_at_once(schema):
    shown(schema, [], "unit text, arms text, at text")
    did(schema, [], "unit text, at timestamptz, value text, per float8")
    guardrails = [
        {"name": "gone", "margin": 1.0, "outcome": {"table": "gone"}},
        {"name": "paid", "margin": 1.0, "outcome": {"query": "paid.sql"}},
    ]

    faults, notes = found(schema, wanted(guardrails=guardrails, **AMOUNT), {"paid.sql": "SELECT 1 AS unit, now() AS a"})

    assert [each.partition(" LINE 1")[0] for each in faults] == [
        "ab.exposures: shown: there is no column 'arm'; did you mean 'arms'?",
        "metric metric: did: 'value' is not a number; cast it in a query file",
        'metric gone: gone: relation "gone" does not exist; correct its name in the spec, with its schema where that '
        "is not on the search path of the connection's role",
        "metric paid: paid.sql: there is no column 'at'; did you mean 'a'?",
    ]
    assert notes == []


def test_empty_tables_are_noted(schema):
    shown(schema, [])
    did(schema, [])

    faults, notes = found(schema, wanted(**AMOUNT))

    assert faults == []
    assert [each.partition(";")[0] for each in notes] == [
        "ab.exposures: shown: has no row yet",
        "metric metric: did: has no row yet",
    ]


def test_values_that_a_look_refuses_are_a_fault(schema):
    shown(schema, GOOD)
    did(schema, [("a", day(2), "NaN", 1), ("a", day(2), 1, 1), ("a", day(2), "Infinity", 1)])

    faults, _ = found(schema, wanted(**AMOUNT))

    assert faults == [
        "metric metric: did: 2 of 3 rows have a number that is NaN or infinite; correct them, or leave them out in a "
        "query file"
    ]


def test_strange_rows_and_times_without_a_zone_are_noted(schema):
    shown(schema, [*GOOD, (None, "staging", day(1)), ("c", None, None), ("d", "old", day(1))])
    did(schema, [("a", day(2), 1, 1)], "unit text, at timestamp, value float8, per float8")

    faults, notes = found(schema, wanted(**AMOUNT))

    assert faults == []
    assert [each.partition(": ")[2].partition(";")[0] for each in notes] == [
        "shown: 2 of 5 rows lack a unit, a time or an arm: they do not count",
        "shown: holds arm 'old', which the spec does not name",
        "did: its times have no zone, and are read as UTC",
    ]


def test_rows_that_row_level_security_hides_are_noted_or_a_fault_where_none_is_left(schema):
    shown(schema, GOOD)
    did(schema, [("a", day(2), 1, 1)])
    role = schema.dsn.partition("search_path=")[2].split()[0].strip("'")
    execute(
        schema,
        f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {role} TO {role}; GRANT SELECT ON shown, did TO {role}; "
        "ALTER TABLE shown ENABLE ROW LEVEL SECURITY; ALTER TABLE did ENABLE ROW LEVEL SECURITY; "
        "CREATE POLICY above ON did USING (value > 0)",
    )
    try:
        as_role = type(schema)(f"{schema.dsn} user={role}", schema.session)
        faults, notes = found(as_role, wanted(**AMOUNT))
    finally:
        execute(schema, f"DROP OWNED BY {role}; DROP ROLE {role}")

    assert [each.partition(";")[0] for each in faults] == [
        "ab.exposures: shown: has no row, or row-level security hides them all"
    ]
    assert notes == ["metric metric: did: row-level security is active for this role, and hides some rows"]


def test_a_query_that_takes_long_is_noted_and_not_waited_for(schema):
    shown(schema, GOOD)
    spec = wanted(outcome={"table": None, "query": "slow.sql"})
    slow = "SELECT unit, at FROM shown, LATERAL (SELECT pg_sleep(1)) AS waited OFFSET 1"
    patient = units(schema, spec, {"slow.sql": slow})
    patient.sample, asked = (lambda: asked(seconds=1)), patient.sample  # as 20 s are long for a test

    (finding,) = hold_to_tables(spec, patient)

    assert not finding.fault
    assert finding.text.endswith("; its first rows take long, and each look reads them all")


def test_the_doctor_says_the_same_with_a_remedy_beside_it(schema):
    shown(schema, GOOD)
    did(schema, [], "unit text, at timestamptz, value text, per float8")
    spec = wanted(**AMOUNT)

    (bad,) = look(spec, units(schema, spec))
    execute(schema, "ALTER TABLE did ALTER value TYPE float8 USING 1; INSERT INTO did VALUES ('a', now(), 1, 1)")
    (good,) = look(spec, units(schema, spec))

    assert (bad.about, bad.state, bad.remedy) == ("split test of Letters", State.FAIL, "cast it in a query file")
    assert (good.state, good.says) == (State.GOOD, "its tables can be read")


def test_outcomes_of_units_that_were_never_exposed_are_noted(schema):
    shown(schema, [(f"user-{each}", "staging", day(1)) for each in range(30)])
    did(schema, [(f"USER-{each}", day(2), 1, 1) for each in range(25)])

    faults, notes = found(schema, wanted())

    assert faults == []
    assert [each.partition(";")[0] for each in notes] == [
        "metric metric: did: none of 25 units with an outcome was ever exposed"
    ]


def test_few_outcomes_or_one_that_was_exposed_are_no_reason_to_ask(schema):
    shown(schema, [("user-0", "staging", day(1))])
    did(schema, [(f"other-{each}", day(2), 1, 1) for each in range(19)])
    assert found(schema, wanted()) == ([], [])

    execute(schema, "INSERT INTO did SELECT 'user-' || i, now(), 1, 1 FROM generate_series(0, 100) i")
    assert found(schema, wanted()) == ([], [])


def test_a_ramp_that_is_over_before_a_unit_has_matured_is_noted(schema):
    shown(schema, GOOD)
    did(schema, [])
    slow = {"name": "slow", "margin": 1.0, "window": "14d", "outcome": {"table": "did"}}

    _, notes = found(schema, wanted(guardrails=[slow]))

    assert notes[0].startswith(
        "ab.ramp: Staging's share is 50% after 14d, and for slow no unit has matured by then: the ramp protects nobody"
    )
