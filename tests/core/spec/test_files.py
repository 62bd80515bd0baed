"""A folder of specs: every good one is read, and every broken one is reported by name, whatever is wrong with it."""

from contextlib import closing

import numpy as np
import pandas as pd
import pytest

from retrain.errors import SpecError
from retrain.models import training
from retrain.source.table import Source
from retrain.spec import files as spec_files
from retrain.spec.files import load, load_folder
from stack.home import SPECS
from tests.core.source.tables import read

SPEC = """\
model: {model}
source: {{{place}, key: id, label: result, features: [letter]}}
candidates:
  - {{name: linear, estimator: "estimators.text:logistic", params: {{column: letter}}}}
"""


@pytest.fixture
def write(tmp_path):
    """Write a file of the folder; without a text it is a good spec."""

    def write(name, text=None, *, model=None, place="table: letters"):
        file = tmp_path / name
        file.write_text(SPEC.format(model=model or file.stem, place=place) if text is None else text, "utf-8")
        return file

    return write


def refusal(file):
    with pytest.raises(SpecError) as refused:
        load(file)
    return str(refused.value)


# ── one file


def test_a_file_is_read_with_its_path_and_names_its_dag(write):
    file = write("letters.yaml", model="자기소개서")

    loaded = load(str(file))

    assert (loaded.path, loaded.spec.model, loaded.sql) == (file, "자기소개서", None)
    assert loaded.dag_id == "retrain_letters"


def test_faults_of_a_spec_are_reported_with_the_name_of_its_file(write):
    message = refusal(write("letters.yaml", SPEC.format(model="a/b", place="tabel: letters")))

    assert [line.split(" = ")[0] for line in message.splitlines()] == [
        "letters.yaml: model",
        "letters.yaml: source.tabel",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("model: [", "is not YAML: while parsing"),
        ("model: a\n\tsource: b", "is not YAML: "),
        ("model: a\n---\nmodel: b", "is not YAML: "),
        ("model: !!python/object:os.system {}", "is not YAML: could not determine a constructor"),
        ("", "holds NoneType, not fields"),
        ("- model: a", "holds list, not fields"),
        ("model: 2026-02-30", ""),
        ("model: !!int letters", ""),
        ("2026-01-02: letters", ""),
        ("model: &again [*again]", ""),
    ],
)
def test_a_file_without_a_spec_is_one_clear_line_for_each_fault(write, text, fault):
    message = refusal(write("broken.yaml", text))

    assert message.startswith(f"broken.yaml: {fault}")
    assert all(line.startswith("broken.yaml: ") for line in message.splitlines())


def test_a_field_that_is_written_twice_is_refused(write):
    file = write("letters.yaml")
    file.write_text(f"{file.read_text()}gate: {{floor: 0.9}}\ngate: {{min_rows: 50}}\n")

    assert "gate" in refusal(file)


def test_a_file_that_cannot_be_read_is_reported(tmp_path):
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "latin.yaml").write_bytes("model: caf\u00e9".encode("latin-1"))

    assert refusal(tmp_path / "folder.yaml").startswith("folder.yaml: cannot be read: ")
    assert refusal(tmp_path / "latin.yaml").startswith("latin.yaml: cannot be read: 'utf-8' codec")
    assert refusal(tmp_path / "missing.yaml").startswith("missing.yaml: cannot be read: ")


# ── its query


@pytest.mark.parametrize("text", ["SELECT 1", "SELECT 1;", "\n  SELECT 1;\n\n", "SELECT 1;;"])
def test_a_query_is_read_from_beside_the_spec_without_its_semicolon(write, text):
    write("letters.sql", text)

    assert load(write("letters.yaml", place="query: letters.sql")).sql == "SELECT 1"


@pytest.mark.parametrize("text", ["", " \n", ";\n"])
def test_a_query_without_text_is_refused(write, text):
    write("letters.sql", text)

    message = refusal(write("letters.yaml", place="query: letters.sql"))

    assert message == "letters.yaml: source.query = 'letters.sql': is empty; write one SELECT into it"


def test_a_query_that_cannot_be_read_is_refused(write, tmp_path):
    spec = write("letters.yaml", place="query: letters.sql")

    missing = refusal(spec)
    (tmp_path / "letters.sql").write_bytes(b"SELECT '\xe9'")
    not_utf8 = refusal(spec)

    for message in (missing, not_utf8):
        assert message.startswith("letters.yaml: source.query = 'letters.sql': cannot be read (")
        assert message.endswith("); put it beside the spec")


SPLIT = """\
ab:
  effect: 0.1
  exposures: {query: shown.sql}
  primary: {name: hired, outcome: {query: hired.sql}}
  guardrails: [{name: left, margin: 0.1, outcome: {query: hired.sql}}, {name: paid, margin: 1, outcome: {table: pay}}]
"""


def test_the_queries_of_a_split_test_are_read_by_their_names(write):
    write("shown.sql", "SELECT 1;")
    write("hired.sql", "SELECT 2")
    spec = write("letters.yaml")
    write("letters.yaml", spec.read_text() + SPLIT)

    assert load(spec).queries == {"shown.sql": "SELECT 1", "hired.sql": "SELECT 2"}


def test_every_query_of_a_split_test_that_cannot_be_read_is_named_with_its_field(write):
    write("hired.sql", " ")
    spec = write("letters.yaml")
    write("letters.yaml", spec.read_text() + SPLIT)

    faults = refusal(spec).splitlines()

    assert [fault.split(" = ")[0] for fault in faults] == [
        "letters.yaml: ab.exposures.query",
        "letters.yaml: ab.primary.outcome.query",
        "letters.yaml: ab.guardrails.0.outcome.query",
    ]
    assert faults[1].endswith(": is empty; write one SELECT into it")


