"""The command `retrain` as an engineer runs it."""

import json
import os
import re
import subprocess
import sys
from contextlib import closing

import pytest
from psycopg2.extensions import parse_dsn

from retrain.tracker.client import ExperimentTracker
from stack.home import PROJECT

SPEC = """\
model: {model}
source: {source}
candidates:
  - {{name: linear, estimator: "{estimator}", params: {{column: letter}}}}
"""
GOOD = "estimators.text:logistic"
LETTERS = "{table: letters, key: id, label: result, features: [letter]}"


def retrain(*words, **variables):
    return python("-m", "retrain.cli", *map(str, words), **variables)


def python(*words, **variables):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "RETRAIN_"))}
    return subprocess.run(
        [sys.executable, *words],
        env=inherited | {"PYTHONPATH": "include"} | variables,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def write(tmp_path):
    def write(name, *, model=None, estimator=GOOD, source=LETTERS):
        text = SPEC.format(model=model or name.removesuffix(".yaml"), estimator=estimator, source=source)
        (tmp_path / name).write_text(text)

    return write


# ── check


def test_good_specs_of_the_folder_that_the_variable_names_pass(write, tmp_path):
    write("letters.yaml")
    write("reviews.yaml")

    checked = retrain("check", RETRAIN_SPECS=str(tmp_path))

    assert (checked.returncode, checked.stderr) == (0, "")
    *remarks, last = checked.stdout.splitlines()
    assert last == "2 specs are good: letters.yaml, reviews.yaml"
    for remark, name in zip(remarks, ("letters", "reviews"), strict=True):
        assert remark.startswith(
            f"{name}.yaml: gate: a refit that is exactly as good as Production passes the margin of 0.01 in about 17%"
        )


def test_every_fault_of_every_spec_is_printed(write, tmp_path):
    write("good.yaml")
    write("invalid.yaml", model="a/b", estimator="no function")
    write("missing.yaml", estimator="estimators.text:missing")
    write("twin.yaml", model="good")
    write("unfit.yaml", estimator="estimators.table:logistic")

    checked = retrain("check", tmp_path)

    assert checked.returncode == 1
    assert all("gate: a refit" in line for line in checked.stdout.splitlines())
    faults = checked.stderr
    assert {line.split(": ")[0] for line in faults.splitlines()} == {
        "invalid.yaml",
        "missing.yaml",
        "twin.yaml",
        "unfit.yaml",
    }
    assert "invalid.yaml: model = " in faults
    assert "invalid.yaml: candidates[0].estimator = " in faults
    assert "missing.yaml: candidate 'linear': " in faults
    assert "unfit.yaml: candidate 'linear': params do not fit estimators.table:logistic" in faults


def test_a_folder_without_specs_is_a_fault(tmp_path, here):
    checked = here("check", tmp_path)

    assert (checked.returncode, checked.stdout) == (1, "")
    assert checked.stderr == f"{tmp_path}: holds no *.yaml; write one spec for each model into it\n"


def test_what_check_has_found_is_one_json_document_on_demand(tmp_path, write, here):
    write("good.yaml")
    (tmp_path / "bad.yaml").write_text("model: [")

    checked = here("check", tmp_path, "--json")

    found = json.loads(checked.stdout)
    assert (checked.returncode, checked.stderr, found["specs"]) == (1, "", ["good.yaml"])
    assert [each[:26] for each in found["remarks"]] == ["good.yaml: gate: a refit t"]
    assert [each.partition(": ")[0] for each in found["faults"]] == ["bad.yaml"]


# ── check --source


@pytest.fixture
def letters(database):
    """The table of these specs, without a label time, and the specs that look at it in other ways."""
    with database.connect() as session:
        session.cursor().execute("CREATE TABLE letters (id int PRIMARY KEY, letter text, result text, at timestamptz)")
    return database


def test_the_index_that_the_count_of_new_rows_lacks_is_printed_as_a_statement(letters, write, tmp_path, here):
    write("letters.yaml", source="{table: letters, key: id, label: result, label_time: at, features: [letter]}")
    statement = 'CREATE INDEX CONCURRENTLY ON "letters" ("at") WHERE "result" IS NOT NULL'

    before = here("check", tmp_path, "--source", letters.dsn)
    with closing(letters.connect()) as session:
        session.autocommit = True
        session.cursor().execute(statement)
    after = here("check", tmp_path, "--source", letters.dsn)

    assert (before.returncode, before.stderr, after.returncode, after.stderr) == (0, "", 0, "")
    assert before.stdout.startswith("letters.yaml: new rows are counted by Seq Scan on letters, about ")
    assert f" rows; run {statement}\n" in before.stdout
    assert after.stdout.startswith("letters.yaml: new rows are counted by ")
    assert " using letters_at_idx on letters\n" in after.stdout
    assert after.stdout.endswith("\n1 spec is good: letters.yaml\n")


def test_the_plan_of_a_query_file_is_printed_and_that_its_index_cannot_be_known(letters, write, tmp_path, here):
    write("letters.yaml", source="{query: q.sql, key: id, label: result, label_time: at, features: [letter]}")
    (tmp_path / "q.sql").write_text("SELECT * FROM letters;\n")

    checked = here("check", tmp_path, "--source", letters.dsn)

    assert checked.returncode == 0
    assert "letters.yaml: new rows are counted by Seq Scan on letters, about " in checked.stdout
    assert "; Retrain cannot see which index it needs" in checked.stdout


def test_the_tables_of_a_split_test_are_checked_with_the_source(letters, write, tmp_path, here):
    write("letters.yaml")
    with (tmp_path / "letters.yaml").open("a") as spec:
        spec.write("ab: {effect: 0.1, primary: {name: hired, outcome: {table: letters, unit: id, value: letter}}}\n")

    checked = here("check", tmp_path, "--source", letters.dsn)

    assert checked.returncode == 1
    assert (
        "letters.yaml: metric hired: letters: 'letter' is not a number; cast it in a query file"
        in checked.stderr.splitlines()
    )


def test_how_long_a_split_test_takes_is_said_before_it_begins(letters, write, tmp_path, here):
    write("letters.yaml")
    with (tmp_path / "letters.yaml").open("a") as spec:
        spec.write("ab: {effect: 0.1, primary: {name: hired, outcome: {table: letters, unit: id, at: at}}}\n")
    plan = ("ab", "plan", tmp_path / "letters.yaml", "--source", letters.dsn)

    unknown, said, as_json = (
        here(*plan),
        here(*plan, "--units-a-day", 5000),
        here(*plan, "--units-a-day", 5000, "--json"),
    )

    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "the spec names no table of exposures, so it is not known how many units come" in unknown.stderr
    assert said.stdout.splitlines()[1].startswith("hired: ")
    assert json.loads(as_json.stdout)["needs"][0]["metric"] == "hired"


def test_a_source_that_is_not_as_its_spec_says_is_a_fault_and_the_others_are_printed(letters, write, tmp_path, here):
    write("a.yaml", source="{table: letters, key: idd, label: resul, features: [letter]}")
    write("b.yaml")
    write("c.yaml", source="{table: gone, key: id, label: result, features: [letter]}")

    checked = here("check", tmp_path, "--source", letters.dsn)

    assert checked.returncode == 1
    assert checked.stderr.splitlines()[:2] == [
        "a.yaml: letters: there is no column 'idd'; did you mean 'id'?",
        "a.yaml: letters: there is no column 'resul'; did you mean 'result'?",
    ]
    assert checked.stderr.splitlines()[2].startswith('c.yaml: gone: relation "gone" does not exist')
    assert "b.yaml: new rows are counted by Seq Scan on letters" in checked.stdout


def test_only_the_specs_of_one_connection_are_looked_up_where_it_is_named(letters, write, tmp_path, here):
    write("here.yaml")
    write("there.yaml", source="{connection: other, table: gone, key: id, label: result, features: [letter]}")

    checked = here("check", tmp_path, "--source", letters.dsn, "--connection", "postgres_default")

    assert (checked.returncode, checked.stderr) == (0, "")
    counted = [line for line in checked.stdout.splitlines() if "new rows are counted" in line]
    assert [line.split(":")[0] for line in counted] == ["here.yaml"]


def test_a_source_that_cannot_be_reached_is_one_line_for_each_spec(write, tmp_path, here):
    write("letters.yaml")

    checked = here("check", tmp_path, "--source", "host=127.0.0.1 port=1 password=correct-horse")

    assert checked.returncode == 1
    assert checked.stderr.startswith("letters.yaml: letters: connection to server at ")
    assert checked.stderr.count("\n") == 1
    assert "correct-horse" not in checked.stderr


# ── migrate


def test_migrating_again_changes_nothing_and_either_way_of_naming_the_database_does(database):
    parts = parse_dsn(database.dsn)
    variables = {f"PG{'DATABASE' if name == 'dbname' else name.upper()}": value for name, value in parts.items()}

    first = retrain("migrate", "--dsn", database.dsn)
    again = retrain("migrate", **variables)

    assert (first.returncode, first.stdout, first.stderr) == (
        0,
        "Ran 0001_tables, 0002_live, 0003_splits.\n",
        "",
    )
    assert (again.returncode, again.stdout, again.stderr) == (0, "Nothing to do.\n", "")
    as_json = retrain("migrate", "--json", **variables)
    assert (as_json.returncode, json.loads(as_json.stdout)) == (0, {"ran": []})
    refused = retrain("migrate", "--json", "--sql")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("--json: is not for --sql")


@pytest.mark.parametrize(
    ("dsn", "begins"),
    [("host=127.0.0.1 port=1", "the ledger: "), ("host=/nowhere", "the ledger: "), ("no dsn at all", "--dsn: ")],
)
def test_a_database_that_cannot_be_reached_is_one_clear_line(dsn, begins):
    failed = retrain("migrate", "--dsn", dsn)

    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith(begins)
    assert failed.stderr.count("\n") == 1


def test_migrating_does_not_wait_for_heavy_imports():
    heavy = {"sklearn", "pandas", "pyarrow", "mlflow", "rich"}
    script = (
        "import sys; from retrain.cli.main import main; sys.argv[1:] = ['migrate', '--dsn', 'no dsn']; "
        f"assert main() == 1; print(sorted({heavy} & set(sys.modules)))"
    )

    done = python("-c", script)

    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


# ── report


def test_the_report_of_a_cycle_is_fetched_as_it_was_logged(mlflow_server, tmp_path):
    tracker = ExperimentTracker(mlflow_server.mlflow_url)
    run = tracker.start_run(tracker.create_experiment("cli"), "run 1")
    for name in ("report.html", "report.md", "drift.png"):
        (tmp_path / name).write_text(f"{name}: 보고서")
        tracker.log_artifact(run, tmp_path / name, "report")
    out, home = tmp_path / "a" / "b", {"HOME": str(tmp_path)}

    page = retrain("report", "--run", run, "--out", out, "--mlflow", mlflow_server.mlflow_url, **home)
    assert (page.returncode, page.stdout) == (0, f"Wrote {out}/report.html.\n"), page.stderr
    assert [path.name for path in out.iterdir()] == ["report.html"]
    as_json = retrain("report", "--run", run, "--out", out, "--mlflow", mlflow_server.mlflow_url, "--json", **home)
    assert json.loads(as_json.stdout) == {"run": run, "wrote": f"{out}/report.html"}
    text = retrain(
        *("report", "--run", run, "--markdown", "--out", out), MLFLOW_TRACKING_URI=mlflow_server.mlflow_url, **home
    )
    assert (text.returncode, text.stdout) == (0, f"Wrote {out}/report.md.\n"), text.stderr
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        name: f"{name}: 보고서" for name in ("report.html", "report.md", "drift.png")
    }


