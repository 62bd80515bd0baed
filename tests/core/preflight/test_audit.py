"""`retrain audit` on a server whose models others have logged: each kind of finding, and none where all is well."""

import re
import shutil
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from retrain.preflight import audit as module
from retrain.preflight.audit_finding import KINDS, Audit, AuditFinding, Severity
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import RegisteredModel
from stack.home import PROJECT
from tests.catalog import Catalog
from tests.core.conftest import Make
from tests.core.cycle.looking import quick
from tests.core.preflight.conftest import Registry
from tests.core.preflight.others import Others
from tests.tap import Tap


def found(audit: Audit) -> list[tuple[str, str, str | None]]:
    """Return severity, kind and version of each finding."""
    return [(str(each.severity), each.kind, each.version) for each in audit.findings]


def the_only(audit: Audit, kind: str) -> AuditFinding:
    (finding,) = (each for each in audit.findings if each.kind == kind)
    return finding


def what(audit: Audit, kind: str) -> str:
    return the_only(audit, kind).what


# ── nothing wrong


def test_a_registry_that_is_well_has_no_finding(registry: Registry, others: Others) -> None:
    others.version(stage="Archived")
    others.version(stage="Production", alias="champion")
    others.version(stage="Staging", alias="challenger")
    others.version()
    assert registry.audit(others.model).findings == ()


def test_versions_as_mlflow_2_makes_them_are_well_too(registry: Registry, others: Others) -> None:
    others.old_version(stage="Production")
    others.old_version(stage="Staging", path="a/b")
    assert registry.audit(others.model).findings == ()


def test_what_a_cycle_of_retrain_promotes_is_well(world: Make) -> None:
    model = quick(world)
    model.feed(1000)
    model.promote()
    audit = module.audit(model.tracker, "here", models=[model.model], download=True)
    assert audit.findings == ()
    (audited,) = audit.models
    assert (audited.versions, audited.production) == (1, ("1",))


# ── who serves


def test_two_versions_in_production_are_found(registry: Registry, others: Others) -> None:
    others.version(stage="Production")
    others.version(stage="Production")
    audit = registry.audit(others.model)
    assert found(audit) == [("fault", "two_in_production", None)]
    assert what(audit, "two_in_production") == "versions 1 and 2 are in stage Production"
    assert audit.has_faults


@pytest.mark.parametrize("alias", ["production", "Champion", "PROD"])
def test_a_stage_and_an_alias_on_two_versions_are_found(registry: Registry, others: Others, alias: str) -> None:
    others.version(stage="Production")
    others.version(alias=alias)
    audit = registry.audit(others.model)
    assert found(audit) == [("fault", "stage_and_alias_apart", None)]
    expected = f"version 1 is in stage Production, and alias {alias} is on version 2"
    assert what(audit, "stage_and_alias_apart") == expected
    assert audit.models[0].production == ("1", "2")


def test_an_alias_with_another_name_counts_once_it_is_given(registry: Registry, others: Others) -> None:
    others.version(stage="Production")
    others.version(alias="serving")
    assert registry.audit(others.model).findings == ()
    assert found(registry.audit(others.model, aliases=["Serving"])) == [("fault", "stage_and_alias_apart", None)]


def test_two_aliases_of_production_on_two_versions_are_found(registry: Registry, others: Others) -> None:
    others.version(alias="production")
    others.version(alias="champion")
    audit = registry.audit(others.model)
    assert found(audit) == [("fault", "aliases_apart", None)]
    assert what(audit, "aliases_apart") == "alias champion is on version 2 and alias production is on version 1"


def test_an_alias_of_a_deleted_version_is_found(registry: Registry, others: Others) -> None:
    others.version(alias="production")
    # MLflow's own registry deletes the alias with its version; a database that was restored in part does not.
    with closing(sqlite3.connect(registry.folder / "mlflow.db")) as database:
        database.execute(
            "INSERT INTO registered_model_aliases (alias, version, name) VALUES ('blue', 7, ?)", (others.model,)
        )
        database.commit()
    audit = registry.audit(others.model)
    assert found(audit) == [("fault", "alias_of_no_version", "7")]


def test_staging_and_production_of_one_run_are_found(registry: Registry, others: Others) -> None:
    made = others.version(stage="Production")
    others.version(made.run_id, stage="Staging")
    audit = registry.audit(others.model)
    assert found(audit) == [("warning", "same_run", None)]
    assert not audit.has_faults


