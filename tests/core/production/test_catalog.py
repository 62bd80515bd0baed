"""A registry like Unity Catalog: names of three parts, no stages, searches by one condition that find no tags."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from mlflow.entities.model_registry.model_version_search import ModelVersionSearch
from mlflow.entities.model_registry.registered_model_search import RegisteredModelSearch
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode

from retrain.errors import ForeignProductionError, RetrainError
from retrain.production.apply import apply
from retrain.production.known import refuse_unknown
from retrain.records import Move
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.registry import _version
from retrain.tracker.rights import missing_rights
from stack.local import Running
from tests.catalog import Catalog
from tests.core.conftest import Make, World
from tests.core.cycle.looking import quick

PERSON = {"by": "kim", "why": "customers complain"}


@pytest.fixture
def catalog(mlflow_server: Running) -> Iterator[ExperimentTracker]:
    with Catalog() as it:
        it.upstream = mlflow_server.ports.mlflow
        yield ExperimentTracker(f"http://127.0.0.1:{it.port}")


@pytest.fixture
def model(world: Make, catalog: ExperimentTracker) -> World:
    name = f"main.ml_학습.letters-{uuid4().hex[:8]}"
    return replace(quick(world, model=name), tracker=catalog)


def test_cycles_promote_and_a_rollback_goes_back_by_the_alias_alone(model: World, catalog: ExperimentTracker) -> None:
    model.feed(1000)
    first = model.promote()
    assert (first.model, first.to_version) == (model.model, "1")
    assert first.applied_at is not None
    model.feed(2000, turn=1.2)
    assert model.promote().applied_at is not None
    assert catalog.production(model.model) == apply(model.model, model.ledger, catalog) == "2"
    row = model.registry.rollback(model.model, expects="2", **PERSON)
    assert (row.kind, row.to_version) == (Move.ROLLBACK, "1")
    assert catalog.production(model.model) == "1"
    assert [each.aliases for each in catalog.list_model_versions(model.model)] == [("production",), ()]
    assert {each.stage for each in catalog.list_model_versions(model.model)} == {"None"}


def test_staging_is_an_alias_and_a_foreign_production_is_seen_by_its_alias(
    model: World, catalog: ExperimentTracker
) -> None:
    model.feed(1000)
    model.judge()
    move = model.registry.transition_model_stage
    assert move(model.model, "1", "Staging", expects=None, **PERSON) is None
    assert catalog.get_model(model.model).staging == "1"
    with pytest.raises(RetrainError, match="this registry has no stages, so version 1 cannot be Archived"):
        move(model.model, "1", "Archived", expects=None, **PERSON)
    catalog.with_aliases("champion", "staging").set_production(model.model, "1")
    with pytest.raises(ForeignProductionError, match=r"version 1 \(stage None, alias champion\)"):
        refuse_unknown(model.model, model.ledger, catalog)


def test_a_version_is_registered_once_for_a_key(model: World, catalog: ExperimentTracker) -> None:
    model.feed(1000)
    _, verdict = model.judge()
    (version,) = catalog.list_model_versions(model.model)
    key = catalog.get_model_version(model.model, "1").tags["retrain.key"]
    uri = f"models:/{version.identity}"
    assert catalog.register_model(verdict.matchup.run_id, model.model, uri, key=key) == "1"
    assert catalog.register_model(verdict.matchup.run_id, model.model, uri, key="ab12") == "2"


def test_models_are_listed(model: World, catalog: ExperimentTracker) -> None:
    model.feed(1000)
    model.promote()
    assert model.model in {each.name for each in catalog.page_of_models(1000).items}


def test_a_login_is_tried_below_the_schema_of_the_models(catalog: ExperimentTracker) -> None:
    assert missing_rights(catalog, user="kim", below="main.ml.") == []
    (missing,) = missing_rights(catalog, user="kim")
    assert str(missing).startswith("cannot register a model: BAD_REQUEST: a name has three parts")


def test_what_a_search_of_unity_catalog_finds_has_methods_for_tags_and_aliases() -> None:
    found = ModelVersionSearch(name="a.b.c", version="3", creation_timestamp=0, current_stage=None)
    made = _version(found, {"3": ("champion",)})
    assert (made.tags, made.aliases, made.stage) == ({}, ("champion",), "None")


def test_a_model_that_a_search_finds_without_its_aliases_is_fetched(tracker: ExperimentTracker) -> None:
    name = f"a.b.{uuid4().hex}"
    tracker._client.create_registered_model(name)
    assert tracker._whole(RegisteredModelSearch(name=name)).aliases == {}


@pytest.mark.parametrize(
    ("says", "code"),
    [
        ("Method 'transition_model_version_stage' is unsupported for models in the Unity Catalog.", "INTERNAL_ERROR"),
        ("Model stages are no longer supported", "INVALID_PARAMETER_VALUE"),
    ],
)
def test_a_registry_that_says_that_it_has_no_stages_has_none(
    tracker: ExperimentTracker, monkeypatch: pytest.MonkeyPatch, says: str, code: str
) -> None:
    def refuse(*_: Any) -> None:
        raise MlflowException(says, error_code=ErrorCode.Value(code))

    monkeypatch.setattr(tracker._client, "transition_model_version_stage", refuse)
    monkeypatch.setattr(tracker._client, "get_model_version", lambda *_: SimpleNamespace(current_stage="None"))
    monkeypatch.setattr(tracker, "_owner", lambda *_: None)
    assert tracker.transition_model_stage("toy", "1", "Archived") is False
