"""The ledger: its connection, its tables, the rights of the runtime role, its clock."""

import shutil
from functools import partial
from uuid import uuid4

import yaml

from retrain.ledger import database
from retrain.ledger.ledger import Ledger
from retrain.preflight.probe import State
from retrain.tuning import storage as studies
from tests.airflow.doctor_ways.way import Stack, Steps, way

_ledger = partial(way, "Ledger", part="ledger")
_studies = partial(way, "Ledger", part="studies")
_connection = partial(way, "Connections", part="ledger")
_AND_SO_ON = "correct connection retrain_state (host, port, database, login, password)…"


def asked_for_a_password(stack: Stack) -> str:
    """Make a role of whom the server asks a password, "right", and return its name."""
    role = f"doctor_{uuid4().hex[:8]}"
    stack.sql(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'right'")
    rules = stack.fixture("postgres").home.pgdata / "pg_hba.conf"
    text = rules.read_text()
    rules.write_text(f"local all {role} scram-sha-256\n{text}")
    stack.sql("SELECT pg_reload_conf()")
    return role


def let_clock_run_ahead(stack: Stack) -> None:
    """Let sessions of this database find a clock that is ten minutes ahead, before PostgreSQL's own."""
    stack.sql(
        "CREATE SCHEMA wrong",
        "CREATE FUNCTION wrong.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
        "$$SELECT pg_catalog.clock_timestamp() + interval '10 minutes'$$",
        "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = wrong, pg_catalog, public', "
        "current_database()); END$$",
    )


@_connection(
    "none leads to the ledger",
    "connection retrain_state: there is none",
    "make it in Airflow, or set AIRFLOW_CONN_RETRAIN_STATE",
)
def no_connection(stack: Stack) -> Steps:
    before = stack.variable("retrain_state")
    stack.patch.delenv("AIRFLOW_CONN_RETRAIN_STATE")
    yield
    stack.patch.setenv("AIRFLOW_CONN_RETRAIN_STATE", before)


@_connection(
    "that of the ledger is an address with a / in its password",
    "connection retrain_state: cannot be read",
    "percent-encode special characters of its address…",
)
def unreadable(stack: Stack) -> Steps:
    before = stack.variable("retrain_state")
    stack.patch.setenv("AIRFLOW_CONN_RETRAIN_STATE", "postgresql://kim:se/cret@db.example.org/retrain")
    yield
    stack.patch.setenv("AIRFLOW_CONN_RETRAIN_STATE", before)


@_connection("that of the ledger leads to no server", "…Connection refused…", _AND_SO_ON)
def no_server(stack: Stack) -> Steps:
    before = stack.variable("retrain_state")
    stack.connection("retrain_state", host="127.0.0.1", port=stack.fixture("closed_port"))
    yield
    stack.patch.setenv("AIRFLOW_CONN_RETRAIN_STATE", before)


@_connection("that of the ledger names no database of the server", '…database "nowhere" does not exist', _AND_SO_ON)
def no_database(stack: Stack) -> Steps:
    before = stack.variable("retrain_state")
    stack.connection("retrain_state", schema="nowhere")
    yield
    stack.patch.setenv("AIRFLOW_CONN_RETRAIN_STATE", before)


@_connection("that of the ledger has a wrong password", "…password authentication failed…", _AND_SO_ON)
def wrong_password(stack: Stack) -> Steps:
    stack.connection("retrain_state", login=asked_for_a_password(stack), password="wrong")
    stack.fixture("eventually")(lambda: bool(stack.found("ledger")))  # the server reads its rules anew
    yield
    stack.connection("retrain_state", password="right")


@_ledger("there are no tables", "schema retrain lacks …", "run `retrain migrate`")
def no_tables(stack: Stack) -> Steps:
    stack.sql("DROP SCHEMA retrain CASCADE")
    yield
    Ledger(stack.toy.database.connect).migrate()


@_ledger("RETRAIN_SCHEMA names a schema without tables", "schema theirs lacks …", "run `retrain migrate`")
def other_schema(stack: Stack) -> Steps:
    stack.patch.setenv("RETRAIN_SCHEMA", "theirs")
    yield
    Ledger(stack.toy.database.connect).migrate()


@_ledger(
    "RETRAIN_SCHEMA is no plain name",
    "RETRAIN_SCHEMA = 'My Schema': is not a plain name of a schema",
    "write at most 63 small letters…",
)
def odd_schema(stack: Stack) -> Steps:
    stack.patch.setenv("RETRAIN_SCHEMA", "My Schema")
    yield
    stack.patch.setenv("RETRAIN_SCHEMA", "retrain")


@_ledger("the tables are newer than Retrain here", "schema retrain is newer than this code …", "update Retrain")
def ahead(stack: Stack) -> Steps:
    stack.sql("INSERT INTO retrain.migrations VALUES ('9999_next.breaking')")
    yield
    newer = stack.folder / "migrations"
    shutil.copytree(database.MIGRATIONS, newer)
    (newer / "9999_next.breaking.sql").write_text("")
    stack.patch.setattr(database, "MIGRATIONS", newer)  # that of the next release


@_ledger(
    "the tables are from before the first release",
    "schema retrain is from before the first release, and its tables have other names now",
    "…`DROP SCHEMA retrain CASCADE` there as its owner, then `retrain migrate`…",
)
def old(stack: Stack) -> Steps:
    stack.sql("INSERT INTO retrain.migrations VALUES ('0001_ledger')")
    yield
    stack.sql("DROP SCHEMA retrain CASCADE")
    Ledger(stack.toy.database.connect).migrate()


@_ledger(
    "the tasks' role lacks rights on a table",
    "its login may not UPDATE model_files.version, INSERT outbox",
    "run `retrain migrate --runtime-role ROLE` as the owner of the schema, with the role of this login",
)
def no_right(stack: Stack) -> Steps:
    stack.connection("retrain_state", login="retrain_task")
    stack.sql(
        "REVOKE UPDATE (version) ON retrain.model_files FROM retrain_task",
        "REVOKE INSERT ON retrain.outbox FROM retrain_task",
    )
    yield
    Ledger(stack.toy.database.connect).migrate("retrain_task")


@_ledger(
    "the tasks' role may not use the schema",
    "…permission denied for schema retrain",
    "…`retrain migrate --runtime-role ROLE`",
)
def no_usage(stack: Stack) -> Steps:
    stack.connection("retrain_state", login="retrain_task")
    stack.sql("REVOKE USAGE ON SCHEMA retrain FROM retrain_task")
    yield
    Ledger(stack.toy.database.connect).migrate("retrain_task")


def let_it_search(stack: Stack) -> None:
    (name, *_) = yaml.safe_load(stack.toy.path.read_text())["candidates"]
    stack.spec(candidates=[name | {"search": {"space": {"seed": {"int": [0, 9]}}, "trials": 2}}])


@_studies(
    "there are no tables for a search",
    'the studies: relation "alembic_version" does not exist…',
    "run `retrain migrate` where the extra tune is installed",
)
def no_studies(stack: Stack) -> Steps:
    let_it_search(stack)
    stack.sql("DROP SCHEMA retrain_studies CASCADE")
    yield
    studies.migrate(Ledger(stack.toy.database.connect))


@_studies(
    "the tasks' role may not use the studies",
    "the studies: permission denied for …",
    "run `retrain migrate --runtime-role ROLE` where the extra tune is installed",
)
def no_right_on_studies(stack: Stack) -> Steps:
    let_it_search(stack)
    stack.connection("retrain_state", login="retrain_task")
    stack.sql("REVOKE ALL ON ALL TABLES IN SCHEMA retrain_studies FROM retrain_task")
    yield
    studies.migrate(Ledger(stack.toy.database.connect), "retrain_task")


@way(
    "Clocks",
    "that of the ledger's server is ahead",
    "its clock and that of this machine are … s apart",
    "let both follow a time server: …",
    part="ledger",
    state=State.WARN,
)
def clock(stack: Stack) -> Steps:
    let_clock_run_ahead(stack)
    yield
    stack.sql("DROP SCHEMA wrong CASCADE")
