"""Roles that have the printed rights and no others: they can do their work, and nothing else."""

import re
from contextlib import closing
from types import SimpleNamespace
from uuid import uuid4

import psycopg2
import pytest
import yaml
from psycopg2.extensions import make_dsn

from retrain.errors import LedgerError, SourceMismatchError
from retrain.ledger import rights
from retrain.ledger.database import MIGRATIONS
from retrain.ledger.ledger import Ledger
from retrain.source.table import Source
from retrain.spec.parse import parse
from tests.core import toys
from tests.core.conftest import here  # noqa: F401 - a fixture
from tests.core.ledger.rows import all_that_a_cycle_does, execute
from tests.core.source.tables import read

SPEC = {
    "model": "letters",
    "source": {
        "table": "public.rows",
        "key": "id",
        "label": "label",
        "label_time": "labelled_at",
        "features": ["a"],
    },
    "candidates": [{"name": "half", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a"]}}],
}


class As(SimpleNamespace):
    """The database as one role sees it."""

    def connect(self):
        return psycopg2.connect(make_dsn(self.dsn, user=self.role))


@pytest.fixture
def roles(database):
    """Names for three roles, each with a blank and a quote, as roles are of a whole server."""
    names = {each: f'{each} "{uuid4().hex[:8]}' for each in ("owner", "runtime", "source")}
    yield names
    execute(database, "DROP SCHEMA IF EXISTS retrain CASCADE")
    for name in names.values():
        if execute(database, "SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)):
            quoted = '"' + name.replace('"', '""') + '"'
            execute(database, f"DROP OWNED BY {quoted}; DROP ROLE {quoted}")


@pytest.fixture
def set_up(roles, database, here, tmp_path):  # noqa: F811
    """What an administrator does: prints the script, and runs it, twice. Then the owner migrates."""
    # As an administrator sets it up: nobody may connect, or make anything.
    execute(database, "DO $$ BEGIN EXECUTE 'REVOKE ALL ON DATABASE ' || current_database() || ' FROM PUBLIC'; END $$")
    (tmp_path / "letters.yaml").write_text(yaml.safe_dump(SPEC))
    with closing(database.connect()) as session:
        toys.create(session, "rows")
        toys.insert(session, "rows", 5, first=0)
        session.commit()
    named = [word for name, value in roles.items() for word in (f"--{name}-role", value)]
    printed = here("migrate", "--sql", *named, "--specs", tmp_path)
    assert (printed.returncode, printed.stderr) == (0, "")
    assert execute(database, "SELECT count(*) FROM pg_roles WHERE rolname = ANY (%s)", (list(roles.values()),)) == [
        (0,)
    ]
    for _ in range(2):
        execute(database, printed.stdout)
    owner = make_dsn(database.dsn, user=roles["owner"])
    migrated = here("migrate", "--dsn", owner, "--runtime-role", roles["runtime"])
    assert (migrated.returncode, migrated.stdout) == (0, "Ran 0001_tables, 0002_live, 0003_splits.\n")
    return {name: As(dsn=database.dsn, role=role) for name, role in roles.items()}


def test_the_owner_migrates_and_the_tasks_do_all_that_a_cycle_does(set_up):
    ledger = Ledger(set_up["runtime"].connect)
    ledger.check()
    all_that_a_cycle_does(ledger)


def test_the_tasks_cannot_migrate(set_up):
    with pytest.raises(LedgerError, match="permission denied"):
        Ledger(set_up["runtime"].connect).migrate()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE retrain.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "CREATE SCHEMA mine",
        "DELETE FROM retrain.promotions",
        "TRUNCATE retrain.outbox",
        "DROP TABLE retrain.claims",
        "DROP SCHEMA retrain CASCADE",
        "ALTER TABLE retrain.verdicts ADD a int",
        "UPDATE retrain.verdicts SET outcome = 'PROMOTE'",
        "UPDATE retrain.promotions SET why = 'another reason'",
        "INSERT INTO retrain.migrations VALUES ('9999_mine')",
        "SELECT * FROM public.rows",
    ],
)
def test_the_tasks_create_delete_and_rewrite_nothing(set_up, statement):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(set_up["runtime"], statement)


def test_the_source_is_read_by_a_role_that_may_read_what_the_spec_names(set_up):
    source = Source(set_up["source"].connect, parse(SPEC, "letters.yaml").source)
    assert source.count_labelled(None, 9) == 5
    assert source.newest_label_age() is not None
    assert len(read(source)) == 5
    assert source.about() == []
    assert source.hides_rows() is False
    assert source.readable(["a", "b", "nothing"]) == {"a"}
    assert str(source.count_plan())
    assert source.holds("label", "no") in (True, False)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT b FROM public.rows",
        "SELECT * FROM public.rows",
        "INSERT INTO public.rows (id) VALUES (99)",
        "UPDATE public.rows SET a = 1",
        "DELETE FROM public.rows",
        "CREATE TABLE public.mine (a int)",
        "SELECT * FROM retrain.outbox",
    ],
)
def test_the_source_role_reads_no_other_column_and_writes_nothing(set_up, statement):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(set_up["source"], statement)


def test_a_spec_that_names_another_column_says_that_it_may_not_be_read(set_up):
    data = SPEC | {"source": SPEC["source"] | {"features": ["a", "b"]}}
    with pytest.raises(SourceMismatchError, match="permission denied"):
        read(Source(set_up["source"].connect, parse(data, "letters.yaml").source))


def test_a_role_that_is_not_there_is_told(database):
    with pytest.raises(LedgerError, match=r"role nobody: is not there; make it \(`retrain migrate --sql` prints how\)"):
        Ledger(database.connect).migrate("nobody")


def test_each_table_has_its_rights():
    tables = {
        name
        for file in MIGRATIONS.glob("*.sql")
        for name in re.findall(r"CREATE TABLE retrain\.(\w+)", file.read_text())
    }
    assert set(rights._RIGHTS) == tables | {"migrations"}
