"""The report on a cycle's run: there before the verdict is, and renewed by what follows from it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from retrain.cycle import report
from retrain.cycle.check import check
from retrain.cycle.context import Cycle
from retrain.cycle.evaluate import evaluate
from retrain.cycle.promote import promote
from retrain.cycle.runs import made_of_cycle
from retrain.errors import NoAnswerError
from retrain.live.observe import observe
from retrain.live.predict import Predicting
from retrain.messages import texts
from retrain.records import Outcome, Verdict
from retrain.spec.operation import Approval, Mode
from retrain.tracker.client import ExperimentTracker
from tests.core.conftest import Cast, Make, World
from tests.core.cycle.looking import quick
from tests.core.live.conftest import in_production_for_weeks, labelled, observing, week
from tests.faults.test_b_cycle import changed
from tests.mailbox import waiting

FILES = ["report/drift.png", "report/report.html", "report/report.md", "report/verdict.png"]
API = "http://airflow.example.org/api/experiments"


@pytest.fixture
def no_report() -> None:
    """Here there is one."""


def cycle_of(model: World) -> Cycle:
    return replace(model.cycle(), api=API, rollback=("retrain-rollback", None))


def judge(model: World, **how: Any) -> tuple[Cycle, Verdict]:
    """A cycle in Airflow, its check included, up to its verdict."""
    cycle, snapshot = cycle_of(model), model.take()
    check(cycle, snapshot)
    return cycle, evaluate(cycle, snapshot, model.train(cycle, snapshot), **{"dry_run": False, **how})


def files(model: World, cycle: Cycle, verdict: Verdict) -> list[str]:
    run_id = made_of_cycle(cycle, verdict.matchup.snapshot)
    assert run_id is not None
    return [each.path for each in model.tracker.list_artifacts(run_id, "report")]


def text_of(model: World, cycle: Cycle, verdict: Verdict, folder: Path, name: str = "report.md") -> str:
    run_id = made_of_cycle(cycle, verdict.matchup.snapshot)
    assert run_id is not None
    return model.tracker.download_artifact(run_id, f"report/{name}", folder).read_text("utf-8")


def second_version(make: Make) -> World:
    """A model with version 1 in Production, and rows that call for another one; a mould for `cast`."""
    model = quick(make)
    model.feed(2000)
    model.promote()
    model.headlines()
    model.feed(4000, turn=1.2)
    return model


def test_a_cycle_has_a_report_which_says_next_what_will_happen_and_then_what_has(cast: Cast, tmp_path: Path) -> None:
    model = cast(second_version)
    cycle, verdict = judge(model)
    assert verdict.outcome is Outcome.PROMOTE
    assert files(model, cycle, verdict) == FILES
    before = text_of(model, cycle, verdict, tmp_path)
    for each in (
        "Version 2 goes into Production next",
        "4,000 since snapshot",
        "new rows beside the 1",
        "| whole | ",
        'columns = \\["a", "b"\\]',
        "checks passed.",
    ):
        assert each in before
    assert "rollback" not in before
    promote(cycle, verdict)
    assert files(model, cycle, verdict) == FILES
    after = text_of(model, cycle, verdict, tmp_path)
    assert "Version 2 is in Production, in place of version 1, by retrain\\_test" in after
    named = model.spec.model.replace("-", "\\-")
    assert f"trigger DAG retrain\\-rollback for {named}: it asks why, proves that version 1 loads" in after
    page = text_of(model, cycle, verdict, tmp_path, "report.html")
    assert page.count("data:image/png;base64,") == 2
    # The rest is what it was.
    assert before.partition("## What arrived")[2].rstrip() in after


def test_a_first_model_has_one_without_drift(world: Make, tmp_path: Path) -> None:
    model = quick(world)
    model.feed(1000)
    cycle, verdict = judge(model)
    promote(cycle, verdict)
    assert files(model, cycle, verdict) == [name for name in FILES if "drift" not in name]
    text = text_of(model, cycle, verdict, tmp_path)
    assert "Nothing is in Production yet." in text
    assert "in place of nothing" in text
    assert "rollback" not in text


def test_the_announcement_leads_to_it(world: Make) -> None:
    model = quick(world)
    model.feed(1000)
    cycle, verdict = judge(model)
    (announcement,) = waiting(model.ledger, model.model)
    run_id = made_of_cycle(cycle, verdict.matchup.snapshot)
    assert announcement.links[0] == ("Report", f"{API}/runs/{run_id}/report")


def test_without_an_api_the_announcement_leads_to_mlflow(world: Make) -> None:
    model = quick(world)
    model.feed(1000)
    cycle, verdict = model.judge()
    (announcement,) = waiting(model.ledger, model.model)
    run_id = str(made_of_cycle(cycle, verdict.matchup.snapshot))
    page = model.tracker.page_of_run(run_id)
    assert announcement.links[0] == ("Report", f"{page}/artifacts/report/report.html")


@pytest.mark.parametrize(
    ("fields", "how", "says"),
    [
        ({}, {"dry_run": True}, "this was a dry run"),
        ({"mode": Mode.OBSERVE}, {}, "the spec's mode is observe"),
        ({"approval": Approval()}, {}, "a person is asked whether version 1 takes its place"),
        ({"gate": {"metric": "accuracy", "floor": 0.99}}, {}, "the verdict is HOLD"),
    ],
    ids=["dry run", "observe", "approval", "hold"],
)
def test_what_keeps_a_verdict_from_production_is_in_it(
    world: Make, tmp_path: Path, fields: dict[str, Any], how: dict[str, Any], says: str
) -> None:
    gate = {"gate": fields["gate"]} if "gate" in fields else {}
    model = quick(world, **gate)
    model.spec = model.spec.model_copy(update={name: value for name, value in fields.items() if name != "gate"})
    model.feed(1000)
    cycle, verdict = judge(model, **how)
    assert f"Production stays empty{' for now' if 'approval' in fields else ''}: {says}" in text_of(
        model, cycle, verdict, tmp_path
    )


def test_a_freeze_and_then_a_force_are_in_it(world: Make, tmp_path: Path) -> None:
    model = quick(world)
    model.feed(1000)
    until = datetime.now(UTC) + timedelta(days=1)
    model.ledger.freeze("a", model.model, until=until, by="kim", why="연말 동결", announcement=texts.of_freeze)
    cycle, verdict = judge(model)
    assert "by kim: 연말 동결." in text_of(model, cycle, verdict, tmp_path)


def test_run_again_the_report_is_there_once_and_the_same(cast: Cast, tmp_path: Path) -> None:
    model = cast(second_version)
    cycle, verdict = judge(model)
    made = []
    for _ in range(2):
        promote(cycle, verdict)
        made.append([text_of(model, cycle, verdict, tmp_path, name) for name in ("report.md", "report.html")])
        assert files(model, cycle, verdict) == FILES
    assert made[0] == made[1]


def test_killed_between_promotion_and_report_the_next_try_makes_it(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    model = cast(second_version)
    cycle, verdict = judge(model)
    with monkeypatch.context() as patch:
        patch.setattr(report, "write", kill)
        with pytest.raises(Killed):
            promote(cycle, verdict)
    assert "goes into Production next" in text_of(model, cycle, verdict, tmp_path)
    promote(cycle, verdict)
    assert "Version 2 is in Production, in place of version 1" in text_of(model, cycle, verdict, tmp_path)
    assert [each.to_version for each in model.ledger.history(model.model)] == ["1", "2"]


def test_a_report_that_cannot_be_made_is_a_warning_and_no_link(
    world: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = quick(world)
    model.feed(1000)
    upload = ExperimentTracker.log_artifact

    def away(self: ExperimentTracker, run_id: str, path: Path, folder: str | None = None) -> None:
        if folder == "report":
            raise NoAnswerError("MLflow did not answer")
        upload(self, run_id, path, folder)

    monkeypatch.setattr(ExperimentTracker, "log_artifact", away)
    cycle, verdict = judge(model)
    (announcement,) = waiting(model.ledger, model.model)
    assert "Report" not in dict(announcement.links)
    assert promote(cycle, verdict).to_version == "1"
    assert caplog.text.count("its report could not be made") == 2


def test_what_a_person_answered_takes_its_place(world: Make, tmp_path: Path) -> None:
    model = quick(world)
    model.feed(1000)
    cycle, verdict = judge(model)
    address = report.write(cycle, verdict, goes_forward=True, answer="version 1 does not go into Production, says kim")
    assert address is not None
    assert address.startswith(API)
    assert "Version 1 does not go into Production, says kim." in text_of(model, cycle, verdict, tmp_path)


def test_a_cycle_that_made_no_run_has_no_report(world: Make, caplog: pytest.LogCaptureFixture) -> None:
    model = quick(world)
    model.feed(1000)
    _, verdict = judge(model)
    another = model.cycle("another")
    assert report.address(another, verdict.matchup.snapshot) is None
    assert report.write(another, verdict, goes_forward=True) is None
    assert "the cycle has no run in MLflow" in caplog.text


def test_while_a_model_is_observed_its_reports_sum_up_what_would_have_been(cast: Cast, tmp_path: Path) -> None:
    model = changed(cast(second_version), mode="observe")
    judged = []
    for _ in range(2):
        model.feed(600, turn=1.2)
        cycle, verdict = judge(model)
        judged.append(verdict.outcome)
    text = text_of(model, cycle, verdict, tmp_path)
    observed = text.partition("Observed so far")[2]
    assert "Since Production last changed, from 20" in observed
    assert ", ".join(f"{judged.count(outcome)} {outcome}" for outcome in Outcome) in observed
    assert model.tracker.production(model.model) == "1"
    page = text_of(model, cycle, verdict, tmp_path, "report.html")
    assert "Observed so far" in page


def test_how_production_did_on_later_rows_is_in_the_next_report(cast: Cast) -> None:
    model = cast(in_production_for_weeks)
    for ago in (2, 1):
        labelled(model, 300, week(ago))
    with Predicting(observing(model)) as predicting:
        observe(observing(model), predicting)
    cycle, verdict = judge(model)
    assert "report/later.png" in files(model, cycle, verdict)
