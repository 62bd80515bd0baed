"""Each operator alone: hook in, one verb, record out. With a real PostgreSQL, MLflow server and web hook."""

import json
from base64 import b64encode
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped
from airflow.sdk.execution_time.context import OutletEventAccessors
from mlflow import MlflowClient

from retrain.errors import BlockedDataError, RetrainError, SpecError
from retrain.messages import texts
from retrain.records import Candidate, Incident, Outcome, Promotion, Snapshot, Verdict
from retrain.tracker.client import ExperimentTracker
from retrain_airflow import assets
from retrain_airflow.operators.answer import AnswerOperator
from retrain_airflow.operators.check import RESULTS, CheckDataOperator
from retrain_airflow.operators.evaluate import EvaluateOperator
from retrain_airflow.operators.notify import NotifyOperator
from retrain_airflow.operators.prepare import SHARED, PrepareOperator
from retrain_airflow.operators.promote import PromoteOperator
from retrain_airflow.operators.rollback import RollbackOperator
from retrain_airflow.operators.send_outbox import SendOutboxOperator
from retrain_airflow.operators.snapshot import SnapshotOperator
from retrain_airflow.operators.train import TrainCandidateOperator
from stack.local import Running
from tests.airflow.conftest import Model, Ti, connection_to
from tests.inbox import Inbox

Make = Callable[..., Model]
CONTEXT: dict[str, Any] = {
    "dag": SimpleNamespace(dag_id="retrain_toy"),
    "run_id": "run 1",
    "dag_run": SimpleNamespace(run_type="manual", start_date=None),
}


def snapshot_of(model: Model, **how: Any) -> dict[str, Any]:
    return SnapshotOperator(task_id="snapshot", spec=model.spec, **how).execute(CONTEXT)


def check(model: Model, **how: Any) -> dict[str, str]:
    """Return the result of each check."""
    ti = Ti()
    CheckDataOperator(task_id="check", spec=model.spec, **how).execute({**CONTEXT, "ti": ti})
    results: dict[str, str] = ti.pushed[RESULTS]
    return results


def to_train(model: Model, **how: Any) -> list[str]:
    return CheckDataOperator(task_id="check", spec=model.spec, **how).execute({**CONTEXT, "ti": Ti()})


def prepare(model: Model, candidates: list[str]) -> tuple[list[str], list[list[str]]]:
    """Return the names to train, and of those that share a step."""
    ti, snapshot = Ti(), snapshot_of(model)
    task = PrepareOperator(task_id="prepare", spec=model.spec, snapshot=snapshot, candidates=candidates)
    return task.execute({**CONTEXT, "ti": ti}), ti.pushed[SHARED]


def train(model: Model, **how: Any) -> dict[str, Any]:
    return TrainCandidateOperator(task_id="train", spec=model.spec, **{"candidate": "whole", **how}).execute(CONTEXT)