def test_a_model_without_production_is_a_note(registry: Registry, others: Others) -> None:
    assert found(registry.audit(others.model)) == [("note", "no_production", None)]
    others.version(stage="Staging")
    assert found(registry.audit(others.model)) == [("note", "no_production", None)]


@pytest.mark.parametrize("status", ["PENDING_REGISTRATION", "FAILED_REGISTRATION"])
def test_a_version_that_is_not_ready_is_found(registry: Registry, others: Others, status: str) -> None:
    others.version(alias="production")
    others.version()
    with closing(sqlite3.connect(registry.folder / "mlflow.db")) as database:
        database.execute(
            "UPDATE model_versions SET status = ?, status_message = 'no room' WHERE name = ?", (status, others.model)
        )
        database.commit()
    audit = registry.audit(others.model)
    assert found(audit) == [("fault", "not_ready", "1"), ("warning", "not_ready", "2")]
    assert audit.findings[0].what == f"its registration is {status}: no room"


# ── runs


def test_a_version_without_a_run_is_found(registry: Registry, others: Others) -> None:
    made = others.old_version(alias="production")
    others.old_version()
    with closing(sqlite3.connect(registry.folder / "mlflow.db")) as database:
        for version, run_id in ((1, "0" * 32), (2, None)):
            database.execute(
                "UPDATE model_versions SET run_id = ? WHERE name = ? AND version = ?", (run_id, others.model, version)
            )
        database.commit()
    audit = registry.audit(others.model)
    unknown = [each for each in audit.findings if each.kind == "run_unknown"]
    assert [(each.version, each.what) for each in unknown] == [
        ("1", f"run {'0' * 32} is not there"),
        ("2", "no run is named"),
    ]
    assert what(audit, "other_run") == (f"the registry names run {'0' * 32}, its MLmodel names run {made.run_id}")


def test_a_version_whose_run_is_deleted_is_found(registry: Registry, others: Others) -> None:
    made = others.version(alias="production")
    others.client.delete_run(made.run_id)
    assert found(registry.audit(others.model)) == [("warning", "run_deleted", "1")]


@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_a_version_whose_run_has_failed_is_found(registry: Registry, others: Others, status: str) -> None:
    others.version(alias="production", status=status)
    others.version(status=status)
    expected = [("fault", "run_failed", "1"), ("warning", "run_failed", "2")]
    assert found(registry.audit(others.model)) == expected


def test_a_version_whose_run_has_not_ended_is_found(registry: Registry, others: Others) -> None:
    others.version(alias="production", status="RUNNING")
    others.version(status="RUNNING")
    expected = [("warning", "run_unfinished", "1"), ("note", "run_unfinished", "2")]
    assert found(registry.audit(others.model)) == expected


def test_a_version_whose_logged_model_is_of_another_run_is_found(registry: Registry, others: Others) -> None:
    made, run_id = others.version(), others.run()
    source = others.client.get_model_version(others.model, "1").source
    others.client.create_model_version(others.model, source, run_id, await_creation_for=0, model_id=made.model_id)
    others.alias("production", "1")
    audit = registry.audit(others.model)
    assert found(audit) == [("warning", "other_run", "2")]
    assert what(audit, "other_run") == (f"the registry names run {run_id}, its logged model names run {made.run_id}")


# ── the audit itself


def test_a_model_that_is_not_there_is_a_finding(registry: Registry, others: Others) -> None:
    others.version(alias="production")
    audit = registry.audit("nowhere", others.model)
    assert found(audit) == [("fault", "not_audited", None)]
    assert [model.name for model in audit.models] == ["nowhere", others.model]


def test_a_model_that_the_server_refuses_does_not_end_the_audit(registry: Registry) -> None:
    well, refused = registry.others(), registry.others()
    for each in (well, refused):
        each.version(alias="production")
    with Tap() as tap:
        tap.upstream = int(registry.address.rpartition(":")[2])
        tracker = ExperimentTracker(f"http://127.0.0.1:{tap.port}")
        with tap.refusing(f"name={refused.model}", f"%27{refused.model}%27"):
            audit = module.audit(tracker, "x", models=[well.model, refused.model])
    assert [(each.model, each.kind) for each in audit.findings] == [(refused.model, "not_audited")]


def test_a_run_that_this_login_may_not_see_is_not_taken_for_a_missing_one(registry: Registry, others: Others) -> None:
    others.version(alias="production")
    with Tap() as tap:
        tap.upstream = int(registry.address.rpartition(":")[2])
        tracker = ExperimentTracker(f"http://127.0.0.1:{tap.port}")
        with tap.refusing("/runs/get"):
            audit = module.audit(tracker, "x", models=[others.model])
    assert found(audit) == [("warning", "not_seen", "1")]


