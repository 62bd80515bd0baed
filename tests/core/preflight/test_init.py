"""`retrain init`: what it decides, what it leaves out, and what it refuses, on real tables."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from retrain.preflight.source import hold_to_source
from retrain.source.table import Source
from retrain.spec.files import SpecFile, load
from retrain.spec.task import Task
from tests.conftest import Database
from tests.core.preflight.conftest import ROWS, Run


def spec_of(made: dict[str, Any]) -> SpecFile:
    return load(made["files"]["spec"])


def left_out(made: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["why"] for each in made["left_out"]}


# ── what it prints and writes


def test_people_read_what_was_decided_and_the_next_command_works(
    execute: Callable[[str], None], run: Run, here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(ROWS)
    done = run("rows", "label", "--model", "first model")
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {"first_model.yaml", "first_model_estimators.py"}
    said = " ".join(done.stdout.split())
    assert "label label: 2 classes: no 67%, yes 33%" in said
    assert "key id: the primary key" in said
    assert "label time none: there is no column with a time" in said
    assert f"put {tmp_path} on their Python path" in said
    *_, command = done.stdout.splitlines()
    assert command.startswith(f"  PYTHONPATH={tmp_path} retrain check {tmp_path} --source ")
    monkeypatch.syspath_prepend(str(tmp_path))
    checked = here("check", tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_spec_says_why_each_value_is_there_and_no_default(execute: Callable[[str], None], made: Any) -> None:
    execute(ROWS)
    text = spec_of(made()).path.read_text()
    assert "  key: id  # the primary key\n" in text
    assert '  positive: "yes"  # the rarer class, 33.2% of the labelled rows\n' in text
    for default in ("task:", "trust:", "mode:", "alpha", "validation", "connection"):
        assert default not in text


def test_the_password_is_not_printed(execute: Callable[[str], None], run: Run, database: Database) -> None:
    execute(ROWS)
    done = run(dsn=f"{database.dsn} password=correct-horse")
    assert done.returncode == 0
    assert "correct-horse" not in done.stdout
    assert "PGPASSWORD=… PYTHONPATH=" in done.stdout


def test_libpqs_variables_name_the_database(
    execute: Callable[[str], None], here: Run, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(ROWS)
    with closing(database.connect()) as session:
        info = session.info.dsn_parameters
    for name, value in (("PGHOST", info["host"]), ("PGUSER", info["user"]), ("PGDATABASE", info["dbname"])):
        monkeypatch.setenv(name, value)
    done = here("init", "--table", "rows", "--label", "label", "--into", tmp_path)
    assert done.returncode == 0
    assert "--source ''" in done.stdout


def test_the_connection_that_is_named_stands_in_the_spec(execute: Callable[[str], None], made: Any) -> None:
    execute(ROWS)
    assert spec_of(made("rows", "label", "--connection", "warehouse")).spec.source.connection == "warehouse"


# ── what it decides


def test_names_that_yaml_or_sql_must_quote_are_quoted(
    execute: Callable[[str], None], made: Any, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A spec cannot name a table that has a blank: a query file does."""
    execute(
        'CREATE SCHEMA "My Schema"; CREATE TABLE "My Schema"."판매 목록.x" ("User ID" int PRIMARY KEY, "no" float8, '
        '"select" float8, "a: b, #c" float8, "it\'s" float8, "say ""hi""" float8, '
        '"줄\n바꿈" float8, "null" boolean, "예?" text, '
        '"12" int); INSERT INTO "My Schema"."판매 목록.x" '
        "SELECT n, sin(n), cos(n), sin(2 * n), sin(3 * n), sin(4 * n), sin(5 * n), n % 3 = 0, "
        "CASE WHEN sin(n) > 0 THEN '예' ELSE '아니오' END, n % 7 FROM generate_series(1, 600) AS n"
    )
    found = made('"My Schema"."판매 목록.x"', "예?")
    file = spec_of(found)
    assert file.path.name == "판매_목록_x.yaml"
    assert file.spec.model == "판매 목록.x"
    assert file.spec.source.query == "판매_목록_x.sql"
    assert file.spec.source.features == (
        "no", "select", "a: b, #c", "it's", 'say "hi"', "줄\n바꿈", "null", "12",
    )  # fmt: skip
    monkeypatch.syspath_prepend(str(tmp_path))
    source = Source(database.connect, file.spec.source, file.sql)
    assert [each.text for each in hold_to_source(file.spec, source) if each.fault] == []


