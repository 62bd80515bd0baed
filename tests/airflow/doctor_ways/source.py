"""The source of a spec: its connection, columns, rights, rows and index; its clock."""

from contextlib import closing
from functools import partial
from uuid import uuid4

from retrain.preflight.probe import State
from retrain.source.rights import of_source
from retrain.spec import files as spec_files
from tests.airflow.doctor_ways.ledger import asked_for_a_password, let_clock_run_ahead
from tests.airflow.doctor_ways.way import Stack, Steps, way

_source = partial(way, "Source", part="source of MODEL")
_connection = partial(way, "Connections", part="source of MODEL")
_AND_SO_ON = "correct connection postgres_default (host, port, database, login, password)…"
_GRANT = "…or let its login read rows (`retrain migrate --sql` prints how)"


def _reader(stack: Stack) -> str:
    """Let the source's connection have a role that may read what the spec names, and return its name."""
    role = f"reader_{uuid4().hex[:8]}"
    stack.sql(f"CREATE ROLE {role} LOGIN")
    _granted(stack, role)
    stack.connection("postgres_default", login=role)
    return role


def _granted(stack: Stack, role: str) -> None:
    """Run what `retrain migrate --sql` prints."""
    stack.sql(*of_source(spec_files.load(stack.toy.path).spec.source, role))


@_connection(
    "none leads to the source",
    "connection postgres_default: there is none",
    "make it in Airflow, or set AIRFLOW_CONN_POSTGRES_DEFAULT",
)
def no_connection(stack: Stack) -> Steps:
    before = stack.variable("postgres_default")
    stack.patch.delenv("AIRFLOW_CONN_POSTGRES_DEFAULT")
    yield
    stack.patch.setenv("AIRFLOW_CONN_POSTGRES_DEFAULT", before)


@_connection("that of the source leads to no server", "…Connection refused…", _AND_SO_ON)
def no_server(stack: Stack) -> Steps:
    before = stack.variable("postgres_default")
    stack.connection("postgres_default", host="127.0.0.1", port=stack.fixture("closed_port"))
    yield
    stack.patch.setenv("AIRFLOW_CONN_POSTGRES_DEFAULT", before)


@_connection("that of the source has a wrong password", "…password authentication failed…", _AND_SO_ON)
def wrong_password(stack: Stack) -> Steps:
    stack.connection("postgres_default", login=asked_for_a_password(stack), password="wrong")
    stack.fixture("eventually")(lambda: bool(stack.found("source of MODEL")))  # the server reads its rules anew
    yield
    stack.connection("postgres_default", password="right")


@_source("the table is not there", '…relation "rows" does not exist…', _GRANT)
def no_table(stack: Stack) -> Steps:
    stack.sql("ALTER TABLE rows RENAME TO other")
    yield
    stack.sql("ALTER TABLE other RENAME TO rows")


@_source("a column is not there", "rows: there is no column 'a'", "did you mean 'aa'?")
def no_column(stack: Stack) -> Steps:
    stack.sql("ALTER TABLE rows RENAME a TO aa")
    yield
    stack.spec(
        source={"features": ["aa", "b"]},
        candidates=[{"name": "one", "estimator": "tests.core.toys:logistic", "params": {"columns": ["aa"]}}],
    )


@_source("the login may not read a column", "rows: permission denied for table rows", _GRANT)
def no_right(stack: Stack) -> Steps:
    role = _reader(stack)
    stack.sql(f"REVOKE SELECT (b) ON rows FROM {role}")
    yield
    _granted(stack, role)


@_source("the login may not use the table's schema", "theirs.rows: permission denied for schema theirs", "…--sql…")
def no_usage(stack: Stack) -> Steps:
    stack.sql("CREATE SCHEMA theirs", "ALTER TABLE rows SET SCHEMA theirs")
    stack.spec(source={"table": "theirs.rows"})
    role = _reader(stack)
    stack.sql(f"REVOKE USAGE ON SCHEMA theirs FROM {role}")
    yield
    _granted(stack, role)


_POLICY = "let a policy show each row to the login (USING (true)), or give it BYPASSRLS: …"


@_source("row-level security hides each row", "row-level security hides each row from this login…", _POLICY)
def hidden(stack: Stack) -> Steps:
    role = _reader(stack)
    stack.sql("ALTER TABLE rows ENABLE ROW LEVEL SECURITY")
    yield
    stack.sql(f"CREATE POLICY all_rows ON rows FOR SELECT TO {role} USING (true)")


@_source(
    "row-level security hides some rows", "row-level security hides rows from this login", _POLICY, state=State.WARN
)
def partly_hidden(stack: Stack) -> Steps:
    role = _reader(stack)
    stack.sql("ALTER TABLE rows ENABLE ROW LEVEL SECURITY", "CREATE POLICY some_rows ON rows USING (id < 10)")
    yield
    stack.sql(f"ALTER ROLE {role} BYPASSRLS")


