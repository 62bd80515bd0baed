"""Cycles through the real scheduler."""

import re
from collections.abc import Callable
from contextlib import closing, nullcontext, redirect_stdout
from io import StringIO

import psycopg2
import pytest

from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.records import Incident, Outcome, Promotion, Snapshot, Verdict
from retrain.spec.files import SpecFile
from retrain.tracker.client import ExperimentTracker
from stack import demo
from stack.airflow_api import AirflowApi, Task
from stack.local import Running
from tests.e2e.conftest import look_now
from tests.inbox import Inbox

LETTERS, TUMOURS = "retrain_cover_letters", "retrain_breast_cancer"
LETTERS_MODEL = "CoverLetterClassifier"
REFUSED = "retrain-refused-specs"
Follow = Callable[..., list[Task]]


@pytest.fixture(scope="module")
def shown(stack: Running) -> str:
    """The output of `make demo` on this stack; tests/stack/test_demo.py has the start and the end of its own stack.

    The schedule starts its first cycle, and the second has new rows.
    """
    printed = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setattr(demo, "_stack", lambda *_, **__: nullcontext(stack))
        assert demo._sample() == 0, printed.getvalue()
    return printed.getvalue()


@pytest.fixture(scope="module")
def scheduled(api: AirflowApi, shown: str) -> str:
    """The run of the cover letters that the schedule started."""
    return api.runs(LETTERS)[0][0]


def test_the_demo_ends_in_two_promotions(shown: str, tracker: ExperimentTracker) -> None:
    first, second = shown.split("Cycle 1")[1].split("Cycle 2")
    for candidate in ("words", "characters", "bayes"):
        assert f"{candidate} " in first
        assert f"{candidate} " in second
    assert "there is no Production to compare with" in first
    assert re.search("is more than chance|is within the margin", second)  # by which recipe it is
    assert first.strip().splitlines()[-1].split() == ["Production", "version", "1"]
    assert "Production   version 2" in second
    assert "log in as admin with" in second
    assert tracker.production(LETTERS_MODEL) == "2"


def test_the_schedule_finds_the_rows_and_a_model_goes_into_production(
    api: AirflowApi, scheduled: str, ledger: Ledger, tracker: ExperimentTracker
) -> None:
    assert scheduled.startswith("scheduled__")
    assert api.state(LETTERS, scheduled) == "success"
    snapshot = Snapshot.from_json(api.result(LETTERS, scheduled, "snapshot"))
    verdict = Verdict.from_json(api.result(LETTERS, scheduled, "evaluate"))
    promotion = Promotion.from_json(api.result(LETTERS, scheduled, "promote"))
    assert (snapshot.rows, snapshot.new_rows) == (3000, 3000)
    assert verdict.outcome is Outcome.PROMOTE
    assert promotion.verdict == verdict.matchup.id
    assert ledger.verdict(verdict.matchup.id) == verdict
    first, second = ledger.history(LETTERS_MODEL)
    assert first.to_version == promotion.to_version == second.from_version == "1"
    # The demo's second cycle has replaced it.
    assert [tracker.stage(LETTERS_MODEL, version) for version in ("1", "2")] == ["Archived", "Production"]
    tasks = {(task.id, task.map_index): task.state for task in api.tasks(LETTERS, scheduled)}
    assert tasks.pop(("hold", -1)) == "skipped"
    assert set(tasks.values()) == {"success"}
    assert [index for name, index in tasks if name == "train"] == [0, 1, 2]


def test_the_logs_of_a_healthy_cycle_hold_no_warning_and_no_stack_trace(api: AirflowApi, scheduled: str) -> None:
    lines = [
        line
        for task in api.tasks(LETTERS, scheduled)
        if task.state == "success"
        for line in api.log(LETTERS, scheduled, task.id, map_index=task.map_index)
    ]
    assert any("reaches the floor" in str(line) for line in lines)
    assert [line for line in lines if line.get("level") in ("warning", "error", "critical")] == []
    assert [line for line in lines if "error_detail" in line or "Traceback" in str(line)] == []


def test_with_too_few_new_rows_a_run_is_skipped_and_says_how_many_are_missing(
    api: AirflowApi, scheduled: str, follow: Follow
) -> None:
    run = api.trigger(LETTERS)
    assert {task.state for task in follow(LETTERS, run)} == {"skipped"}
    assert "0 of 2,000 new labelled rows are there; 2,000 are missing." in str(api.log(LETTERS, run, "sense"))


@pytest.mark.soak  # one cycle more; airflow/test_cycle.py has the form's fields, without a scheduler
def test_the_trigger_form_is_heeded(
    api: AirflowApi, scheduled: str, follow: Follow, ledger: Ledger, tracker: ExperimentTracker
) -> None:
    before = ledger.last_consumed(LETTERS_MODEL)
    note = "{{ dag.dag_id }} & 낮은 점수의 까닭"
    run = api.trigger(LETTERS, ignore_threshold=True, dry_run=True, candidates=["bayes"], note=note)
    tasks = {(task.id, task.map_index): task.state for task in follow(LETTERS, run)}
    assert {index: state for (task, index), state in tasks.items() if task == "train"} == {0: "success"}
    assert (tasks["promote", -1], tasks["hold", -1]) == ("skipped", "success")
    verdict = Verdict.from_json(api.result(LETTERS, run, "evaluate"))
    assert (verdict.matchup.candidate, verdict.matchup.dry_run, verdict.matchup.version) == ("bayes", True, None)
    assert tracker._client.get_run(verdict.matchup.run_id).data.tags["mlflow.note.content"] == note
    assert ledger.last_consumed(LETTERS_MODEL) == before
    assert len(tracker._client.search_model_versions(f"name = '{LETTERS_MODEL}'")) == 2