def test_a_column_that_says_the_label_is_left_out(execute: Callable[[str], None], made: Any) -> None:
    execute(
        ROWS + "ALTER TABLE rows ADD same text, ADD code int, ADD refusal text, ADD near int; "
        "UPDATE rows SET same = label, code = CASE label WHEN 'yes' THEN 7 ELSE 9 END, "
        "refusal = CASE WHEN label = 'no' THEN 'reason ' || id % 3 END, "
        "near = CASE WHEN (label = 'yes') = (id % 50 > 0) THEN 1 ELSE 0 END"
    )
    found = made()
    assert left_out(found) == {
        "same": "it is the label, in 600 rows",
        "code": "it says the label, value for value, in 600 rows",
        "refusal": "each of its 4 values comes with one label only, in 600 rows",
    }
    assert "  # - same: it is the label, in 600 rows\n" in spec_of(found).path.read_text()


def test_a_number_on_another_scale_than_the_label_is_left_out(execute: Callable[[str], None], made: Any) -> None:
    execute(
        ROWS + "ALTER TABLE rows ADD y float8, ADD cents float8; UPDATE rows SET y = exp(a + b); "
        "UPDATE rows SET cents = y * 100 + 3"
    )
    found = made("rows", "y")
    assert found["task"] == Task.REGRESSION
    assert "the label on another scale" in left_out(found)["cents"]


def test_ids_times_and_what_holds_nothing_are_left_out(execute: Callable[[str], None], made: Any) -> None:
    execute(
        ROWS + "ALTER TABLE rows ADD serial_no serial, ADD mail text, ADD born date, ADD same int DEFAULT 3, "
        "ADD extra json DEFAULT '{}', ADD day text, ADD amount text, ADD nothing text, ADD running int, "
        "ADD region_id int, ADD account_id int; "
        "UPDATE rows SET mail = 'a' || id || '@example.org', born = '2000-01-01', "
        "day = date '2026-01-01' + id, amount = id * 1.5, running = 10000 - id, region_id = id % 5, "
        "account_id = id % 200"
    )
    found = made()
    assert [(each["name"], each["use"]) for each in found["features"]] == [
        ("a", "number"), ("b", "number"), ("region_id", "code"),
    ]  # fmt: skip
    assert set(left_out(found)) == {
        "serial_no", "mail", "born", "same", "extra", "day", "amount", "nothing", "running", "account_id",
    }  # fmt: skip
    assert "keep them together: write source.group: account_id" in " ".join(found["notes"])


def test_texts_are_cut_as_their_script_wants(execute: Callable[[str], None], made: Any) -> None:
    execute(
        ROWS + "ALTER TABLE rows ADD english text, ADD korean text, ADD japanese text, ADD plan text; "
        "UPDATE rows SET english = 'a note about ' || md5(id::text), korean = '한국어로 쓴 글 ' || id, "
        "japanese = '日本語で書かれた文章' || id, plan = 'plan ' || id % 3"
    )
    found = made()
    assert {each["name"]: each["use"] for each in found["features"]} == {
        "a": "number", "b": "number", "english": "text", "korean": "text", "japanese": "text", "plan": "category",
    }  # fmt: skip
    text = Path(found["files"]["estimators"]).read_text()
    assert 'TEXTS = {"english": "word", "korean": "char_wb", "japanese": "char"}' in text


def test_the_time_when_a_row_was_made_is_the_label_time_only_where_rows_come_with_their_label(
    execute: Callable[[str], None], made: Any
) -> None:
    execute(ROWS + "ALTER TABLE rows ADD created_at timestamptz DEFAULT now() - interval '1 day'")
    assert made()["label_time"] == "created_at"
    execute("INSERT INTO rows VALUES (1000, 1, 1, NULL)")
    found = made("rows", "label", "--model", "second")
    assert found["label_time"] is None
    assert "nothing says that created_at is when a row was labelled" in found["label_time_why"]
    assert made("rows", "label", "--model", "third", "--label-time", "created_at")["label_time"] == "created_at"


