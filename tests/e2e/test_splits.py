"""Split tests through the real scheduler, of a simulated product whose true effect is known."""

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from playwright.sync_api import Page, expect

from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.records import Incident
from retrain.spec.files import SpecFile
from retrain.topics import Topic
from retrain.tracker.client import ExperimentTracker
from stack.airflow_api import AirflowApi, Task
from stack.local import Running
from tests.core import toys
from tests.core.ab import story
from tests.e2e import later_rows
from tests.e2e.conftest import Open
from tests.e2e.looking import SCHEMES, card, faults
from tests.e2e.product import Product, open_split
from tests.inbox import Inbox
from tests.tap import Tap

Follow = Callable[..., list[Task]]


@dataclass
class Case:
    product: Product
    file: SpecFile
    api: AirflowApi
    follow: Follow
    ledger: Ledger

    @property
    def model(self) -> str:
        return self.file.spec.model

    def run(self, action: str = "look", **conf: Any) -> str:
        """Start a run of its DAG, and return the run's id."""
        return self.api.trigger(self.file.ab_dag_id, action=action, **conf)

    def done(self, action: str = "look", **conf: Any) -> None:
        self.follow(self.file.ab_dag_id, self.run(action, **conf))

    def days(self, days: int, units: int = 3000) -> None:
        """Let the product serve units for some days, and look."""
        self.product.serve(open_split(self.ledger, self.model), units, days)
        self.product.wait(self.model, days)

    @property
    def outcome(self) -> str | None:
        (*_, (_, end)) = self.ledger.splits(self.model)
        return end.outcome if end else None


@pytest.fixture
def case(
    stack: Running, api: AirflowApi, ledger: Ledger, add_model: Callable[..., SpecFile], follow: Follow
) -> Callable[..., Case]:
    """Makes a model with version 1 in Production, and version 2, which was not better by rows alone."""

    def make(**truth: float) -> Case:
        product = Product(stack, f"shop_{uuid4().hex[:8]}", **truth)
        product.open()
        gate = {"metric": "accuracy", "floor": 0.7, "round_rows": 100, "proof": "superiority", "min_gain": 0.2}
        file = add_model(ab=product.section(), gate=gate, channels=[{"webhook": "team"}])
        follow(file.dag_id, api.trigger(file.dag_id, ignore_threshold=True))
        with closing(psycopg2.connect(stack.dsn("source"))) as database, database:
            toys.insert(database, file.spec.source.table, 600, first=10_000)
        follow(file.dag_id, api.trigger(file.dag_id, ignore_threshold=True))
        return Case(product, file, api, follow, ledger)

    return make