def test_a_run_without_a_report_is_one_clear_line_and_no_folder(mlflow_server, tmp_path):
    out = tmp_path / "out"

    failed = retrain("report", "--run", "0" * 32, "--out", out, "--mlflow", mlflow_server.mlflow_url)

    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (1, "", 1)
    assert not out.exists()


# ── every command


def test_an_unknown_command_is_refused_with_those_that_exist():
    refused = retrain("destroy")

    assert refused.returncode == 64
    assert "check" in refused.stderr
    assert "migrate" in refused.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Missing command"),
        (("--fast",), "No such option: --fast"),
        (("check", "--fast"), "No such option: --fast"),
        (("migrate", "now"), "unexpected extra argument"),
        (("ab",), "Missing command"),
        (("ab", "go"), "No such command"),
        (("forget", "--model", "m", "--key", "1", "2", "--snapshots", "file:///x"), "unexpected extra argument"),
        (("forget", "--model", "m", "--key", "1"), "RETRAIN_SNAPSHOTS_URI"),
        (("forget", "--model", "m"), "name what is to be erased"),
        (("report", "--run", "x"), "MLFLOW_TRACKING_URI"),
        (("judge", "a.csv", "b.csv", "--label", "label"), "--metric"),
        (("judge", "a.csv", "b.csv", "--label", "label", "--metric", "f1", "--min-rows", "few"), "--min-rows"),
    ],
)
def test_a_wrong_usage_ends_with_64(here, monkeypatch, words, message):
    for variable in ("RETRAIN_SNAPSHOTS_URI", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)

    refused = here(*words)

    assert (refused.returncode, refused.stdout) == (64, "")
    assert message in refused.stderr


