"""New rows are counted, and the plan says which index the count lacks."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from psycopg2 import sql

from tests.core.source.tables import BEST, NOON, ONE_WAY, execute, source

pytestmark = ONE_WAY

# ── the count of new rows


def test_rows_labelled_after_a_time_are_counted(letters):
    labelled = source(letters, label_time="labelled_at")

    assert [labelled.count_labelled(NOON + timedelta(minutes=m), at_most=9) for m in (-1, 0, 60)] == [2, 1, 0]
    assert labelled.count_labelled(None, at_most=9) == 2


def test_without_a_label_time_all_labelled_rows_are_counted(letters):
    assert source(letters).count_labelled(NOON, at_most=9) == 2


def test_no_more_rows_are_counted_than_asked_for(letters):
    assert source(letters).count_labelled(None, at_most=1) == 1


def test_the_oldest_label_counts_and_no_other_row(letters):
    dated = source(letters, label_time="labelled_at")
    execute(
        letters,
        "UPDATE letters SET labelled_at = now() - interval '1 day' * CASE id WHEN 1 THEN 3 WHEN 2 THEN 2 ELSE 40 END",
    )

    assert timedelta(days=3) <= dated.oldest_label_age() < timedelta(days=3, hours=1)


@pytest.mark.parametrize("type_", ["timestamptz", "timestamp", "date"])
def test_how_old_a_label_is_does_not_depend_on_the_settings_of_the_role(letters, type_):
    def connect():
        session = letters.connect()
        with session, session.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'Asia/Seoul'; SET intervalstyle = iso_8601; SET datestyle = 'SQL, DMY'")
        return session

    execute(letters, f"ALTER TABLE letters ALTER labelled_at TYPE {type_} USING '2020-02-01T00:00Z'")
    age = source(SimpleNamespace(connect=connect), label_time="labelled_at").oldest_label_age()

    assert abs(datetime.now(UTC) - datetime(2020, 2, 1, tzinfo=UTC) - age) < timedelta(hours=1)


def test_without_labels_or_label_times_nothing_is_old(letters):
    assert source(letters).oldest_label_age() is None
    execute(letters, "UPDATE letters SET labelled_at = NULL")
    assert source(letters, label_time="labelled_at").oldest_label_age() is None
    execute(letters, "TRUNCATE letters")
    assert source(letters, label_time="labelled_at").oldest_label_age() is None


# ── how new rows are counted


def fill(schema, rows):
    """Labelled rows a second apart, in no order on the disk, and as many without a label."""
    execute(
        schema,
        "INSERT INTO letters SELECT 3 + n, 'x', CASE WHEN n %% 2 = 0 THEN 'good' END, "
        "CASE WHEN n %% 2 = 0 THEN '2026-01-01Z'::timestamptz + n * interval '1 s' END "
        "FROM generate_series(1, 2 * %s) AS n ORDER BY md5(n::text); ANALYZE letters",
        (rows,),
    )


def run_outside_a_transaction(schema, statement):
    with closing(schema.connect()) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute(statement)


def test_the_plan_of_a_table_without_an_index_names_the_one_to_create(letters):
    plan = source(letters, label_time="labelled_at").count_plan()

    assert (plan.indexed, plan.slow) == (False, False)
    assert str(plan).startswith("new rows are counted by Seq Scan on letters, about ")
    assert str(plan).endswith(f" rows; run {BEST}")


@pytest.mark.parametrize("rows", [0, 5000])
def test_the_index_that_the_plan_names_is_then_used(letters, rows):
    fill(letters, rows)
    dated = source(letters, label_time="labelled_at")
    run_outside_a_transaction(letters, dated.count_plan().remedy.removeprefix("run "))

    plan = dated.count_plan()

    # Index Only Scan: neither label nor time of any row is looked up in the table.
    assert (plan.scans, plan.indexed) == ("Index Only Scan using letters_labelled_at_idx on letters", True)
    assert str(plan) == f"new rows are counted by {plan.scans}"


@pytest.mark.parametrize(
    ("index", "indexed"),
    [
        ("(labelled_at)", True),
        ("(labelled_at DESC, id)", True),
        ("(labelled_at) INCLUDE (label)", True),
        ("USING brin (labelled_at)", True),
        ("(labelled_at) WHERE text = 'x'", False),
        ("(label) WHERE label IS NOT NULL", False),
        ("(text, id)", False),
    ],
)
def test_an_index_counts_that_says_where_new_rows_begin(letters, index, indexed):
    execute(letters, f"CREATE INDEX ON letters {index}")

    assert source(letters, label_time="labelled_at").count_plan().indexed is indexed


@pytest.mark.parametrize("type_", ["timestamp", "date"])
def test_a_time_without_a_zone_is_counted_by_its_index_as_well(letters, type_):
    execute(letters, f"ALTER TABLE letters ALTER labelled_at TYPE {type_}; CREATE INDEX ON letters (labelled_at)")

    assert source(letters, label_time="labelled_at").count_plan().indexed


@pytest.mark.parametrize("new", [10, 2500, 5000])
def test_the_count_itself_takes_the_index_however_many_rows_are_new(letters, new):
    """Without ORDER BY the planner would look for many new rows from the table's beginning, where there may be none."""
    execute(letters, "TRUNCATE letters")
    fill(letters, 5000)
    run_outside_a_transaction(letters, BEST)
    dated = source(letters, label_time="labelled_at")
    watermark = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=2 * (5000 - new))
    with closing(letters.connect()) as session, session.cursor() as cursor:
        cursor.execute(sql.SQL("EXPLAIN ") + dated._count(dated.layout(cursor), watermark, at_most=100))
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "Scan using letters_labelled_at_idx" in plan or "Bitmap Index Scan on letters_labelled_at_idx" in plan
    assert "Seq Scan" not in plan
    assert dated.count_labelled(watermark, at_most=100) == min(new, 100)


