"""What `retrain audit` finds in the files of versions: gone, changed, unreadable, or to be loaded with care."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

from retrain.preflight import audit as module
from retrain.preflight.audit_finding import Audit
from retrain.preflight.mlmodel import MLmodel
from retrain.tracker.client import ExperimentTracker
from tests.core.preflight.conftest import Registry
from tests.core.preflight.others import LABELS, ROWS, Others
from tests.tap import Tap


def found(audit: Audit) -> list[tuple[str, str, str | None]]:
    return [(str(each.severity), each.kind, each.version) for each in audit.findings]


def whats(audit: Audit) -> list[str]:
    return [each.what for each in audit.findings]


# ── gone


def test_files_that_are_gone_are_a_fault_where_an_alias_points_to_them(registry: Registry, others: Others) -> None:
    for made in (others.version(alias="champion"), others.version(alias="blue"), others.version()):
        shutil.rmtree(made.folder)
    audit = registry.audit(others.model)
    assert found(audit) == [
        ("fault", "files_gone", "1"),
        ("fault", "files_gone", "2"),
        ("warning", "files_gone", "3"),
    ]
    assert whats(audit) == [
        "alias champion points to it, and there is no file",
        "alias blue points to it, and there is no file",
        "there is no file",
    ]


def test_a_file_that_mlmodel_names_and_that_is_gone_is_found(registry: Registry, others: Others) -> None:
    made = others.version(stage="Production")
    (made.folder / "model.skops").unlink()
    audit = registry.audit(others.model)
    assert found(audit) == [("fault", "files_gone", "1")]
    assert whats(audit) == ["model.skops, which its MLmodel names, is not there"]


def test_a_version_whose_logged_model_was_deleted_is_found_though_its_files_are_there(
    registry: Registry, others: Others
) -> None:
    made = others.version(alias="production")
    others.client.delete_logged_model(str(made.model_id))
    audit = registry.audit(others.model)
    assert found(audit) == [("fault", "model_deleted", "1")]
    assert whats(audit) == [f"logged model {made.model_id} was deleted"]


def test_a_version_whose_source_is_a_logged_model_that_was_deleted_has_no_files(
    registry: Registry, others: Others
) -> None:
    made = others.version()
    others.client.create_model_version(
        others.model, f"models:/{made.model_id}", made.run_id, await_creation_for=0, model_id=made.model_id
    )
    others.alias("production", "2")
    assert registry.audit(others.model).findings == ()
    with closing(sqlite3.connect(registry.folder / "mlflow.db")) as database:
        database.execute(
            "UPDATE model_versions SET storage_location = source WHERE name = ? AND version = 2", (others.model,)
        )
        database.commit()
    assert registry.audit(others.model).findings == ()
    others.client.delete_logged_model(str(made.model_id))
    kinds = {(each.version, each.kind) for each in registry.audit(others.model).findings}
    assert {("1", "model_deleted"), ("2", "model_deleted"), ("2", "files_gone")} <= kinds


def test_a_logged_model_that_was_never_finished_is_not_ready(registry: Registry, others: Others) -> None:
    made = others.version(alias="production")
    with closing(sqlite3.connect(registry.folder / "mlflow.db")) as database:
        database.execute("UPDATE logged_models SET status = 1 WHERE model_id = ?", (made.model_id,))
        database.commit()
    audit = registry.audit(others.model)
    assert found(audit) == [("fault", "not_ready", "1")]
    assert whats(audit) == [f"logged model {made.model_id} is PENDING"]


# ── changed


def test_a_model_file_of_another_size_is_found(registry: Registry, others: Others) -> None:
    for made in (others.version(stage="Production"), others.version(), others.old_version()):
        with (made.folder / "model.skops").open("ab") as file:
            file.write(b"more")
    audit = registry.audit(others.model)
    assert found(audit) == [
        ("fault", "files_changed", "1"),
        ("warning", "files_changed", "2"),
        ("warning", "files_changed", "3"),
    ]
    assert "bytes when they were logged, and have" in whats(audit)[0]


def test_the_files_of_another_model_are_found_though_their_size_is_the_same(registry: Registry, others: Others) -> None:
    right, wrong = others.version(stage="Production"), others.version()
    shutil.copy(wrong.folder / "MLmodel", right.folder / "MLmodel")
    audit = registry.audit(others.model)
    assert ("fault", "files_changed", "1") in found(audit)
    assert f"its MLmodel is of model {wrong.model_id}, not of {right.model_id}" in whats(audit)


def test_files_of_mlflow_2_that_their_run_has_not_logged_are_found(registry: Registry, others: Others) -> None:
    made = others.old_version(stage="Production")
    made.edit(lambda about: about.update(model_uuid="f" * 32))
    audit = registry.audit(others.model)
    assert found(audit) == [("fault", "files_changed", "1")]
    assert whats(audit) == [f"its MLmodel is of model {'f' * 32}, which its run has not logged there"]


def test_files_that_were_logged_again_after_the_version_was_registered_are_found(
    registry: Registry, others: Others
) -> None:
    made = others.old_version(stage="Production")
    made.edit(lambda about: about.update(utc_time_created="2099-01-01 00:00:00.000000"))
    audit = registry.audit(others.model)
    assert found(audit) == [("fault", "files_changed", "1")]
    assert whats(audit) == ["its MLmodel was written at 2099-01-01 00:00 UTC, after the version was registered"]


def test_what_retrain_logged_is_held_to_its_digest_where_all_files_are_downloaded(
    registry: Registry, others: Others
) -> None:
    tracker, run_id = ExperimentTracker(registry.address), others.run()
    logged = tracker.log_model(run_id, "model", LogisticRegression().fit(ROWS, LABELS), ROWS, key="ab12")
    tracker.register_model(run_id, others.model, logged.uri)
    others.alias("production", "1")
    assert registry.audit(others.model, download=True).findings == ()
    file = next(registry.artifacts.rglob(f"*{logged.uri.removeprefix('models:/')}*/**/model.skops"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    assert registry.audit(others.model).findings == ()
    assert ("fault", "files_changed", "1") in found(registry.audit(others.model, download=True))


# ── what it says of itself


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no MLmodel among 5 files"),
        (b"a: [", "its MLmodel cannot be read: it is not YAML: "),
        (b"\xff\xfe", "its MLmodel cannot be read: it is not a text in UTF-8"),
        (b"just a text", "its MLmodel cannot be read: it holds no fields"),
        (b"[" * 100_000, "its MLmodel cannot be read: it is nested more than 64 deep"),
        (b"a" * 4_000_001, "its MLmodel has 4,000,001 bytes"),
    ],
)
def test_an_mlmodel_that_cannot_be_read_is_found(
    registry: Registry, others: Others, content: bytes | None, says: str
) -> None:
    made = others.version(alias="production")
    if content is None:
        (made.folder / "MLmodel").rename(made.folder / "mlmodel.txt")
    else:
        (made.folder / "MLmodel").write_bytes(content)
    audit = registry.audit(others.model)
    assert found(audit) == [("fault", "unreadable", "1")]
    assert whats(audit)[0].startswith(says)


def test_an_mlmodel_without_a_flavour_is_found(registry: Registry, others: Others) -> None:
    others.version(alias="production", change=lambda about: about.pop("flavors"))
    assert found(registry.audit(others.model)) == [("fault", "unloadable", "1")]


def test_a_production_without_a_signature_is_found(registry: Registry, others: Others) -> None:
    others.version(stage="Production", change=lambda about: about.pop("signature"))
    others.version(change=lambda about: about.pop("signature"))
    assert found(registry.audit(others.model)) == [("warning", "no_signature", "1")]


@pytest.mark.parametrize("format_", ["pickle", "cloudpickle"])
def test_a_pickle_is_named_as_such(registry: Registry, others: Others, format_: str) -> None:
    others.version(stage="Production", format_=format_)
    others.version(format_=format_)
    audit = registry.audit(others.model)
    assert ("note", "pickle", "1") in found(audit)
    assert "model.pkl can run any code when it is loaded" in whats(audit)
    assert "2" not in {each.version for each in audit.findings}


def test_types_that_a_model_asks_to_trust_are_named(registry: Registry, others: Others) -> None:
    def trust(about: dict) -> None:
        about["flavors"]["sklearn"]["skops_trusted_types"] = ["sklearn.tree._tree.Tree", "acme.net.Layer"]

    others.version(stage="Production", change=trust)
    audit = registry.audit(others.model)
    assert found(audit) == [("note", "foreign_types", "1")]
    assert whats(audit) == ["it asks to trust acme.net.Layer"]


def test_types_in_a_file_of_skops_are_named_where_all_files_are_downloaded(
    registry: Registry, others: Others, tmp_path: Path
) -> None:
    import skops.io

    made, file = others.version(stage="Production"), tmp_path / "model.skops"
    skops.io.dump({"a": Other()}, file)
    made.edit(lambda about: about.pop("model_size_bytes"))
    shutil.copy(file, made.folder / "model.skops")
    assert registry.audit(others.model).findings == ()
    audit = registry.audit(others.model, download=True)
    assert found(audit) == [("note", "foreign_types", "1")]
    assert "Other" in whats(audit)[0]


class Other:
    def __init__(self) -> None:
        self.value = 1


def test_versions_of_libraries_and_of_python_that_are_not_here_are_named(registry: Registry, others: Others) -> None:
    def python(about: dict) -> None:
        about["flavors"]["python_function"]["python_version"] = "3.6.1"

    made = others.version(stage="Production", change=python)
    (made.folder / "requirements.txt").write_text("scikit-learn==0.1\nnowhere-to-be-found==2\nnumpy\n")
    audit = registry.audit(others.model)
    assert found(audit) == [("note", "other_versions", "1")]
    assert "Python 3.6.1 (3." in whats(audit)[0]
    assert "scikit-learn 0.1 (" in whats(audit)[0]
    assert "nowhere-to-be-found 2 (none is here)" in whats(audit)[0]


# ── what cannot be seen


def test_files_in_a_folder_of_another_machine_are_not_taken_for_gone(registry: Registry, others: Others) -> None:
    others.version(alias="production")
    with closing(sqlite3.connect(registry.folder / "mlflow.db")) as database:
        database.execute(
            "UPDATE model_versions SET source = 'file:///nowhere/m', storage_location = 'file:///nowhere/m' "
            "WHERE name = ?",
            (others.model,),
        )
        database.commit()
    audit = registry.audit(others.model)
    assert found(audit) == [("warning", "not_seen", "1")]
    assert whats(audit) == ["its files are in a folder that this machine does not have"]


def test_a_store_whose_library_is_not_here_is_said(registry: Registry, others: Others) -> None:
    others.version(alias="production")
    with closing(sqlite3.connect(registry.folder / "mlflow.db")) as database:
        database.execute(
            "UPDATE model_versions SET source = 'strange://kim:correct-horse@x/m', "
            "storage_location = 'strange://kim:correct-horse@x/m' WHERE name = ?",
            (others.model,),
        )
        database.commit()
    audit = registry.audit(others.model)
    assert found(audit) == [("warning", "not_seen", "1")]
    assert "correct-horse" not in whats(audit)[0]


def test_a_store_that_this_login_may_not_read_is_said(registry: Registry, others: Others) -> None:
    others.version(alias="production")
    with Tap() as tap:
        tap.upstream = int(registry.address.rpartition(":")[2])
        tracker = ExperimentTracker(f"http://127.0.0.1:{tap.port}")
        with tap.refusing("/mlflow-artifacts/"):
            audit = module.audit(tracker, "x", models=[others.model])
    assert found(audit) == [("warning", "not_seen", "1")]


def test_one_version_that_breaks_the_server_does_not_hide_the_others(registry: Registry, others: Others) -> None:
    broken, gone = others.version(), others.version(alias="production")
    (broken.folder / "dangling").symlink_to("/nowhere/at/all")
    shutil.rmtree(gone.folder)
    kinds = {(each.version, each.kind) for each in registry.audit(others.model).findings}
    assert ("2", "files_gone") in kinds
    assert any(version == "1" for version, _ in kinds)


# ── MLmodel


def test_values_of_an_mlmodel_stay_texts_and_names_are_read_from_it() -> None:
    about = MLmodel.read(
        b"run_id: null\nmodel_size_bytes: 12\nutc_time_created: 1:59:59\nflavors:\n  python_function: {data: model, "
        b"code: null, python_version: 3.11.7}\n  sklearn: [1]\nsignature: {inputs: '[]'}\n"
    )
    assert about.size == 12
    assert about.text("run_id") is None
    assert about.text("utc_time_created") == "1:59:59"
    assert [*about.named_files()] == ["model"]
    assert about.python == "3.11.7"
    assert about.has_signature
    assert MLmodel({"model_size_bytes": "9" * 400}).size is None
    assert not MLmodel({"signature": None}).has_signature
