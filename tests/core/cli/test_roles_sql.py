"""What `retrain migrate --sql` prints; tests/core/ledger/test_rights.py runs it."""

import pytest
import yaml

from retrain.text import sql_block, sql_name, sql_text

SPEC = {
    "model": "letters",
    "source": {
        "connection": "warehouse",
        "table": "shop.Letters",
        "key": "id",
        "label": "label",
        "label_time": "at",
        "group": "writer",
        "features": ["텍스트", 'a "b"'],
        "also_read": ["old"],
    },
    "split": {"by": "group"},
    "candidates": [{"name": "one", "estimator": "estimators.text:logistic"}],
}


def test_only_the_columns_that_the_specs_name_are_granted(here, tmp_path, monkeypatch):
    monkeypatch.setenv("RETRAIN_SCHEMA", "team_a")
    (tmp_path / "letters.yaml").write_text(yaml.safe_dump(SPEC))
    query = SPEC | {"model": "other", "source": SPEC["source"] | {"table": None, "query": "rows.sql"}}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(query))
    (tmp_path / "rows.sql").write_text("SELECT 1")

    printed = here("migrate", "--sql", "--source-role", "reader", "--specs", tmp_path)

    assert (printed.returncode, printed.stderr) == (0, "")
    assert (
        'GRANT SELECT ("id", "label", "at", "writer", "텍스트", "a ""b""", "old") ON "shop"."Letters" TO "reader";'
        in printed.stdout
    )
    assert 'GRANT USAGE ON SCHEMA "shop" TO "reader";' in printed.stdout
    assert "-- other.yaml reads the result of rows.sql: grant SELECT on the columns that it names" in printed.stdout
    assert "-- In the database of connection warehouse:" in printed.stdout
    assert 'CREATE SCHEMA IF NOT EXISTS "team_a" AUTHORIZATION "retrain";' in printed.stdout
    assert '--   GRANT SELECT, INSERT ON "team_a"."verdicts" TO "retrain_task";' in printed.stdout


def test_the_columns_that_a_split_test_reads_are_granted_as_well(here, tmp_path):
    split = {
        "effect": 0.1,
        "exposures": {"query": "shown.sql"},
        "primary": {
            "name": "paid",
            "kind": "amount",
            "outcome": {"table": "shop.Pay", "value": "won", "at": "paid_at"},
        },
    }
    (tmp_path / "letters.yaml").write_text(yaml.safe_dump(SPEC | {"ab": split}))
    (tmp_path / "shown.sql").write_text("SELECT 1")

    printed = here("migrate", "--sql", "--source-role", "reader", "--specs", tmp_path).stdout

    assert '-- letters.yaml, ab.primary.outcome\nGRANT USAGE ON SCHEMA "shop" TO "reader";\n' in printed
    assert 'GRANT SELECT ("unit", "paid_at", "won") ON "shop"."Pay" TO "reader";' in printed
    assert "-- letters.yaml, ab.exposures, reads the result of shown.sql: grant SELECT on the columns" in printed


def test_without_a_folder_of_specs_nothing_is_said_about_tables(here, monkeypatch):
    monkeypatch.delenv("RETRAIN_SPECS", raising=False)
    printed = here("migrate", "--sql")
    assert printed.stdout.endswith("(RETRAIN_SPECS, --specs), so nothing is said about your tables.\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--owner-role", "kim"), "--owner-role: is for --sql; the DSN says who migrates"),
        (("--source-role", "kim"), "--source-role: is for --sql; the DSN says who migrates"),
        (("--sql", "--runtime-role", "x" * 64), "--runtime-role: 'xxxxxxx"),
        (
            ("--sql", "--source-role", "a\nb"),
            "--source-role: 'a\\nb' holds what cannot be printed; choose another name",
        ),
    ],
)
def test_what_cannot_be_is_refused(here, words, says):
    refused = here("migrate", *words)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith(says)


def test_a_spec_that_cannot_be_read_is_told_as_its_columns_would_be_missing(here, tmp_path):
    (tmp_path / "broken.yaml").write_text("model: [")
    refused = here("migrate", "--sql", "--specs", tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("broken.yaml: ")


def test_names_and_texts_are_quoted_as_sql_does():
    assert sql_name('a"; DROP ROLE x; --') == '"a""; DROP ROLE x; --"'
    assert sql_text("it's") == "'it''s'"
    assert sql_text("a\\'") == " E'a\\\\'''"
    assert sql_block("'$do$'") == "DO $do_$ BEGIN '$do$' END $do_$"
    with pytest.raises(ValueError, match="is not a name for PostgreSQL"):
        sql_name("한" * 22)
