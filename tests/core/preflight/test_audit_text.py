"""An audit as people and programs read it: in a terminal, as JSON, as one page; and the command that prints them."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from retrain.preflight.audit_finding import Audit, AuditedModel, AuditFinding, together
from retrain.preflight.audit_text import to_html, to_text
from tests.core.preflight.conftest import Registry
from tests.core.preflight.others import Others

AT = datetime(2026, 1, 1, 9, tzinfo=UTC)
Here = Callable[..., "subprocess.CompletedProcess[str]"]


def audit_of(*models: AuditedModel) -> Audit:
    return Audit("http://mlflow", AT, ("production",), models)


def model(name: str, *findings: AuditFinding) -> AuditedModel:
    return AuditedModel(name, 12, ("7",), findings)


def gone(name: str, version: str) -> AuditFinding:
    return AuditFinding.of("files_gone", name, version, "there is no file", in_use=False)


LETTERS = model(
    "자기소개서",
    gone("자기소개서", "1"),
    gone("자기소개서", "2"),
    AuditFinding.of("two_in_production", "자기소개서", None, "versions 6 and 7 are in stage Production"),
)


# ── values


def test_findings_that_differ_in_their_version_alone_are_one_line_and_the_worst_comes_first() -> None:
    first, second = together(LETTERS.findings)
    assert (first.finding.kind, first.subject) == ("two_in_production", "model")
    assert (second.finding.kind, second.subject) == ("files_gone", "versions 1, 2")


def test_the_models_with_most_faults_come_first() -> None:
    warned, noted = model("b", gone("b", "1")), model("c", AuditFinding.of("no_production", "c", None, "none"))
    models = [model("a"), noted, warned, LETTERS]
    assert sorted(models, key=lambda each: each.badness) == [LETTERS, warned, noted, models[0]]


# ── terminal


def test_the_text_has_a_block_for_each_model_with_findings_and_a_sum() -> None:
    assert to_text(audit_of(LETTERS, model("well"))).splitlines() == [
        "자기소개서: 12 versions, Production: 7",
        "  fault    model          versions 6 and 7 are in stage Production",
        "                          remedy: decide which one serves, and archive the others; a client that asks for the "
        "stage gets the highest number",
        "  warning  versions 1, 2  there is no file",
        "                          remedy: restore the folder of artifacts from a backup; otherwise put another "
        "version in its place and delete this one",
        "",
        "2 models, 24 versions: 1 fault, 2 warnings, 0 notes",
        "1 model without a finding",
    ]


def test_the_text_of_a_registry_that_is_well_is_one_line() -> None:
    assert to_text(audit_of(model("well"))) == "1 model, 12 versions: 0 faults, 0 warnings, 0 notes"


def test_what_others_wrote_cannot_move_the_cursor() -> None:
    text = to_text(audit_of(model("a\x1b[2J", AuditFinding.of("not_ready", "a", "1", "its status: \x1b]0;x\x07"))))
    assert "\x1b" not in text


# ── page


def test_the_page_holds_everything_and_asks_no_other_host() -> None:
    page = to_html(audit_of(LETTERS, model("well")))
    for each in (
        "자기소개서",
        "versions 6 and 7 are in stage Production",
        "versions 1, 2",
        "well",
        "prefers-color-scheme",
    ):
        assert each in page
    assert not re.search(r"<script|<link|@import|url\(|src=", page)


def test_names_and_messages_are_text_in_the_page() -> None:
    bad = "<script>alert(1)</script>"
    page = to_html(audit_of(model(bad, AuditFinding.of("not_ready", bad, bad, bad))))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_page_of_500_versions_with_a_finding_each_is_small_and_folded() -> None:
    models = [model(f"model-{i}", *(gone(f"model-{i}", str(version)) for version in range(10))) for i in range(50)]
    page = to_html(audit_of(*models))
    assert len(page) < 100_000
    assert page.count("<details>") == 50
    assert page.count("<details open>") == 0
    assert to_html(audit_of(*[LETTERS] * 50)).count("<details open>") == 10


# ── command


def test_the_command_prints_writes_and_ends_with_1_where_there_is_a_fault(
    registry: Registry, others: Others, here: Here, tmp_path: Path
) -> None:
    made, page = others.version(alias="champion"), tmp_path / "audit.html"
    well = here("audit", others.model, "--mlflow", registry.address)
    assert (well.returncode, well.stderr) == (0, "")
    assert well.stdout == "1 model, 1 version: 0 faults, 0 warnings, 0 notes\n"
    shutil.rmtree(made.folder)
    text = here("audit", others.model, "--mlflow", registry.address, "--html", page)
    assert (text.returncode, text.stderr) == (1, "")
    assert text.stdout.endswith(f"Wrote {page}.\n")
    assert others.model in page.read_text()
    found = here("audit", others.model, "--mlflow", registry.address, "--json")
    assert found.returncode == 1
    document = json.loads(found.stdout)
    assert document["faults"] == 1
    assert [(each["kind"], each["version"], each["severity"]) for each in document["findings"]] == [
        ("files_gone", "1", "fault")
    ]
    assert document["models"] == [
        {"name": others.model, "versions": 1, "production": ["1"], "faults": 1, "warnings": 0, "notes": 0}
    ]


def test_a_server_that_does_not_answer_is_one_line(here: Here) -> None:
    failed = here("audit", "--mlflow", "http://127.0.0.1:1")
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (1, "", 1)


def test_a_login_in_the_address_is_refused_and_not_repeated(here: Here) -> None:
    for words in (("--mlflow", "http://kim:secret@x"), ("--mlflow", "http://x", "--registry", "http://kim:secret@x")):
        refused = here("audit", *words)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "MLFLOW_TRACKING_PASSWORD" in refused.stderr
        assert "secret" not in refused.stderr


def test_a_page_that_cannot_be_written_is_one_line(registry: Registry, others: Others, here: Here) -> None:
    failed = here("audit", others.model, "--mlflow", registry.address, "--html", "/nowhere/at/all.html")
    assert failed.returncode == 1
    assert failed.stderr.startswith("--html /nowhere/at/all.html: cannot be written: ")


@pytest.mark.parametrize("words", [("audit",), ("audit", "--fast")])
def test_a_wrong_usage_ends_with_64(here: Here, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert here(*words).returncode == 64