# ── a folder


def test_every_good_spec_is_read_in_the_order_of_the_names_and_every_broken_one_is_reported(write, tmp_path):
    write("b.yaml")
    write("a.yaml")
    write("broken.yaml", "model: [")
    write("wrong.yaml", place="tabel: letters")
    write("no_query.yaml", place="query: missing.sql")
    write("notes.txt", "model: [")

    found = load_folder(tmp_path)

    assert [file.spec.model for file in found.files] == ["a", "b"]
    assert [fault.split(": ")[0] for fault in found.faults] == ["broken.yaml", "no_query.yaml", "wrong.yaml"]


def test_no_broken_spec_takes_the_others_down(write, tmp_path):
    broken = ["model: 2026-02-30", "2026-01-02: letters", "model: &again [*again]"]
    for number, text in enumerate(broken):
        write(f"broken_{number}.yaml", text)
    write("letters.yaml")

    found = load_folder(tmp_path)

    assert [file.spec.model for file in found.files] == ["letters"]
    assert len(found.faults) == len(broken)


def test_two_specs_for_one_model_are_refused_and_the_first_stays(write, tmp_path):
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        write(name, model="letters")

    found = load_folder(tmp_path)

    assert [file.path.name for file in found.files] == ["a.yaml"]
    assert found.faults == tuple(
        f"{name}: model = 'letters': a.yaml keeps this model already; rename one" for name in ("b.yaml", "c.yaml")
    )


def test_a_folder_without_specs_holds_nothing(tmp_path):
    assert load_folder(tmp_path) == spec_files.SpecFolder((), ())


def test_a_folder_that_is_not_there_is_a_fault(tmp_path):
    missing = tmp_path / "missing"
    remedy = f"{missing}: is not a folder; set RETRAIN_SPECS to the one that holds your specs"
    assert load_folder(missing) == spec_files.SpecFolder((), (remedy,))


def test_the_folder_is_the_one_that_the_variable_names_or_none(monkeypatch, tmp_path):
    monkeypatch.setenv("RETRAIN_SPECS", str(tmp_path))
    assert spec_files.folder() == tmp_path
    for unset in (lambda: monkeypatch.setenv("RETRAIN_SPECS", ""), lambda: monkeypatch.delenv("RETRAIN_SPECS")):
        unset()
        assert spec_files.folder() is None


# ── those that come with Retrain


def test_every_spec_that_comes_with_retrain_is_good():
    shipped = load_folder(SPECS)

    assert shipped.faults == ()
    assert [file.dag_id for file in shipped.files] == [
        "retrain_breast_cancer",
        "retrain_cover_letters",
        "retrain_reviews",
    ]


@pytest.mark.parametrize(
    ("name", "candidate"),
    [
        pytest.param(file.path.name, candidate.name, id=f"{file.path.stem} {candidate.name}")
        for file in load_folder(SPECS).files
        for candidate in file.spec.candidates
    ],
)
def test_every_candidate_that_comes_with_retrain_learns_from_a_few_rows(name, candidate):
    spec = load(SPECS / name).spec
    labels = pd.Series([spec.gate.positive or "positive", "negative"] * 30)
    texts = labels.map({"negative": "지루하고 아쉬운 이야기였다"}).fillna("정말 감동적인 최고의 작품입니다")
    numbers = (labels == "negative") + np.random.default_rng(0).normal(scale=0.1, size=len(labels))
    features = pd.DataFrame(
        {column: texts if len(spec.source.features) == 1 else numbers for column in spec.source.features}
    )

    model = training.fit(training.build(spec.candidate(candidate)), features, labels)

    assert (
        training.scores(spec.gate, spec.task, labels, training.predict(model, features, spec.task))[spec.gate.metric]
        == 1
    )


def test_the_query_that_comes_with_retrain_labels_a_review_by_its_rating(database):
    with closing(database.connect()) as session, session, session.cursor() as cursor:
        cursor.execute("CREATE TABLE reviews (review_id bigint, written_on timestamptz, rating bigint, text text)")
        cursor.executemany(
            "INSERT INTO reviews VALUES (%s, '2026-01-02', %s, %s)",
            [
                (1, 1, "a"),
                (2, 4, "b"),
                (3, 5, "c"),
                (4, 8, "d"),
                (5, 9, "e"),
                (6, 10, "f"),
                (7, 10, None),
                (8, None, "h"),
            ],
        )
    file = load(SPECS / "reviews.yaml")

    rows = read(Source(database.connect, file.spec.source, file.sql)).sort_by("key")

    assert list(zip(rows["text"].to_pylist(), rows["label"].to_pylist(), strict=True)) == [
        ("a", "negative"),
        ("b", "negative"),
        ("e", "positive"),
        ("f", "positive"),
    ]


def test_where_one_dag_is_wanted_only_its_spec_is_read(write, tmp_path):
    write("one.yaml", model="One")
    write("two.yaml", model="Two")
    write("bad.yaml", "{")
    only = load_folder(tmp_path, only="retrain_two")
    assert ([file.dag_id for file in only.files], only.faults) == (["retrain_two"], ())
    assert load_folder(tmp_path, only="retrain-watch") == load_folder(tmp_path, only="retrain_gone")
    assert len(load_folder(tmp_path, only="retrain-watch").files) == 2


def test_the_spec_of_a_model_is_found_by_its_name(write, tmp_path):
    write("one.yaml", model="One")
    write("bad.yaml", "{")
    specs = load_folder(tmp_path)
    assert specs.of_model("One").path.name == "one.yaml"
    with pytest.raises(
        SpecError, match=r"(?s)model = 'Two': no spec has this model; .*: 'One'.*bad\.yaml: is not YAML"
    ):
        specs.of_model("Two")