def evaluate(model: Model, run_type: str = "manual", **how: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the verdict that the task pushes, and the tasks that it skips."""
    with DAG("retrain_toy", schedule=None):
        task = EvaluateOperator(task_id="evaluate", spec=model.spec, **how)
        task >> [EmptyOperator(task_id="promote"), EmptyOperator(task_id="hold")]
    ti = Ti(task=task)
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        task.execute({**CONTEXT, "ti": ti, "dag_run": SimpleNamespace(run_type=run_type)})
    return ti.pushed["return_value"], [task_id for task_id, _ in skipped.value.tasks]


def promote(model: Model, verdict: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the promotion, and the extra of its outlet's event."""
    events = OutletEventAccessors()
    done = PromoteOperator(task_id="promote", spec=model.spec, verdict=verdict).execute(
        {**CONTEXT, "outlet_events": events}
    )
    ((asset, event),) = events.items()
    assert asset == assets.production(model.name)
    return done, event.extra


def notify(model: Model, **how: Any) -> int:
    return NotifyOperator(task_id="notify", spec=model.spec, **how).execute(CONTEXT)


# ── a cycle


def test_each_takes_the_record_before_and_gives_the_next(
    model: Make, mlflow_server: Running, tracker: ExperimentTracker, channel: Inbox
) -> None:
    toy = model(channels=[{"webhook": "team"}])
    toy.feed(1000)
    snapshot = snapshot_of(toy)
    assert Snapshot.from_json(snapshot).rows == 1000
    results = check(toy, snapshot=snapshot, note="autumn")
    assert set(results.values()) == {"passed"}
    candidate = train(toy, snapshot=snapshot, note="autumn")
    assert Candidate.from_json(candidate).name == "whole"
    verdict, skipped = evaluate(toy, snapshot=json.dumps(snapshot), candidates=[candidate])
    assert Verdict.from_json(verdict).outcome is Outcome.PROMOTE
    assert skipped == ["hold"]
    promotion, event = promote(toy, verdict)
    assert event == {"version": "1", "from": None, "verdict": verdict["matchup"]["id"]}
    assert Promotion.from_json(promotion).to_version == "1"
    assert tracker.production(toy.name) == "1"
    assert notify(toy) == 2
    assert [post.body["kind"] for post in channel.posts] == ["verdict", "promotion"]
    # Nothing larger than a record crosses from task to task.
    assert max(len(json.dumps(record)) for record in (snapshot, results, candidate, verdict, promotion)) < 4000
    runs = [MlflowClient(mlflow_server.mlflow_url).get_run(candidate[name]) for name in ("run_id", "parent_run_id")]
    assert [run.data.tags["mlflow.note.content"] for run in runs] == ["autumn", "autumn"]


@pytest.mark.parametrize("dry", [{"judge_only": True}, {"run_type": "backfill"}], ids=["asked for", "a backfill"])
def test_a_dry_run_goes_on_to_hold_and_cannot_be_promoted(
    model: Make, tracker: ExperimentTracker, dry: dict[str, Any]
) -> None:
    toy = model()
    toy.feed(1000)
    snapshot = snapshot_of(toy)
    candidates = [train(toy, snapshot=snapshot)]
    verdict, skipped = evaluate(toy, snapshot=json.dumps(snapshot), candidates=candidates, **dry)
    assert (Verdict.from_json(verdict).outcome, Verdict.from_json(verdict).matchup.dry_run) == (Outcome.PROMOTE, True)
    assert skipped == ["promote"]
    with pytest.raises(RetrainError, match="promotes nothing"):
        promote(toy, verdict)
    assert tracker.production(toy.name) is None


# ── snapshot


def test_fewer_new_rows_than_the_threshold_skip_the_snapshot_and_say_how_many_are_missing(model: Make) -> None:
    toy = model()
    toy.feed(499)
    with pytest.raises(AirflowSkipException, match="499 of 500 new labelled rows are there; 1 are missing"):
        snapshot_of(toy)


def test_as_many_new_rows_as_the_threshold_are_taken(model: Make) -> None:
    toy = model()
    toy.feed(500)
    assert snapshot_of(toy)["new_rows"] == 500


def test_after_the_longest_wait_fewer_rows_are_taken(model: Make) -> None:
    toy = model(threshold={"rows": 500, "max_wait": "7d", "min_rows": 50})
    toy.feed(49)
    with pytest.raises(AirflowSkipException, match="after 7d without a cycle, 50 are enough; 1 are missing"):
        snapshot_of(toy)
    toy.feed(1)
    assert snapshot_of(toy)["new_rows"] == 50


def test_without_the_threshold_any_number_of_rows_is_taken(model: Make) -> None:
    toy = model()
    toy.feed(20)
    assert snapshot_of(toy, ignore_threshold=True)["rows"] == 20


# ── check


def test_what_only_warns_goes_on_and_what_blocks_does_not(model: Make, tracker: ExperimentTracker) -> None:
    toy = model()
    toy.feed(500)
    with toy.database.connect() as session:
        session.cursor().execute("UPDATE rows SET b = 'NaN' WHERE id < 400")
    assert check(toy, snapshot=snapshot_of(toy))["null_share"] == "warned"
    with toy.database.connect() as session:
        session.cursor().execute("UPDATE rows SET labelled_at = now() + interval '2 days' WHERE id < 3")
    with pytest.raises(BlockedDataError, match=r"future_labels: 3 of 500 rows .*; none may be\."):
        check(toy, snapshot=snapshot_of(toy))


# ── train


def test_all_candidates_are_trained_or_those_that_were_ticked(model: Make, tracker: ExperimentTracker) -> None:
    toy = model()
    toy.feed(1000)
    snapshot = snapshot_of(toy)
    assert to_train(toy, snapshot=snapshot) == ["half", "whole"]
    assert to_train(toy, snapshot=snapshot, candidates="whole") == ["whole"]
    with pytest.raises(SpecError, match="no candidate 'third'"):
        to_train(toy, snapshot=snapshot, candidates="whole,third")


def test_a_candidate_that_the_spec_does_not_name_is_refused(model: Make, tracker: ExperimentTracker) -> None:
    toy = model()
    toy.feed(20)
    with pytest.raises(SpecError, match="no candidate 'third'; the spec names half, whole"):
        train(toy, candidate="third", snapshot=snapshot_of(toy, ignore_threshold=True))


# ── notify


def announce(model: Model, *subjects: str) -> None:
    for subject in subjects:
        incident = Incident(model=model.name, what=subject, remedy="Wait.")
        model.ledger.announce(subject, texts.of_incident(incident))


def test_what_waits_is_delivered_oldest_first_and_counted(model: Make, channel: Inbox) -> None:
    toy = model(channels=[{"webhook": "team"}])
    assert notify(toy) == 0
    announce(toy, "one", "two", "three")
    assert notify(toy) == 3
    assert [post.body["key"] for post in channel.posts] == ["one", "two", "three"]
    assert notify(toy) == 0


def test_a_channel_that_is_down_is_not_red_and_the_outbox_sends_again(
    model: Make, channel: Inbox, later: Callable[[str], None]
) -> None:
    toy = model(channels=[{"webhook": "team"}])
    announce(toy, "one", "two")
    channel.status = 503
    assert notify(toy) == 0
    channel.status = 200
    later("1 minute")
    outbox = SendOutboxOperator(task_id="send", specs=str(toy.path.parent))
    assert outbox.execute(CONTEXT) == 2
    assert outbox.execute(CONTEXT) == 0
    assert [post.body["key"] for post in channel.posts] == ["one", "one", "two"]


def test_the_outbox_sends_for_every_spec_that_can_be_read(model: Make, channel: Inbox) -> None:
    toy = model(channels=[{"webhook": "team"}])
    (toy.path.parent / "broken.yaml").write_text("model: [")
    other = toy.path.with_name("other.yaml")
    other.write_text(toy.path.read_text().replace(f"model: {toy.name}", "model: other"))
    for name in (toy.name, "other"):
        announcement = texts.of_incident(Incident(model=name, what="fire", remedy="Run."))
        toy.ledger.announce(name, announcement)
    assert SendOutboxOperator(task_id="send", specs=str(toy.path.parent)).execute(CONTEXT) == 2
    assert {post.body["model"] for post in channel.posts} == {toy.name, "other"}


def test_login_and_password_of_the_connection_go_to_the_web_hook(
    model: Make, channel: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = model(channels=[{"webhook": "guarded"}])
    where = {"conn_type": "http", "host": channel.url, "login": "me", "password": "correct-horse"}
    monkeypatch.setenv("AIRFLOW_CONN_GUARDED", json.dumps(where))
    announce(toy, "one")
    notify(toy)
    assert channel.posts[0].headers["Authorization"] == f"Basic {b64encode(b'me:correct-horse').decode()}"


def test_the_ledger_may_be_behind_another_connection(model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = model(connections={"ledger": "ledger"})
    announce(toy, "one")
    monkeypatch.delenv("AIRFLOW_CONN_RETRAIN_STATE")
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", connection_to(toy.database))
    assert notify(toy) == 1


# ── what candidates have in common


def test_preparing_passes_on_whom_to_train_and_tells_who_shares_a_step(model: Make, tracker: ExperimentTracker) -> None:
    slow = [
        {"name": name, "estimator": "tests.core.slow:pipeline", "params": {"kind": name}}
        for name in ("logistic", "bayes")
    ]
    toy = model(candidates=slow, trust=["tests.core.slow.Slow"])
    toy.feed(600)
    assert prepare(toy, ["logistic", "bayes"]) == (["logistic", "bayes"], [["logistic", "bayes"]])


def test_candidates_that_share_nothing_are_passed_on_as_they_are(model: Make, tracker: ExperimentTracker) -> None:
    toy = model()
    toy.feed(600)
    assert prepare(toy, ["half", "whole"]) == (["half", "whole"], [])


# ── what Airflow fills in


@pytest.mark.parametrize(
    ("operator", "fields"),
    [
        (SnapshotOperator, ("spec", "ignore_threshold")),
        (CheckDataOperator, ("spec", "snapshot", "candidates", "note")),
        (PrepareOperator, ("spec", "snapshot", "candidates")),
        (TrainCandidateOperator, ("spec", "candidate", "snapshot", "note")),
        (EvaluateOperator, ("spec", "snapshot", "candidates", "judge_only", "note", "force")),
        (PromoteOperator, ("spec", "verdict", "force", "by", "approved_by")),
        (AnswerOperator, ("spec", "verdict", "answer", "force")),
        (RollbackOperator, ("spec", "to", "why", "by")),
        (NotifyOperator, ("spec",)),
    ],
)
def test_records_and_answers_of_the_trigger_form_are_filled_in(
    operator: type[BaseOperator], fields: tuple[str, ...]
) -> None:
    assert operator.template_fields == fields
