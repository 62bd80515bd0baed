"""`retrain init` refuses what no model can be made of, with a remedy, and writes all of its files or none."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg2.extensions import make_dsn

from retrain.preflight.init_spec import Decided, spec_text
from tests.conftest import Database
from tests.core.preflight.conftest import ROWS, Run


@pytest.mark.parametrize(
    ("statement", "words", "fault"),
    [
        (
            "ALTER TABLE rows DROP CONSTRAINT rows_pkey",
            (),
            "it has no unique index; name the column that identifies a row: --key id could be it",
        ),
        (
            "ALTER TABLE rows DROP CONSTRAINT rows_pkey; UPDATE rows SET id = id % 9",
            (),
            'run ALTER TABLE "rows" ADD COLUMN row_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY',
        ),
        (
            "ALTER TABLE rows DROP CONSTRAINT rows_pkey; UPDATE rows SET id = id % 9; "
            "ALTER TABLE rows ADD day int; UPDATE rows SET day = n FROM (SELECT ctid AS at, row_number() OVER () AS n "
            "FROM rows) AS x WHERE ctid = at; UPDATE rows SET day = day / 2; DELETE FROM rows WHERE ctid NOT IN "
            "(SELECT min(ctid) FROM rows GROUP BY id, day); ALTER TABLE rows ADD PRIMARY KEY (id, day)",
            (),
            """make a view that has concat_ws('-', "id", "day") AS row_id""",
        ),
        ("UPDATE rows SET label = NULL", (), "rows.label: no row has a label: it is NULL, or empty, in 600 rows"),
        ("UPDATE rows SET label = ' '", (), "rows.label: no row has a label: it is NULL, or empty, in 600 rows"),
        ("UPDATE rows SET label = 'no'", (), "rows.label: has one value in every row with a label, 'no'"),
        ("UPDATE rows SET label = md5(id::text)", (), "rows.label: has 600 different values or more in 600 rows"),
        ("", ("--task", "regression"), "is not a number, so the task cannot be regression"),
        ("", ("--key", "idd"), "--key 'idd': rows has no such column; did you mean 'id'?"),
        ("", ("--key", "a", "--label-time", "b"), "--label-time 'b': is of type double precision, not a time"),
        ("", ("--features", "a,label"), "--features 'label': is the label; leave it out"),
        ("UPDATE rows SET a = 1", ("--key", "a"), "rows.a: has the same value in two of 600 rows, so it is not a key"),
        ("UPDATE rows SET a = 1, b = NULL", (), "has no column that a model should learn from (a: it has one value"),
        ("", ("--model", "a/b"), "--model: model = "),
        ("", ("--into", "nowhere"), "--into nowhere: is not a folder"),
    ],
)  # fmt: skip
def test_what_no_model_can_be_made_of_is_refused_with_its_remedy(
    execute: Callable[[str], None], run: Run, tmp_path: Path, statement: str, words: tuple[str, ...], fault: str
) -> None:
    execute(ROWS + statement)
    refused = run("rows", "label", *words)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert fault in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_table_or_a_label_that_is_not_there_is_refused_with_the_nearest_names(
    execute: Callable[[str], None], run: Run
) -> None:
    execute('CREATE SCHEMA sales; CREATE TABLE sales."Customers" (id int PRIMARY KEY, won bool); ' + ROWS)
    for table, label, fault in (
        ("customer", "won", "customer: there is no such table; did you mean 'sales.Customers'?"),
        ("sales.customers", "won", "sales.customers: there is no such table; did you mean 'sales.Customers'?"),
        ("row", "label", "row: there is no such table; did you mean 'rows'"),
        ("rows", "Label", "--label 'Label': rows has no such column; did you mean 'label'?"),
        ("rows", "zzz", "--label 'zzz': rows has no such column; it has id, a, b, label"),
        ("a.b.c", "x", "--table 'a.b.c': is not a table's name"),
    ):
        refused = run(table, label)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith(fault)


def test_a_role_without_rights_is_told_which(execute: Callable[[str], None], run: Run, database: Database) -> None:
    execute("CREATE SCHEMA hr; " + ROWS + "ALTER TABLE rows SET SCHEMA hr; CREATE ROLE watcher LOGIN")
    try:
        dsn = make_dsn(database.dsn, user="watcher")
        faults = []
        for statement in ("", "GRANT USAGE ON SCHEMA hr TO watcher", "GRANT SELECT (id, a) ON hr.rows TO watcher"):
            if statement:
                execute(statement)
            refused = run("hr.rows", "label", dsn=dsn)
            assert refused.returncode == 1
            faults.append(refused.stderr)
        assert 'permission denied for schema hr; let this role read the table: GRANT USAGE ON SCHEMA "hr"' in faults[0]
        assert 'may not read any of its columns; run GRANT SELECT ON "hr"."rows" TO "watcher"' in faults[1]
        assert 'may not read it; run GRANT SELECT ("label") ON "hr"."rows" TO "watcher"' in faults[2]
        execute("GRANT SELECT (label) ON hr.rows TO watcher")
        done = run("hr.rows", "label", "--json", dsn=dsn)
        assert json.loads(done.stdout)["left_out"] == [{"name": "b", "why": "this role may not read it"}]
    finally:
        execute("DROP OWNED BY watcher; DROP ROLE watcher")


@pytest.mark.parametrize("name", ["rows.yaml", "rows_estimators.py"])
def test_a_file_that_is_there_is_not_written_over_and_the_database_is_not_asked(
    here: Run, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("mine")
    refused = here("init", "--table", "rows", "--label", "x", "--into", tmp_path, "--source", "host=/nowhere")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"{tmp_path}: holds {name} already")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


def test_both_files_are_written_or_none(
    execute: Callable[[str], None], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else writes the spec while the table is looked at."""
    execute(ROWS)

    def meanwhile(decided: Decided, module: str) -> str:
        (tmp_path / "rows.yaml").write_text("theirs")
        return spec_text(decided, module)

    monkeypatch.setattr("retrain.preflight.init.spec_text", meanwhile)
    refused = run()
    assert refused.returncode == 1
    assert "cannot be written into: " in refused.stderr
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("rows.yaml", "theirs")]


def test_a_database_that_cannot_be_reached_is_one_line(run: Run) -> None:
    refused = run(dsn="host=127.0.0.1 port=1 password=correct-horse")
    assert refused.returncode == 1
    assert refused.stderr.startswith("rows: connection to server at ")
    assert "correct-horse" not in refused.stderr


def test_nothing_is_written_to_the_database(execute: Callable[[str], None], run: Run, database: Database) -> None:
    execute(ROWS)
    assert run(dsn=make_dsn(database.dsn, options="-c default_transaction_read_only=on")).returncode == 0