@pytest.mark.nightly  # core/ab/test_look.py has them without a scheduler
@pytest.mark.parametrize(
    ("outcome", "truth", "rounds"),
    [
        ("promoted", {"gain": 0.1}, (5, 5, 5)),
        ("dropped", {"gain": -0.1}, (15,)),
        ("harm", {"gain": 0.1, "slower": 0.2}, (5,)),
        ("invalid", {"lost": 0.4}, (5,)),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_split_test_concludes_by_what_units_do(
    case: Callable[..., Case],
    tracker: ExperimentTracker,
    inbox: Inbox,
    open_page: Callable[[str], Page],
    outcome: str,
    truth: dict[str, float],
    rounds: tuple[int, ...],
) -> None:
    test = case(**truth)
    test.done("start", version="2", why="a new ranking")
    assert tracker.staging(test.model) == "2"
    for place, days in enumerate(rounds):
        test.days(days)
        test.done()
        assert test.outcome == (outcome if place == len(rounds) - 1 else None)
    promoted = outcome == "promoted"
    assert tracker.production(test.model) == ("2" if promoted else "1")
    assert promoted or tracker.staging(test.model) is None
    assert any(f"has ended, {outcome}" in each for each in inbox.headlines if each.startswith(test.model))
    card = open_page("/plugin/retrain").get_by_role("article", name=test.model)
    expect(card).to_contain_text(f"It has ended, {outcome}", timeout=60_000)
    with card.page.expect_popup() as report:
        card.get_by_role("link", name="Report of this test").click()
    expect(report.value.get_by_role("heading", level=1)).to_have_text(
        f"Split test of {test.model}: version 2 against version 1", timeout=60_000
    )


@pytest.mark.nightly  # tests/api/test_splits.py has what the panel is told
def test_a_split_test_is_drawn_and_said(
    open_page: Open, add_model: Callable[..., SpecFile], ledger: Ledger, shoot: Callable[[Page, str], None]
) -> None:
    file = add_model(ab=story.TEST.model_dump(mode="json", exclude_none=True))
    model = file.spec.model
    later_rows.promote(ledger, model, 1, 0.88, ago=9)
    page = open_page("/plugin/retrain")
    panel = card(page, model).get_by_role("region", name="The next split test")
    expect(panel).to_contain_text(f"Plan a split test of the version in Staging with {file.ab_dag_id}", timeout=60_000)

    ledger.save_split_plan(model, story.PLAN)
    page.reload()
    expect(panel).to_contain_text(
        "bought is 0.05 a unit now; a change of 0.005 is found in 4 of 5 tests within 9 weeks"
    )
    expect(panel).to_contain_text("8 weeks and 50,000 units: not enough for each metric by itself.")
    shoot(page, "split-plan")

    seen = story.looks(0.004, days=30)
    began = datetime.now(UTC) - timedelta(days=30)
    moved = began - story.BEGUN.began
    split = story.BEGUN.model_copy(
        update={
            "id": f"{model}/1",
            "model": model,
            "began": began,
            "ends": story.BEGUN.ends + moved,
            "section": story.TEST.model_dump(mode="json"),
        }
    )
    told = texts.of_incident(Incident(model=model, topic=Topic.SPLIT_TEST, what="it began", remedy="", facts={}))
    ledger.begin_split(split, told)
    for look in seen:
        ledger.save_split_look(look.model_copy(update={"split": split.id, "at": look.at + moved}))
    page.reload()
    expect(card(page, model)).to_contain_text("A split test holds other versions back")
    expect(card(page, model).get_by_role("button", name="End the freeze")).to_have_count(0)
    test = card(page, model).get_by_role("region", name="Split test of version 2")
    expect(test).to_contain_text("30,000 units were exposed")
    expect(test).to_contain_text("For a promotion lacks: all of the interval of bought above 0.")
    expect(test).to_contain_text("Guardrail latency: Staging is 0 [")
    expect(test).to_contain_text("15,000 units in Production’s arm and 15,000 in Staging’s (mismatch: p = 1)")
    expect(test).to_contain_text("0.005 matters.")
    expect(test.get_by_role("img", name="bought, Staging less Production, look by look")).to_have_count(1)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        expect(page.locator("html")).to_have_class(re.compile(scheme))
        test.get_by_text("0.005 matters.").scroll_into_view_if_needed()
        shoot(page, f"split-{scheme}")
        assert faults(page) == []


@pytest.mark.nightly  # core/ab/test_look.py has each step, without a scheduler
def test_a_split_test_whose_tasks_are_killed_ends_as_if_nothing_had_happened(
    case: Callable[..., Case], tap: Tap, clear: Callable[..., None], tracker: ExperimentTracker
) -> None:
    test = case(gain=0.1)
    dag_id = test.file.ab_dag_id

    def killed(run: str, task: str, *request: str) -> None:
        with tap.hold(*request, after=True) as held:
            held.process().kill()
        clear(dag_id, run, task)

    # The test's run is made, but the client has no response; then the version is in Staging.
    started = test.run("start", version="2")
    killed(started, "ask", "POST", "/runs/create", "split test")
    killed(started, "ask", "POST", "/registered-models/alias", test.model)
    test.follow(dag_id, started)
    assert len(test.ledger.splits(test.model)) == 1
    test.days(15, units=9000)
    looked = test.run()
    # Version 2 is in Production, but the client has no response; then the numbers are logged, and no report is there.
    killed(looked, "look", "POST", "/registered-models/alias", test.model)
    killed(looked, "look", "POST", "/runs/log-batch", "difference_bought")
    test.follow(dag_id, looked)
    assert (test.outcome, tracker.production(test.model)) == ("promoted", "2")
    ((split, _),) = test.ledger.splits(test.model)
    assert split.run_id is not None
    looks = test.ledger.split_looks(split.id)  # the run that started it has looked as well
    assert [each.answer for each in looks] == ["wait", "promote"]
    assert [each.came.number for each in test.ledger.history(test.model) if each.came] == ["1", "2"]
    assert tracker.get_run(split.run_id).status == "FINISHED"
    assert [point.step for point in tracker.metric_history(split.run_id, "difference_bought")] == [1]
