"""A model file is known by its digest, and belongs to one version."""

import pytest

from retrain.errors import LedgerError
from retrain.messages import texts
from retrain.records import Subset, VersionId
from tests.core.ledger.rows import MODEL, model_file


def test_a_model_file_is_found_as_it_was_saved_first(begun):
    file = model_file(subsets=(Subset.TRAIN, Subset.VALIDATION))
    begun.save_model_file(file)
    begun.save_model_file(model_file(digest="of another file"))

    assert begun.model_file(file.uri) == file


def test_a_model_file_that_we_did_not_log_is_named(begun):
    with pytest.raises(LedgerError, match=r"^models:/m-9: is not in the ledger$"):
        begun.model_file("models:/m-9")


def test_a_version_leads_to_its_file(begun):
    begun.save_model_file(model_file())
    begun.save_version("models:/m-1", "7")
    begun.save_version("models:/m-1", "7")

    assert begun.model_file_of_version(MODEL, "7") == model_file()
    assert begun.model_file_of_version(MODEL, "8") is None
    assert begun.model_file_of_version("other", "7") is None


def test_a_version_of_a_file_that_we_did_not_log_is_refused(begun):
    with pytest.raises(LedgerError, match=r"^models:/m-9: is not in the ledger, so it cannot be version 7$"):
        begun.save_version("models:/m-9", "7")


def test_a_number_that_is_given_anew_leads_to_the_file_that_was_in_production_last(begun):
    for uri in ("models:/m-1", "models:/m-2"):
        begun.save_model_file(model_file(uri))
        begun.save_version(uri, "7")
    assert [file.identity for file in begun.model_files_of_version(MODEL, "7")] == ["m-2", "m-1"]
    assert begun.known_versions(MODEL) == {VersionId("7", "m-1"), VersionId("7", "m-2")}

    with begun.lock_production(MODEL) as production:
        row = production.append(None, VersionId("7", "m-1"), verdict=None, by="kim", why="a test")
        production.close(row, applied=True, announcement=texts.of_promotion)

    assert begun.model_file_of_version(MODEL, "7") == model_file()
    assert begun.model_files_in_use() == [model_file()]
