"""The dashboard in Airflow's own pages, in a real browser."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from retrain.ledger.ledger import Ledger
from retrain.spec.files import SpecFile
from retrain.tracker.client import ExperimentTracker
from stack.airflow_api import AirflowApi
from stack.local import Running
from tests.e2e import later_rows
from tests.e2e.conftest import Open
from tests.e2e.looking import SCHEMES, card, faults
from tests.tap import Tap

EVIL = "<img src=x onerror=\"window.hacked = 'yes'\"> 자소서 " + "x" * 160
MODEL, DAG = "ReviewSentiment", "retrain_reviews"
CYCLE = 240_000
"""Milliseconds that a cycle may take."""
BUTTONS = ("Retrain now", "Dry run", "Roll back", "Approve", "Hold")


def press(page: Page, button: Any, **fields: str) -> None:
    """Press a button, fill in its dialog, and press the button of the same name there."""
    name = button.inner_text()
    button.click()
    dialog = page.get_by_role("alertdialog")
    for label, text in fields.items():
        dialog.get_by_label(label).fill(text)
    dialog.get_by_role("button", name=name).click()
    expect(dialog).to_be_hidden()


@pytest.mark.nightly  # the tests below have each page, airflow/test_approval.py the answers, api/ what the buttons send
def test_a_cycle_is_started_watched_approved_and_rolled_back(
    open_page: Open,
    api: AirflowApi,
    add_model: Callable[..., SpecFile],
    tracker: ExperimentTracker,
    stack: Running,
    promote_loser: Callable[..., None],
    shoot: Callable[[Page, str], None],
) -> None:
    file = add_model(approval="person")
    model, dag = file.spec.model, file.dag_id
    page = open_page("/plugin/retrain", role=None)
    page.get_by_label("username", exact=False).fill(stack.user)
    page.get_by_label("password", exact=False).first.fill(stack.password)
    page.get_by_role("button", name="Sign in").click()

    mine = card(page, model)
    expect(mine).to_contain_text("Nothing is in Production")
    expect(mine).to_contain_text("No cycle has been judged yet")
    press(page, mine.get_by_role("button", name="Retrain now"), Note="브라우저에서")
    expect(mine).to_contain_text("A cycle is")
    expect(mine).to_contain_text("validation_accuracy", timeout=CYCLE)
    shoot(page, "live")
    expect(mine).to_contain_text("It waits for an approval", timeout=CYCLE)
    page.wait_for_timeout(5_000)  # Airflow ends the try of a task that gets its answer just after it began to wait
    press(page, mine.get_by_role("button", name="Approve"))
    expect(mine).to_contain_text("Version 1 in Production since", timeout=CYCLE)
    expect(mine.get_by_role("img", name="Promote whole")).to_be_visible()
    assert tracker.production(model) == "1"

    promote_loser(model, expects="1")
    expect(mine).to_contain_text("Version 2 in Production since")
    press(page, mine.get_by_role("button", name="Roll back"), Why="zu früh")
    expect(mine).to_contain_text("Version 1 in Production since")
    expect(mine).to_contain_text("By admin: zu früh")
    assert tracker.production(model) == "1"

    page.goto(f"/dags/{dag}/plugin/retrain-model")
    expect(page.get_by_role("region", name="Verdicts")).to_contain_text("version 1 came into Production")
    expect(page.get_by_role("region", name="What was in Production")).to_contain_text("zu früh")
    shoot(page, "model")

    ((run, _),) = api.runs(dag)
    page.goto(f"/dags/{dag}/runs/{run}/plugin/retrain-cycle")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Report of this cycle").click()
    expect(opened.value.get_by_role("heading", level=1)).to_contain_text(f"{model}: PROMOTE whole")
    shoot(opened.value, "report")


def test_a_viewer_has_no_buttons(open_page: Open) -> None:
    page = open_page("/plugin/retrain", role="viewer")
    expect(card(page, "BreastCancer")).to_contain_text("new labelled rows wait")
    for name in BUTTONS:
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    user = open_page("/plugin/retrain", role="user")
    expect(card(user, "BreastCancer").get_by_role("button", name="Retrain now")).to_be_visible()
    expect(user.get_by_role("button", name="Roll back")).to_have_count(0)


@pytest.fixture(scope="module")
def run_of_evil(api: AirflowApi, stack: Running) -> str:
    """A run of DAG that finds too few rows, and its run in MLflow, which logs and has a name with a script."""
    run = api.trigger(DAG)
    tracker = ExperimentTracker(stack.mlflow_url)
    of_cycle = {"retrain.dag_id": DAG, "retrain.dag_run": run, "retrain.candidate": EVIL}
    made = tracker.start_run(tracker.create_experiment(MODEL), EVIL[:200], of_cycle)
    tracker.log_metrics(made, {"loss": 0.5}, step=1)
    tracker.log_metrics(made, {"loss": 0.25}, step=2)
    return run


def test_what_people_call_things_stays_text_and_every_page_can_be_used_in_light_and_in_dark(
    open_page: Open, run_of_evil: str, shoot: Callable[[Page, str], None]
) -> None:
    def can_be_used(name: str) -> None:
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            expect(page.locator("html")).to_have_class(re.compile(scheme))
            shoot(page, f"{name}-{scheme}")
            assert faults(page) == []
        assert page.evaluate("window.hacked") is None

    page = open_page(f"/dags/{DAG}/runs/{run_of_evil}/plugin/retrain-cycle", role="viewer")
    expect(page.get_by_role("listitem", name=EVIL[:200])).to_contain_text("0.2500")
    expect(page.get_by_role("img", name="Curves of loss")).to_be_visible()
    can_be_used("cycle")
    page.goto(f"/dags/{DAG}/plugin/retrain-model")
    expect(card(page, MODEL)).to_contain_text("new labelled rows wait")
    expect(page.get_by_text("None that were labelled since a version came into Production")).to_be_visible()
    can_be_used("model-now")
    page.goto("/plugin/retrain")
    expect(card(page, MODEL)).to_contain_text("new labelled rows wait")
    can_be_used("models")


def test_data_that_is_loading_says_so_to_users_who_cannot_see_it(open_page: Open) -> None:
    page = open_page("/health")
    page.route("**/verdicts*", lambda _: None)  # no response
    page.goto("/plugin/retrain")
    expect(page.get_by_role("status", name="Verdicts: loading").first).to_be_visible()
    assert faults(page) == []


def test_buttons_and_dialogs_work_by_keyboard(open_page: Open) -> None:
    page = open_page("/plugin/retrain")
    button = card(page, "BreastCancer").get_by_role("button", name="Dry run")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("alertdialog")
    expect(dialog).to_contain_text("nothing changes")
    assert faults(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()


def test_a_dag_that_keeps_no_model_says_which_do(open_page: Open) -> None:
    page = open_page("/dags/retrain-outbox/plugin/retrain-model")
    expect(page.get_by_text("This DAG has no model")).to_be_visible()
    page.get_by_role("link", name="retrain_breast_cancer").click()
    expect(card(page, "BreastCancer")).to_be_visible()


@pytest.mark.soak  # waits for MLflow's deadline; e2e/test_api.py shows that the API answers meanwhile
def test_while_mlflow_is_silent_what_is_known_is_shown_and_what_is_not_is_said(open_page: Open, tap: Tap) -> None:
    page = open_page("/dags/retrain_breast_cancer/plugin/retrain-model")
    expect(card(page, "BreastCancer")).to_contain_text("new labelled rows wait")
    with tap.silence():
        page.reload()
        expect(card(page, "BreastCancer")).to_contain_text("new labelled rows wait")
        expect(page.get_by_text("What was in Production: no answer")).to_be_visible()
    expect(page.get_by_text("What was in Production: no answer")).to_be_hidden()


def test_no_page_asks_another_host(open_page: Open, stack: Running) -> None:
    page = open_page("/health")
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto("/plugin/retrain")
    expect(card(page, "BreastCancer")).to_contain_text("new labelled rows wait")
    assert f"{stack.airflow_url}/retrain/card.js" in requested
    assert [url for url in requested if not url.startswith((stack.airflow_url, "data:", "blob:"))] == []


@pytest.mark.nightly  # half a minute; tests/api/test_live.py has what the panel is told
def test_how_production_does_on_later_rows_is_drawn_and_said(
    open_page: Open, add_model: Callable[..., SpecFile], ledger: Ledger, shoot: Callable[[Page, str], None]
) -> None:
    model = add_model().spec.model
    later_rows.promote(ledger, model, 1, 0.88, ago=20)
    page = open_page("/plugin/retrain")
    later = card(page, model).get_by_role("region", name="On later rows")
    expect(later).to_contain_text("None has been scored yet. Promised: accuracy 0.8800")
    expect(card(page, model)).to_contain_text("accuracy 0.8800 (95%: 0.8650 to 0.8950).")  # one verdict is no trend

    later_rows.scored(ledger, model, 1, ago=19, score=0.87)
    page.reload()
    expect(later).to_contain_text("Now: accuracy 0.8700 (95%: 0.8543 to 0.8857) on the last 1,400 rows: 0.0100 worse")
    expect(later.get_by_role("img")).to_have_count(0)  # one point shows no course

    for ago in range(18, 10, -1):
        later_rows.scored(ledger, model, 1, ago, score=0.875)
    later_rows.promote(ledger, model, 2, 0.9, ago=10)
    for ago in range(10, -1, -1):
        later_rows.scored(ledger, model, 2, ago, score=0.9 if ago > 4 else 0.86, restated=int(ago == 3))
    later_rows.looked(ledger, model, 2, promised=0.9, score=0.86, alarm=True)
    page.reload()
    expect(later).to_contain_text("It has lost 0.0400, more than 0.01 beyond chance, on the 5,600 rows since")
    expect(later).to_contain_text("0.0400 worse than promised (0.9000). It has changed by −0.0400 since")
    drawing = later.get_by_role("img", name="accuracy of 20 cohorts of later rows")
    expect(drawing.locator("polyline")).to_have_count(2)
    expect(drawing.locator("text", has_text="v2")).to_have_count(1)
    for sign in ("still open", "restated", "versions before", "promised"):
        expect(later.locator("figcaption")).to_contain_text(sign)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        expect(page.locator("html")).to_have_class(re.compile(scheme))
        shoot(page, f"later-{scheme}")
        assert faults(page) == []
    heights = {round(each["height"]) for each in _row_of(page, model)}
    assert len(heights) == 1, "cards in a row have one height"

    page.goto(f"/dags/retrain_{model}/plugin/retrain-model")
    table = page.get_by_role("region", name="Scores of later rows, the newest first")
    expect(table).to_contain_text("restated 1 ×")
    expect(table.get_by_role("row")).to_have_count(21)


def _row_of(page: Page, model: str) -> list[Any]:
    """Return the boxes of the cards that stand beside this model's, its own included."""
    boxes = [each.bounding_box() for each in page.get_by_role("article").all()]
    own = card(page, model).bounding_box()
    return [each for each in boxes if each and each["y"] == own["y"]]
