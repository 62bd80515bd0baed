"""The verb `check`, with a real PostgreSQL and a real MLflow server: what it leaves behind, what it leaves alone."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from retrain.cycle.check import check
from retrain.cycle.evaluate import evaluate
from retrain.errors import BlockedDataError, EstimatorError, NoAnswerError
from retrain.messages import texts
from retrain.records import Snapshot
from retrain.spec.checks import Checks
from retrain.spec.parse import parse
from retrain.spec.source import Split
from retrain.tracker.entities import Run
from tests.core.conftest import Make, World
from tests.core.cycle.looking import quick, read, run_of, uploaded
from tests.core.verdicts import unmeasured
from tests.mailbox import waiting

RESEQUENCE = "UPDATE rows SET id = id + 100000"
POISON = "UPDATE rows SET labelled_at = now() + interval '30 days' WHERE id = 7"


def consume(model: World) -> Snapshot:
    """A cycle's verdict without its training."""
    snapshot = model.take()
    verdict = unmeasured(snapshot, uuid4().hex, model.spec.gate)
    model.ledger.save_verdict(verdict, texts.of_verdict(verdict), of=snapshot)
    return snapshot


def with_checks(model: World, **checks: Any) -> World:
    """The same model as its spec is after somebody has changed the checks."""
    return replace(model, spec=parse({**model.spec.model_dump(mode="json"), "checks": checks}, "toy.yaml"))


def results(run: Run) -> dict[str, str]:
    return {name.removeprefix("retrain.check."): tag for name, tag in run.tags.items() if "retrain.check." in name}


def left_alone(model: World) -> dict[str, Any]:
    """All that a cycle changes when it goes on."""
    experiment = model.tracker.create_experiment(model.model)
    return {
        "consumed": model.ledger.last_consumed(model.model),
        "history": model.ledger.history(model.model),
        "production": model.tracker.production(model.model),
        "versions": model.tracker.list_model_versions(model.model),
        "trained": [run.id for run in model.tracker.search_runs([experiment]) if "retrain.candidate" in run.tags],
    }


# ── what passes


def test_a_first_snapshot_passes_and_its_results_are_on_the_cycles_run(world: Make, tmp_path: Path) -> None:
    model = quick(world)
    model.feed(300)
    cycle, snapshot = model.cycle(), model.take()

    found = check(cycle, snapshot)

    assert [each.name for each in found] == list(Checks.model_fields)
    assert {each.result for each in found} == {"passed"}
    run = run_of(model, cycle, snapshot)
    assert (run.name, run.status) == (cycle.run_id, "RUNNING")
    assert results(run) == {each.name: "passed" for each in found}
    assert run.tags["retrain.drift"] == "nothing is in Production yet"
    assert uploaded(model, run.id, "drift") == []
    written = read(model, run, "checks/checks.json", tmp_path)
    assert (written["snapshot"], written["beside"]) == (snapshot.id, None)
    assert written["checks"] == [{**json.loads(each.model_dump_json()), "result": "passed"} for each in found]
    assert model.headlines() == []


def test_what_fails_and_only_warns_lets_the_cycle_go_on(world: Make, caplog: pytest.LogCaptureFixture) -> None:
    model = quick(world)
    model.feed(600)
    model.execute("UPDATE rows SET a = NULL WHERE id % 3 > 0")
    cycle, snapshot = model.cycle(), model.take()

    check(cycle, snapshot)

    run = run_of(model, cycle, snapshot)
    assert (results(run)["null_share"], run.status) == ("warned", "RUNNING")
    assert "null_share warned: a is empty in 66.7% of 600 rows; at most 50% may be" in caplog.text
    assert model.headlines() == []


def test_training_goes_on_in_the_run_that_the_check_has_made(world: Make) -> None:
    model = quick(world)
    model.feed(600)
    cycle, snapshot = model.cycle(), model.take()
    check(cycle, snapshot)
    run = run_of(model, cycle, snapshot)

    (candidate,) = model.train(cycle, snapshot)
    evaluate(cycle, snapshot, [candidate], dry_run=False)

    assert candidate.parent_run_id == run.id
    assert model.tracker.get_run(run.id).status == "FINISHED"


def test_a_candidate_that_cannot_be_built_ends_the_run_that_the_check_has_made(world: Make) -> None:
    model = world(candidates=[{"name": "gone", "estimator": "tests.core.toys:gone"}])
    model.feed(600)
    cycle, snapshot = model.cycle(), model.take()
    check(cycle, snapshot)

    with pytest.raises(EstimatorError, match="no function gone"):
        model.train(cycle, snapshot)

    assert run_of(model, cycle, snapshot).status == "FAILED"


# ── what is blocked