def test_names_are_quoted_in_the_statement_that_the_plan_gives(schema):
    execute(
        schema,
        'CREATE TABLE "Let""ters" (id int, text text, "Label" text, "when?" timestamptz); '
        'CREATE INDEX "An ""index""" ON "Let""ters" (id)',
    )
    odd = source(schema, table='Let"ters', label="Label", label_time="when?")
    statement = odd.count_plan().remedy.removeprefix("run ")

    assert statement == 'CREATE INDEX CONCURRENTLY ON "Let""ters" ("when?") WHERE "Label" IS NOT NULL'
    run_outside_a_transaction(schema, statement)
    assert odd.count_plan().indexed


def test_an_index_of_a_partitioned_table_is_not_built_concurrently_which_postgresql_refuses(schema):
    execute(
        schema,
        "CREATE TABLE letters (id int, text text, label text, labelled_at timestamptz) PARTITION BY HASH (id); "
        + "; ".join(
            f"CREATE TABLE part{n} PARTITION OF letters FOR VALUES WITH (MODULUS 5, REMAINDER {n})" for n in range(5)
        ),
    )
    parts = source(schema, label_time="labelled_at")

    plan = parts.count_plan()

    assert plan.scans == "Seq Scan on part0, Seq Scan on part1, Seq Scan on part2 and 2 more"
    assert plan.remedy == 'run CREATE INDEX ON "letters" ("labelled_at") WHERE "label" IS NOT NULL'
    execute(schema, plan.remedy.removeprefix("run "))
    assert parts.count_plan().indexed


def test_without_a_label_time_no_index_helps_and_the_plan_says_so(letters):
    plan = source(letters).count_plan()

    assert not plan.indexed
    assert str(plan).endswith(
        "; without source.label_time every labelled row is counted each time; name the column that holds it"
    )


@pytest.mark.parametrize("kind", ["a query file", "a view"])
def test_the_plan_of_a_view_or_a_query_says_what_is_read_and_names_no_index(letters, kind):
    execute(letters, "CREATE VIEW seen AS SELECT * FROM letters")
    outside = (
        source(letters, "SELECT * FROM letters", label_time="labelled_at")
        if kind == "a query file"
        else source(letters, table="seen", label_time="labelled_at")
    )

    text = str(outside.count_plan())

    assert text.startswith("new rows are counted by Seq Scan on letters, about ")
    assert text.endswith(
        "; Retrain cannot see which index it needs; index the columns that its label and label time come from"
    )


def test_the_plan_of_a_query_that_has_its_index_gives_no_remedy(letters):
    fill(letters, 5000)
    run_outside_a_transaction(letters, BEST)

    plan = source(letters, "SELECT * FROM letters", label_time="labelled_at").count_plan()

    assert str(plan) == "new rows are counted by Index Only Scan using letters_labelled_at_idx on letters"


def test_a_large_table_without_an_index_is_slow(letters):
    execute(letters, "INSERT INTO letters SELECT n FROM generate_series(4, 110000) AS n; ANALYZE letters")
    dated = source(letters, label_time="labelled_at")

    assert dated.count_plan().slow
    run_outside_a_transaction(letters, BEST)
    assert not dated.count_plan().slow