@pytest.mark.soak  # two more cycles; core/cycle/test_promote.py forces without a scheduler
def test_a_table_of_numbers_goes_the_same_way_and_a_person_may_force_what_is_held(
    api: AirflowApi, follow: Follow, tracker: ExperimentTracker, ledger: Ledger
) -> None:
    run = api.trigger(TUMOURS)
    follow(TUMOURS, run)
    verdict = Verdict.from_json(api.result(TUMOURS, run, "evaluate"))
    assert verdict.outcome is Outcome.PROMOTE, verdict.reason
    assert tracker.production("BreastCancer") == "1"
    forced = api.trigger(TUMOURS, ignore_threshold=True, force="the figures of {{ 6 * 7 }} patients were wrong")
    follow(TUMOURS, forced)
    verdict = Verdict.from_json(api.result(TUMOURS, forced, "evaluate"))
    assert verdict.outcome is Outcome.HOLD
    assert "the same candidate on the same snapshot" in verdict.reason
    assert tracker.production("BreastCancer") == "2"
    promotion = ledger.history("BreastCancer")[-1]
    assert promotion.why.startswith("forced: the figures of {{ 6 * 7 }} patients were wrong; the verdict was HOLD: ")
    assert promotion.by == f"admin in retrain_breast_cancer, run {forced}"


def test_a_candidate_that_cannot_be_built_fails_at_once_and_the_team_is_told(
    api: AirflowApi, follow: Follow, add_model: Callable[..., SpecFile], inbox: Inbox, ledger: Ledger
) -> None:
    file = add_model("broken", channels=[{"webhook": "team"}])
    run = api.trigger(file.dag_id)
    tasks = {task.id: task for task in follow(file.dag_id, run, "failed")}
    assert (tasks["train"].state, tasks["train"].tries) == ("failed", 1)
    assert {tasks[each].state for each in ("evaluate", "promote", "hold", "notify")} == {"upstream_failed"}
    inbox.wait_for(1)
    messages = [post.body for post in inbox.posts if post.body["model"] == file.spec.model]
    assert {message["kind"] for message in messages} == {"incident"}
    assert f"task train of run {run}" in messages[0]["headline"]
    assert "no model of ['a']" in str(messages)
    assert messages[0]["facts"]["facts"]["log_url"].startswith("http")
    assert ledger.last_consumed(file.spec.model) is None


@pytest.mark.nightly  # waits until Airflow forgets a DAG; airflow/test_build.py has refusals, test_channels.py hooks
def test_a_spec_that_breaks_turns_a_dag_red_and_another_goes_on_and_its_verdicts_reach_a_web_hook(
    api: AirflowApi,
    follow: Follow,
    add_model: Callable[..., SpecFile],
    eventually: Callable[..., None],
    inbox: Inbox,
    tracker: ExperimentTracker,
) -> None:
    good, bad = add_model(channels=[{"webhook": "team"}], threshold={"rows": 1500}), add_model()
    text = bad.path.read_text()
    bad.path.write_text(text.replace("floor: 0.7", "floor: 7"))

    def refusal() -> str:
        listed = api._get("/dags", dag_id_pattern=REFUSED)["dags"]
        return "".join(api._get(f"/dags/{each['dag_id']}/details")["doc_md"] for each in listed)

    def states() -> set[str]:
        return {run["state"] for run in api._get(f"/dags/{REFUSED}/dagRuns")["dag_runs"]}

    eventually(lambda: bad.path.name in refusal(), 120)
    assert f"{bad.path.name}: gate.floor = 7: input should be less than or equal to 1" in refusal()
    eventually(lambda: "failed" in states(), 60)
    # It would keep Airflow from every DAG.
    assert api._get("/importErrors")["import_errors"] == []
    follow(good.dag_id, api.trigger(good.dag_id))
    assert tracker.production(good.spec.model) == "1"
    verdict, promotion = [post.body for post in inbox.posts if post.body["model"] == good.spec.model]
    assert (verdict["kind"], promotion["kind"]) == ("verdict", "promotion")
    assert "PROMOTE whole" in verdict["headline"]
    assert "version 1 is in Production" in promotion["headline"]
    bad.path.write_text(text)
    look_now(api)
    # Airflow keeps a DAG for 50 s after it was last parsed, and looks for such ones once a minute.
    eventually(lambda: refusal() == "", 240)


def test_what_a_channel_did_not_take_is_sent_again_by_the_outbox(
    api: AirflowApi, follow: Follow, add_model: Callable[..., SpecFile], inbox: Inbox, ledger: Ledger, stack: Running
) -> None:
    file = add_model(channels=[{"webhook": "team"}])
    model = file.spec.model
    announcement = texts.of_incident(Incident(model=model, what="the kettle is on fire.", remedy="Pour."))
    inbox.status = 503
    try:
        ledger.announce(f"kettle/{model}", announcement)
        follow("retrain-outbox", api.trigger("retrain-outbox"))
    finally:
        inbox.status = 200
    with closing(psycopg2.connect(stack.dsn("retrain"))) as database, database, database.cursor() as cursor:
        cursor.execute("UPDATE retrain.deliveries SET next_at = now() WHERE key = %s", [f"kettle/{model}"])
    follow("retrain-outbox", api.trigger("retrain-outbox"))
    posts = [post for post in inbox.posts if post.body["model"] == model]
    assert len(posts) > 1
    assert {post.body["headline"] for post in posts} == {f"{model}: the kettle is on fire."}