@_source(
    "the index for new rows is missing",
    "new rows are counted by Seq Scan on rows, about … rows, each time",
    'run CREATE INDEX CONCURRENTLY ON "rows" ("labelled_at") WHERE …',
    state=State.WARN,
)
def no_index(stack: Stack) -> Steps:
    stack.sql(
        "INSERT INTO rows SELECT n, 0, 0, 'yes', now() - n * interval '1 s' FROM generate_series(1000, 150000) n",
        "ANALYZE rows",
    )
    (found,) = yield
    with closing(stack.toy.database.connect()) as session:
        session.autocommit = True
        session.cursor().execute(found.remedy.removeprefix("run "))
    stack.sql("ANALYZE rows")


@_source("no row has a label", "has no labelled row yet", "cycles wait until there are some", state=State.WARN)
def unlabelled(stack: Stack) -> Steps:
    stack.sql("UPDATE rows SET label = NULL")
    yield
    stack.sql("UPDATE rows SET label = 'yes' WHERE a > 0")


@_source("the label time is text", "rows: 'labelled_at' is not a time", "cast it in a query file")
def no_time(stack: Stack) -> Steps:
    stack.sql("ALTER TABLE rows ALTER labelled_at TYPE text")
    yield
    stack.query("id, a, b, label, labelled_at::timestamptz")


@_source(
    "the label time has no time zone",
    "labelled_at is a timestamp without time zone, read as one of UTC",
    "write source.time_zone if it is not",
    state=State.WARN,
)
def no_zone(stack: Stack) -> Steps:
    stack.sql("ALTER TABLE rows ALTER labelled_at TYPE timestamp")
    yield
    stack.spec(source={"time_zone": "Asia/Seoul"})


@_source(
    "a feature is of a type that no model takes",
    "feature b is a jsonb, which a model gets as text",
    "cast it in a query file",
    state=State.WARN,
)
def odd_type(stack: Stack) -> Steps:
    stack.sql("ALTER TABLE rows ALTER b TYPE jsonb USING to_jsonb(b)")
    yield
    stack.query("id, a, b::float8, label, labelled_at")


@_source("a query file is no SELECT that runs", "rows.sql: syntax error…", "…let its login read rows.sql…")
def odd_query(stack: Stack) -> Steps:
    stack.query("id, a, b, label, labelled_at,")
    yield
    stack.query("id, a, b, label, labelled_at")


@way(
    "Clocks",
    "that of the source's server is ahead",
    "its clock and that of this machine are … s apart",
    "let both follow a time server: …",
    part="source of MODEL",
    state=State.WARN,
)
def clock(stack: Stack) -> Steps:
    let_clock_run_ahead(stack)
    yield
    stack.sql("DROP SCHEMA wrong CASCADE")


_split = partial(way, "Split tests", part="split test of MODEL")


def _split_test(stack: Stack) -> None:
    stack.sql(
        "CREATE TABLE shown (unit text, arm text, at timestamptz)", "CREATE TABLE did (unit text, at timestamptz)"
    )
    stack.sql("INSERT INTO shown VALUES ('a', 'staging', now())", "INSERT INTO did VALUES ('a', now())")
    primary = {"name": "bought", "outcome": {"table": "did"}}
    stack.spec(ab={"primary": primary, "exposures": {"table": "shown"}, "effect": 0.05})


@_split("a table is not there", 'metric bought: did: relation "did" does not exist', "correct its name in the spec…")
def no_outcomes(stack: Stack) -> Steps:
    _split_test(stack)
    stack.sql("ALTER TABLE did RENAME TO other")
    yield
    stack.sql("ALTER TABLE other RENAME TO did")


@_split("a column is not there", "ab.exposures: shown: there is no column 'arm'", "did you mean 'arms'?")
def no_arm(stack: Stack) -> Steps:
    _split_test(stack)
    stack.sql("ALTER TABLE shown RENAME arm TO arms")
    yield
    stack.sql("ALTER TABLE shown RENAME arms TO arm")


@_split(
    "outcomes and exposures name units in other ways",
    "metric bought: did: none of 30 units with an outcome was ever exposed",
    "do both columns name the same thing, in the same writing?…",
    state=State.WARN,
)
def other_units(stack: Stack) -> Steps:
    _split_test(stack)
    stack.sql("TRUNCATE did", "INSERT INTO did SELECT 'user ' || i, now() FROM generate_series(1, 30) i")
    yield
    stack.sql("INSERT INTO shown SELECT 'user ' || i, 'staging', now() FROM generate_series(1, 30) i")