def test_a_blocked_cycle_leaves_everything_as_it_was_and_is_told_once(world: Make) -> None:
    model = quick(world)
    model.feed(1000)
    model.promote()
    model.headlines()
    model.execute(RESEQUENCE)
    model.feed(600)
    before = left_alone(model)
    cycle, snapshot = model.cycle(), model.take()

    for again in (cycle, model.cycle(cycle.run_id), model.cycle()):
        with pytest.raises(BlockedDataError, match="stands under another key now"):
            check(again, snapshot)
        assert run_of(model, again, snapshot).status == "FAILED"

    assert left_alone(model) == before
    (message,) = waiting(model.ledger, model.model)
    headline, act = message.headline, message.act
    assert headline.startswith(
        f"{model.model}: the data is blocked in {cycle}. resequenced_keys: the content of 1,000 of "
    )
    assert "fallen_rows: 1,000 of the last snapshot's 1,000 rows are gone; at most 50% may be." in headline
    assert "Production stays as it is" in act
    assert "set checks.resequenced_keys.on_fail and checks.fallen_rows.on_fail to warn for one cycle" in act
    assert results(run_of(model, cycle, snapshot))["fallen_rows"] == "blocked"
    assert model.sense().enough


def test_an_announcement_says_where_what_and_how_many_and_the_log_has_five_keys(
    world: Make, caplog: pytest.LogCaptureFixture
) -> None:
    model = quick(world)
    model.feed(600)
    model.execute("UPDATE rows SET labelled_at = now() + interval '30 days' WHERE id % 100 = 7")
    cycle, snapshot = model.cycle(), model.take()
    with pytest.raises(BlockedDataError):
        check(cycle, snapshot)

    (message,) = waiting(model.ledger, model.model)
    facts = message.facts["facts"]
    (result,) = facts.pop("checks")
    assert facts == {
        "snapshot": snapshot.id,
        "dag_id": cycle.dag_id,
        "run_id": cycle.run_id,
        "mlflow_run": run_of(model, cycle, snapshot).id,
    }
    assert (result["name"], result["count"], result["keys"]) == ("future_labels", 6, [])
    (keys,) = re.findall(r"future_labels blocked: .* \(e\.g\. key (.*)\)", caplog.text)
    assert len({*keys.split(", ")} & {"7", "107", "207", "307", "407", "507"}) == 5


def test_rows_that_came_since_are_told_of_again(world: Make) -> None:
    model = quick(world)
    model.feed(600)
    model.execute(POISON)
    for rows in (0, 50):
        model.feed(rows)
        with pytest.raises(BlockedDataError):
            check(model.cycle(), model.take())
    assert len(model.headlines()) == 2


def test_what_the_spec_lets_pass_goes_on_when_the_task_is_cleared(world: Make) -> None:
    model = quick(world)
    model.feed(600)
    model.execute(POISON)
    cycle, snapshot = model.cycle(), model.take()
    with pytest.raises(BlockedDataError):
        check(cycle, snapshot)

    after = with_checks(model, future_labels={"on_fail": "warn"}).cycle(cycle.run_id)
    check(after, snapshot)

    run = run_of(model, cycle, snapshot)
    assert (run.status, results(run)["future_labels"]) == ("RUNNING", "warned")


def test_a_kill_before_the_team_is_told_is_made_up_for_and_one_after_it_tells_nothing_twice(
    world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = quick(world)
    model.feed(600)
    model.execute(POISON)
    cycle, snapshot = model.cycle(), model.take()

    def away(*_: object) -> None:
        raise NoAnswerError("MLflow did not answer")

    for call in ("log_artifact", "set_tags"):
        with monkeypatch.context() as patch:
            patch.setattr(f"retrain.tracker.client.ExperimentTracker.{call}", away)
            with pytest.raises(NoAnswerError):
                check(cycle, snapshot)
    assert model.headlines() == []
    announced = []
    for _ in range(2):
        with pytest.raises(BlockedDataError):
            check(cycle, snapshot)
        announced += model.headlines()
    assert len(announced) == 1


def test_rows_are_compared_with_the_snapshot_that_was_consumed_when_they_were_taken(world: Make) -> None:
    model = quick(world)
    model.feed(600)
    first = consume(model)
    model.feed(600)
    cycle, behind = model.cycle(), model.take()
    check(cycle, behind)
    # Another cycle consumes more rows meanwhile.
    model.feed(600)
    consume(model)

    assert behind.after == first.id
    found = {each.name: each for each in check(cycle, behind)}
    assert "0 of the last snapshot's 600 rows are gone" in found["fallen_rows"].says


def test_another_split_version_does_not_make_every_row_another(world: Make) -> None:
    model = quick(world)
    model.feed(600)
    consume(model)
    model.feed(200)
    model.spec = model.spec.model_copy(update={"split": Split(by="time")})
    snapshot = model.take()
    assert snapshot.split_version == 2

    found = {each.name: each for each in check(model.cycle(), snapshot)}

    assert (found["changed_rows"].count, found["resequenced_keys"].count) == (0, 0)
    assert "0 of the 600 rows that the last snapshot held" in found["changed_rows"].says
