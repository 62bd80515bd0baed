"""The whole DAG of a toy model, task by task as Airflow runs it, on a metadata database in SQLite. Cycles that end
well, what the trigger form says, and a task that fails for good: tests/e2e/test_cycle.py.
"""

from collections.abc import Callable

import pytest
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.db import initdb
from airflow.utils.session import create_session

from retrain.tracker.client import ExperimentTracker
from tests.airflow.conftest import DAG_FILE, Model
from tests.inbox import Inbox

Make = Callable[..., Model]


@pytest.fixture(scope="module")
def metadata() -> None:
    initdb()
    DagBundlesManager().sync_bundles_to_db()


@pytest.fixture
def run(metadata: None, tracker: ExperimentTracker) -> Callable[..., DagRun]:
    """Runs the model's DAG to its end; the arguments are what the trigger form says."""

    def run(**form: object) -> DagRun:
        bag = DagBag(DAG_FILE)
        sync_bag_to_db(bag, "dags-folder", None)
        return bag.dags["retrain_toy"].test(run_conf=form)

    return run


Run = Callable[..., DagRun]
LINKS = ("ReportLink", "RunLink")


def _xcom(ti: TaskInstance, key: str) -> str | None:
    """What a task has pushed; of a mapped one its first."""
    found = XComModel.get_many(run_id=ti.run_id, key=key, dag_ids=ti.dag_id, task_ids=ti.task_id)
    with create_session() as session:
        row = session.execute(found.with_only_columns(XComModel.value)).first()
    return None if row is None else str(row.value).strip('"')


def states(run: DagRun) -> dict[str, str]:
    """State of each task; a mapped one under the name that Airflow shows."""
    return {ti.rendered_map_index or ti.task_id: str(ti.state) for ti in run.get_task_instances()}


def test_a_first_cycle_ends_promoted_and_told(model: Make, run: Run, tracker: ExperimentTracker) -> None:
    toy = model()
    toy.feed(1000)
    done = run()
    assert states(done) == {
        "sense": "success",
        "snapshot": "success",
        "check": "success",
        "prepare": "success",
        "half": "success",
        "whole": "success",
        "evaluate": "success",
        "promote": "success",
        "hold": "skipped",
        "notify": "success",
    }
    assert done.state == "success"
    assert tracker.production(toy.name) == "1"
    assert toy.waiting() == []
    links = {(ti.task_id, key): _xcom(ti, f"_link_{key}") for ti in done.get_task_instances() for key in LINKS}
    assert {task for (task, key), address in links.items() if address and key == "RunLink"} == {
        *("check", "train", "evaluate", "promote")
    }
    page = links["evaluate", "RunLink"].rpartition("/")[2]
    assert f"/runs/{page}" in links["evaluate", "ReportLink"]
    assert links["promote", "ReportLink"] == links["evaluate", "ReportLink"]
    assert [each.path for each in tracker.list_artifacts(page, "report")][:1] == ["report/report.html"]


def test_data_that_is_blocked_ends_the_run_and_is_told_once_however_often_it_is_run(
    model: Make, run: Run, tracker: ExperimentTracker, channel: Inbox
) -> None:
    toy = model(channels=[{"webhook": "team"}])
    toy.feed(500)
    with toy.database.connect() as session:
        session.cursor().execute("UPDATE rows SET labelled_at = now() + interval '30 days' WHERE id = 7")
    for form in ({"dry_run": True}, {}):
        done = run(**form)
        assert done.state == "failed"
        assert {name: state for name, state in states(done).items() if state != "upstream_failed"} == {
            "sense": "success",
            "snapshot": "success",
            "check": "failed",
        }
        # Only the cycle's run: nothing was trained.
        runs = tracker.search_runs([tracker.create_experiment(toy.name)])
        assert {each.status for each in runs} == {"FAILED"}
        assert [each.tags["retrain.check.future_labels"] for each in runs] == ["blocked"] * len(runs)
    assert len(runs) == 2
    (headline,) = channel.headlines
    assert headline.startswith(f"{toy.name}: the data is blocked in retrain_toy, run ")
    assert "1 of 500 rows were labelled more than 1d in the future; none may be." in headline
    assert toy.waiting() == []
    assert toy.ledger.last_consumed(toy.name) is None


def test_what_the_verdict_did_not_go_on_to_stays_skipped_when_it_is_cleared(model: Make, run: Run) -> None:
    toy = model()
    toy.feed(1000)
    done = run(dry_run=True, candidates=["whole"])
    with create_session() as session:
        promote = done.get_task_instance("promote", session=session)
        promote.task = SerializedDagModel.get_dag("retrain_toy", session=session).get_task("promote")
        promote.set_state(None, session=session)
        assert not promote.are_dependencies_met(session=session)
        assert promote.state == "skipped"


def test_a_candidate_that_cannot_be_trained_is_red_and_told_and_the_others_are_judged(
    model: Make, run: Run, tracker: ExperimentTracker, channel: Inbox
) -> None:
    half = {"name": "half", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}}
    wild = {"name": "wild", "estimator": "tests.core.wild:wild", "params": {"does": "exit"}}
    toy = model(candidates=[half, wild], channels=[{"webhook": "team"}])
    toy.feed(1000)
    done = run()
    found = states(done)
    assert (found["half"], found["wild"], found["evaluate"], found["promote"]) == (
        *("success", "failed", "success", "success"),
    )
    assert tracker.production(toy.name) == "1"
    told = {post.body["kind"]: str(post.body) for post in channel.posts}
    assert set(told) == {"incident", "verdict", "promotion"}
    assert "candidate 'wild': the process that fits it ended with 3" in told["incident"]
    assert "wild was not trained" in told["verdict"]


def test_where_no_candidate_can_be_trained_there_is_no_verdict(model: Make, run: Run) -> None:
    toy = model(candidates=[{"name": "wild", "estimator": "tests.core.wild:wild", "params": {"does": "exit"}}])
    toy.feed(1000)
    done = run()
    found = states(done)
    assert (found["wild"], found["evaluate"], found["notify"], done.state) == (
        *("failed", "upstream_failed", "upstream_failed", "failed"),
    )


# ── with a search

SEARCHED = {
    "name": "linear",
    "estimator": "tests.core.toys:logistic",
    "params": {"columns": ["a", "b"]},
    "search": {"space": {"c": {"float": [0.01, 100.0], "log": True}}, "trials": 2},
}


def test_a_search_ends_in_what_it_has_found(model: Make, run: Run, tracker: ExperimentTracker) -> None:
    toy = model(candidates=[SEARCHED])
    toy.feed(1000)

    done = states(run())

    assert [done[each] for each in ("search", "linear 0", "linear 1", "choose", "linear", "promote")] == ["success"] * 6
    assert tracker.production(toy.name) == "1"


def test_a_run_without_the_candidate_that_searches_makes_no_trial(
    model: Make, run: Run, tracker: ExperimentTracker
) -> None:
    whole = {"name": "whole", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}}
    toy = model(candidates=[SEARCHED, whole])
    toy.feed(1000)

    done = run(candidates=["whole"])

    assert done.state == "success"
    assert tracker.production(toy.name) == "1"
    experiment = tracker.find_experiment(toy.name)
    assert experiment is not None
    assert not [each for each in tracker.search_runs([experiment]) if "retrain.trial" in each.tags]
