"""Production is changed over HTTP as by an operator: through the ledger, and only with permission."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from retrain.errors import SourceError
from retrain.production.apply import apply
from retrain.records import Outcome
from retrain.spec.files import SpecFile, SpecFolder
from retrain_airflow.api import cycles
from retrain_airflow.api.access import Permission
from retrain_airflow.api.app import PREFIX
from retrain_airflow.api.backend import Backend
from tests.api.conftest import As, mounted, serving
from tests.core.conftest import Build, Make, World
from tests.faults import by_hand


def _two(world: Make) -> World:
    """A model whose second version has replaced the first."""
    model = world()
    model.feed(1000)
    model.promote()
    model.feed(2000, turn=1.2)
    model.promote()
    return model


@pytest.fixture
def two(cast: Callable[[Build], World]) -> World:
    return cast(_two)


@pytest.fixture
def api(two: World, backend: Backend, as_person: As) -> Iterator[httpx.Client]:
    with _serving(two, backend) as address:
        yield as_person(address=address)


@contextmanager
def _serving(two: World, backend: Backend, source: Any = None) -> Iterator[str]:
    of_two = replace(
        backend,
        ledger_at=lambda _: two.ledger,
        snapshots=lambda _: two.snapshots,
        source=lambda _: source or two.source,
        specs=lambda: SpecFolder((SpecFile(Path("toy.yaml"), two.spec, None),), ("other.yaml: is not YAML",)),
    )
    with serving(mounted(of_two)) as address:
        yield address + PREFIX


def test_a_rollback_is_one_row_in_the_ledger_and_sent_again_gives_that_row(api: httpx.Client, two: World) -> None:
    body = {"expects": "2", "why": "고객 불만"}
    first, second = (api.post(f"/models/{two.model}/rollback", json=body) for _ in range(2))
    assert first.status_code == 200, first.text
    row = first.json()
    assert (row["kind"], row["from_version"], row["to_version"], row["by"], row["why"]) == (
        "rollback",
        "2",
        "1",
        "kim",
        "고객 불만",
    )
    assert second.json() == row
    assert two.tracker.production(two.model) == "1"
    assert [each.kind for each in two.ledger.history(two.model)] == ["forward", "forward", "rollback"]


def test_who_looks_at_an_old_page_changes_nothing(api: httpx.Client, two: World) -> None:
    response = api.post(f"/models/{two.model}/rollback", json={"expects": "1", "why": "x"})
    assert (response.status_code, response.json()["title"]) == (409, "Production has changed")
    assert "version 2 is in Production, not 1" in response.json()["detail"]
    assert two.tracker.production(two.model) == "2"


def test_a_version_is_promoted_and_its_row_told(api: httpx.Client, two: World) -> None:
    body = {"model_name": two.model, "version": "1", "stage": "Production", "expects": "2", "why": "손으로"}
    response = api.post("/models/transition-stage", json=body)
    assert response.status_code == 200, response.text
    assert (response.json()["version"]["stage"], response.json()["promotion"]["to_version"]) == ("Production", "1")
    staged = api.post("/models/transition-stage", json={**body, "version": "2", "stage": "Staging"}).json()
    assert (staged["version"]["stage"], staged["promotion"]) == ("Staging", None)
    assert staged["version"]["tags"]["retrain.stage_why"] == "손으로"


def test_production_is_not_left_empty_and_not_shared(api: httpx.Client, two: World) -> None:
    body = {"model_name": two.model, "version": "2", "stage": "Archived", "why": "x"}
    emptied = api.post("/models/transition-stage", json=body)
    assert emptied.status_code == 422
    assert "put another one there, or roll back" in emptied.json()["detail"]
    shared = {**body, "version": "1", "stage": "Production", "expects": "2", "archive_existing_versions": False}
    assert api.post("/models/transition-stage", json=shared).status_code == 422
    assert two.tracker.production(two.model) == "2"


def test_an_unknown_version_and_an_unknown_model_are_not_found(api: httpx.Client, two: World) -> None:
    body = {"model_name": two.model, "version": "9", "stage": "Production", "expects": "2", "why": "x"}
    assert api.post("/models/transition-stage", json=body).status_code == 404
    assert api.post("/models/none/rollback", json={"expects": "1", "why": "x"}).status_code == 404
    assert api.get("/models/none/history").status_code == 404
    assert api.get("/specs/none").status_code == 404


def test_who_may_promote_but_not_edit_the_models_dag_promotes_nothing(
    two: World, backend: Backend, as_person: As
) -> None:
    with _serving(two, backend) as address:
        other, own = as_person("kim@other", address=address), as_person("lee@retrain_toy", address=address)
        both = as_person("ho@retrain_toy+retrain-rollback", address=address)
        body = {"expects": "2", "why": "x"}
        refused = other.post(f"/models/{two.model}/rollback", json=body)
        assert (refused.status_code, refused.json()["detail"]) == (
            403,
            "kim may not promote what DAG retrain_toy keeps",
        )
        transition = {"model_name": two.model, "version": "1", "stage": "Production", **body}
        assert other.post("/models/transition-stage", json=transition).status_code == 403
        assert other.post(f"/specs/{two.model}/cycles", json={}).status_code == 403
        assert two.tracker.production(two.model) == "2"
        assert (
            other.get(f"/specs/{two.model}").status_code,
            own.get(f"/specs/{two.model}").json()["may_roll_back"],
        ) == (
            403,
            False,
        )
        refused = own.post(f"/models/{two.model}/rollback", json=body)
        assert (refused.status_code, refused.json()["detail"]) == (403, "lee may not start DAG retrain-rollback")
        assert both.get(f"/specs/{two.model}").json()["may_roll_back"] is True
        assert both.post(f"/models/{two.model}/rollback", json=body).status_code == 200


def test_adopting_is_offered_to_who_may_and_only_while_nothing_known_is_in_production(
    two: World, backend: Backend, as_person: As
) -> None:
    def offered() -> list[bool]:
        people = (as_person(name, address=address) for name in ("ho@retrain_toy+retrain-adopt", "lee@retrain_toy"))
        return [each.get(f"/specs/{two.model}").json()["may_adopt"] for each in people]

    with _serving(two, backend) as address:
        assert offered() == [False, False]
        by_hand.register(two.tracker, two.model, stage="Production", aliases=("production",))
        apply(two.model, two.ledger, two.tracker)  # as a cycle or `retrain-watch` does
        assert offered() == [True, False]


def test_to_adopt_starts_the_dag_for_who_may_delete_and_start_it(two: World, backend: Backend, as_person: As) -> None:
    body = {"format": "cloudpickle", "digest": "0" * 12, "why": "it was there before us"}
    with _serving(two, backend) as address:
        path = f"/models/{two.model}/adopt"
        own, both = (as_person(name, address=address) for name in ("lee@retrain_toy", "ho@retrain_toy+retrain-adopt"))
        refused = own.post(path, json=body)
        assert (refused.status_code, refused.json()["detail"]) == (403, "lee may not start DAG retrain-adopt")
        started = both.post(path, json=body)
        assert (started.status_code, started.json()["dag_id"]) == (202, "retrain-adopt"), started.text
        assert both.post(path, json={**body, "digest": "%"}).status_code == 422
        assert both.post(path, json={**body, "python": "old"}).status_code == 422, "no interpreter over HTTP"
        assert both.post("/models/none/adopt", json=body).status_code == 404
    assert two.tracker.production(two.model) == "2", "nothing was loaded or changed here"


def test_the_verdict_behind_a_version_is_told_with_it(api: httpx.Client, two: World) -> None:
    found = api.get(f"/models/{two.model}/versions/2").json()
    assert (found["version"], found["stage"], found["aliases"]) == ("2", "Production", ["production"])
    assert (found["verdict"]["outcome"], found["verdict"]["matchup"]["version"]) == ("PROMOTE", "2")
    assert found["judged_at"] is not None


def test_history_and_versions_come_page_by_page(api: httpx.Client, two: World) -> None:
    for path, key, field in (("history", "promotions", "to_version"), ("versions", "versions", "version")):
        first = api.get(f"/models/{two.model}/{path}", params={"max_results": 1}).json()
        more = {"max_results": 1, "page_token": first["next_page_token"]}
        second = api.get(f"/models/{two.model}/{path}", params=more).json()
        assert [each[field] for each in first[key] + second[key]] == ["1", "2"]
        assert second["next_page_token"] is None
    assert api.get(f"/models/{two.model}").json()["production"] == "2"


def test_the_state_of_a_spec_says_what_waits_and_what_the_last_cycle_found(api: httpx.Client, two: World) -> None:
    two.feed(120)
    state = api.get(f"/specs/{two.model}").json()
    assert (state["production"], state["rows_waiting"], state["rows_needed"], state["enough"]) == ("2", 120, 500, False)
    assert (state["last_cycle"]["outcome"], state["last_cycle"]["version"]) == (Outcome.PROMOTE, "2")
    assert (state["next_run"], state["paused"], state["running"]) == (None, None, [])
    assert (state["promotion"]["seq"], state["were_in_production"], state["freeze"]) == (2, ["1"], None)
    assert state["rows_a_day"] > 0
    assert datetime.fromisoformat(state["expected"]) > datetime.now(UTC)
    assert state["may"] == ["read", "log", "promote", "delete"]
    listed = api.get("/specs/").json()
    assert [each["dag_id"] for each in listed["specs"]] == ["retrain_toy"]
    assert listed["faults"] == ["other.yaml: is not YAML"]


def test_while_the_source_is_down_the_rest_of_a_spec_is_told(two: World, backend: Backend, as_person: As) -> None:
    class Down:
        def count_labelled(self, **_: object) -> int:
            raise SourceError("no route to host")

    with _serving(two, backend, source=Down()) as address:
        state = as_person("lee", Permission.READ, address=address).get(f"/specs/{two.model}").json()
    assert (state["production"], state["rows_waiting"], state["expected"]) == ("2", None, None)
    assert state["says"] == "The source does not answer: it is not known how many rows wait."
    assert state["may"] == ["read"]


def test_the_verdicts_of_a_model_come_page_by_page_with_what_followed(api: httpx.Client, two: World) -> None:
    first = api.get(f"/specs/{two.model}/verdicts", params={"max_results": 1}).json()
    more = {"max_results": 1, "page_token": first["next_page_token"]}
    second = api.get(f"/specs/{two.model}/verdicts", params=more).json()
    found = first["verdicts"] + second["verdicts"]
    assert [each["verdict"]["matchup"]["version"] for each in found] == ["2", "1"]
    assert [each["promotion"]["seq"] for each in found] == [2, 1]
    assert second["next_page_token"] is None
    assert api.get("/specs/none/verdicts").status_code == 404
    assert api.get(f"/specs/{two.model}/verdicts", params={"page_token": "x"}).status_code == 422


def test_a_cycle_is_known_by_its_runs_and_its_verdict(
    api: httpx.Client, two: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (*_, last) = two.ledger.verdicts(two.model, 1)[0]
    run = api.get(f"/specs/{two.model}/verdicts").json()["verdicts"][0]["verdict"]["matchup"]["run_id"]
    dag_run = two.tracker.get_run(run).tags["retrain.dag_run"]
    cycle = api.get(f"/specs/{two.model}/cycles/{dag_run}").json()
    assert run in [each["id"] for each in cycle["runs"]]
    assert datetime.fromisoformat(cycle["judged"]["judged_at"]) == last
    assert cycle["judged"]["promotion"]["to_version"] == "2"
    unknown = api.get(f"/specs/{two.model}/cycles/none").json()
    assert (unknown["runs"], unknown["judged"]) == ([], None)
    assert not cycle["more_runs"]
    monkeypatch.setattr(cycles, "_MOST_RUNS", 1)
    assert api.get(f"/specs/{two.model}/cycles/{dag_run}").json() == cycle | {"more_runs": True}
    assert api.post(f"/specs/{two.model}/cycles/none/approval", json={"approve": True}).status_code == 404


def test_what_production_needs_is_not_deleted(api: httpx.Client, two: World) -> None:
    file = two.ledger.model_file_of_version(two.model, "2")
    assert file is not None
    run = api.get(f"/runs/{file.run_id}").json()
    response = api.delete(f"/runs/{file.run_id}", params={"why": "Platz"})
    assert response.status_code == 422
    assert f"has made a version that {two.model} needs" in response.json()["detail"]
    assert api.delete(f"/{run['experiment_id']}", params={"why": "x"}).status_code == 422
    assert not two.tracker.get_run(str(file.run_id)).deleted


def test_a_version_is_registered_once_for_its_key_and_says_by_whom(api: httpx.Client, two: World) -> None:
    file = two.ledger.model_file_of_version(two.model, "1")
    assert file is not None
    body = {"run_id": file.run_id, "model_name": f"{two.model}-둘", "model_uri": file.uri, "why": "비교"}
    made = [api.post("/models/register", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [each.status_code for each in made] == [201, 201], made[0].text
    assert [each.json()["version"] for each in made] == ["1", "1"]
    assert (made[0].json()["tags"]["retrain.by"], made[0].json()["tags"]["retrain.why"]) == ("kim", "비교")
    several = api.post("/models/register", json={**body, "model_uri": None})
    assert several.status_code == 422
    assert "name the one to register" in several.json()["detail"]