def test_the_help_names_every_command_without_control_characters(here, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")

    shown = here("--help")

    assert (shown.returncode, shown.stderr) == (0, "")
    listed = re.findall(r"^  ([a-z][a-z-]+)  ", shown.stdout, re.MULTILINE)
    assert {"check", "migrate", "production-at"} <= {*listed}
    files = {path.stem.replace("_", "-") for path in (PROJECT / "include" / "retrain" / "cli").glob("*.py")}
    assert {*listed} <= files, "each command has a file of its name"
    assert "\x1b" not in shown.stdout


def test_square_brackets_of_a_value_are_printed_as_they_are(here):
    refused = here("judge", "[x].csv", "[bold]b[/bold].csv", "--label", "[red]", "--metric", "accuracy")

    assert refused.returncode == 64
    assert refused.stderr.startswith("[x].csv: cannot be read: ")


def test_a_shell_completes_the_commands():
    completed = retrain(_RETRAIN_COMPLETE="complete_bash", COMP_WORDS="retrain m", COMP_CWORD="1")

    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "migrate\n", "")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("history le", "letters\n"),
        ("rollback ", "letters\nreviews\n"),
        ("forget --model r", "reviews\n"),
        ("freeze x", "\n"),
    ],
)
def test_a_shell_completes_the_models_of_the_specs(write, tmp_path, line, offered):
    write("letters.yaml")
    write("reviews.yaml")
    write("broken.yaml", source="{")
    words = {"COMP_WORDS": f"retrain {line}", "COMP_CWORD": str(len(line.split(" ")))}

    completed = retrain(_RETRAIN_COMPLETE="complete_bash", RETRAIN_SPECS=str(tmp_path), **words)

    assert (completed.returncode, completed.stdout, completed.stderr) == (0, offered, "")


def test_completion_is_installed_in_the_home_of_who_asks(tmp_path):
    shell = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    shown = retrain("--show-completion", "bash", **shell)
    installed = retrain("--install-completion", "bash", **shell)

    assert (shown.returncode, installed.returncode) == (0, 0), installed.stderr
    assert "_RETRAIN_COMPLETE=complete_bash" in shown.stdout
    assert "_RETRAIN_COMPLETE=complete_bash" in (tmp_path / ".bash_completions" / "retrain.sh").read_text()