def test_a_server_that_falls_silent_is_not_asked_for_ever(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONG", -1.0)  # every call without an answer counts, however short
    many = [registry.others() for _ in range(8)]
    with Tap() as tap:
        tap.upstream = int(registry.address.rpartition(":")[2])
        tracker, asked = ExperimentTracker(f"http://127.0.0.1:{tap.port}"), list[str]()
        tracker.check()
        monkeypatch.setattr(tracker, "check", lambda: None)
        get_model = tracker.get_model

        def get(name: str) -> RegisteredModel:
            asked.append(name)
            return get_model(name)

        monkeypatch.setattr(tracker, "get_model", get)
        tap.upstream = 1  # nobody listens there
        audit = module.audit(tracker, "x", models=[each.model for each in many], at_once=1)
    assert len(asked) == 5
    assert {each.kind for each in audit.findings} == {"not_audited"}
    whats = [each.what for each in audit.findings]
    assert sum(each.startswith("MLflow gave no answer: ") for each in whats) == 5
    assert sum("there was no answer 5 times in a row" in each for each in whats) == 3


def test_a_registry_without_stages_and_with_names_of_three_parts_is_audited(registry: Registry) -> None:
    others = registry.others("main.ml_학습.letters")
    others.version(stage="Production")  # which this registry hides
    others.version(alias="champion")
    with Catalog() as catalog:
        catalog.upstream = int(registry.address.rpartition(":")[2])
        tracker = ExperimentTracker(f"http://127.0.0.1:{catalog.port}")
        audit = module.audit(tracker, "x", models=[others.model])
        every = module.audit(tracker, "x")
    assert audit.findings == ()
    assert audit.models[0].production == ("2",)
    assert others.model in {model.name for model in every.models}


def test_models_are_found_page_by_page(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MODELS_AT_ONCE", 2)
    names = {registry.others().model for _ in range(5)}
    assert names <= {model.name for model in registry.audit().models}


def test_an_audit_changes_nothing_and_sends_only_what_reads(registry: Registry, others: Others) -> None:
    shutil.rmtree(others.version(alias="production").folder)
    others.version(stage="Production", format_="cloudpickle", status="FAILED")
    with Listening() as tap:
        tap.upstream = int(registry.address.rpartition(":")[2])
        before = _content(registry)
        audit = module.audit(ExperimentTracker(f"http://127.0.0.1:{tap.port}"), "x", download=True)
        assert _content(registry) == before
    assert audit.has_faults
    assert {method for method, _ in tap.heard} == {"GET", "POST"}
    assert {path for method, path in tap.heard if method == "POST"} == {
        "/api/2.0/mlflow/runs/search",
        "/api/2.0/mlflow/logged-models/search",
    }


class Listening(Tap):
    def __init__(self) -> None:
        super().__init__()
        self.heard: set[tuple[str, str]] = set()

    def refusal(self, request: Any, body: bytes) -> bytes | None:
        self.heard.add((request.command, request.path.partition("?")[0]))
        return None


def _content(registry: Registry) -> tuple[list[str], dict[str, bytes]]:
    """Return all that the server stores: every row of its database, and every file."""
    with closing(sqlite3.connect(registry.folder / "mlflow.db")) as database:
        rows = [*database.iterdump()]
    files = sorted(path for path in registry.artifacts.rglob("*") if path.is_file())
    return rows, {str(path): path.read_bytes() for path in files}


def test_the_page_of_the_manual_lists_every_kind() -> None:
    page = (PROJECT / "docs" / "audit.md").read_text(encoding="utf-8")
    assert _table() in page, f"docs/audit.md needs this table:\n{_table()}"
    assert all(re.fullmatch("[a-z_]+", name) for name in KINDS)


def _table() -> str:
    rows = []
    for kind in KINDS.values():
        severity = f"{kind.severity}, {kind.elsewhere}" if kind.elsewhere else str(kind.severity)
        rows.append(f"| `{kind.name}` | {severity} | {kind.means} | {kind.remedy} |")
    return "\n".join(["| kind | severity | what | remedy |", "|---|---|---|---|", *rows])


def test_severities_go_from_bad_to_good() -> None:
    assert [each.rank for each in (Severity.FAULT, Severity.WARNING, Severity.NOTE)] == [0, 1, 2]