def test_a_label_time_in_the_future_is_not_taken(execute: Callable[[str], None], made: Any, run: Run) -> None:
    execute(ROWS + "ALTER TABLE rows ADD labelled_at timestamptz DEFAULT now() + interval '9 days'")
    assert "it lies in the future in 600 rows of 600" in made()["label_time_why"]
    refused = run("rows", "label", "--model", "other", "--label-time", "labelled_at")
    assert refused.returncode == 1
    assert "cannot be the label time: it lies in the future" in refused.stderr


def test_a_time_without_a_zone_is_one_of_the_databases(
    execute: Callable[[str], None], made: Any, database: Database
) -> None:
    execute(
        ROWS + "ALTER TABLE rows ADD labelled_at timestamp DEFAULT now() - interval '9 days'; "
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''Asia/Seoul''', current_database()); END $$"
    )
    source = spec_of(made()).spec.source
    assert (source.label_time, source.time_zone) == ("labelled_at", "Asia/Seoul")


def test_the_threshold_is_a_week_of_rows(execute: Callable[[str], None], made: Any) -> None:
    execute(
        "CREATE TABLE rows (id int PRIMARY KEY, a float8, label text, labelled_at timestamptz); INSERT INTO rows "
        "SELECT n, sin(n), CASE WHEN random() < 0.5 THEN 'yes' ELSE 'no' END, now() - n * interval '5 min' "
        "FROM generate_series(1, 9000) AS n"
    )
    found = made()
    assert found["threshold_rows"] == 2000
    assert "  rows: 2000  # about a week: lately 288 a day came\n" in spec_of(found).path.read_text()


def test_a_label_of_few_whole_numbers_is_classes_unless_a_person_says_otherwise(
    execute: Callable[[str], None], made: Any
) -> None:
    execute(ROWS + "ALTER TABLE rows ADD stars int; UPDATE rows SET stars = 1 + id % 5")
    assert made("rows", "stars")["task"] == Task.CLASSIFICATION
    found = made("rows", "stars", "--task", "regression", "--model", "other")
    assert (found["task"], found["metric"]) == (Task.REGRESSION, "mae")


def test_only_the_features_that_are_named_are_learnt_from_and_what_speaks_against_one_is_said(
    execute: Callable[[str], None], made: Any
) -> None:
    execute(ROWS + "ALTER TABLE rows ADD same text; UPDATE rows SET same = label")
    found = made("rows", "label", "--features", "b,same")
    assert [each["name"] for each in found["features"]] == ["b", "same"]
    assert found["left_out"] == []
    assert "same is a feature because --features names it, but it is the label, in 600 rows" in found["notes"]


def test_a_view_needs_the_name_of_its_key(execute: Callable[[str], None], made: Any, run: Run) -> None:
    execute(ROWS + "CREATE VIEW seen AS SELECT * FROM rows WHERE id > 100")
    refused = run("seen", "label")
    assert refused.returncode == 1
    assert "seen: has no column that identifies a row, as it is a view; name the column" in refused.stderr
    assert "--key id could be it" in refused.stderr
    assert made("seen", "label", "--key", "id")["key"] == "id"


def test_a_large_table_is_sampled_and_counted(execute: Callable[[str], None], made: Any) -> None:
    """Its rows stand in the order of their labels: the first ten thousand have one class."""
    execute(
        "CREATE TABLE rows (id int PRIMARY KEY, a float8, label boolean); INSERT INTO rows "
        "SELECT n, sin(n), n > 60000 FROM generate_series(1, 80000) AS n; ANALYZE rows"
    )
    found = made()
    assert found["classes"] == [{"label": "false", "rows": 60_000}, {"label": "true", "rows": 20_000}]
    assert found["rows"]["exact"]
    assert 8_000 < found["rows"]["sampled"] < 12_000


def test_a_table_that_is_too_large_to_count_is_estimated(
    execute: Callable[[str], None], made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its first ANALYZE the planner takes nearly every row for a labelled one."""
    monkeypatch.setattr("retrain.source.sample._MOST_COUNTED", 1_000)
    execute(
        "CREATE TABLE rows (id int PRIMARY KEY, a float8, label boolean); INSERT INTO rows "
        "SELECT n, sin(n), CASE WHEN n % 30 = 0 THEN n % 7 = 0 END FROM generate_series(1, 300000) AS n"
    )
    found = made()
    assert not found["rows"]["exact"]
    assert found["rows"]["labelled"] == pytest.approx(10_000, rel=0.2)
    assert found["threshold_rows"] == 1_000
    assert any("are estimates" in each for each in found["notes"])
