"""A person is asked in Airflow: yes, no, no answer, and a yes that comes too late."""

import time
from collections.abc import Callable

import pytest

from retrain.ledger.ledger import Ledger
from retrain.spec.files import SpecFile
from retrain.tracker.client import ExperimentTracker
from stack.airflow_api import AirflowApi, Task
from tests.inbox import Inbox

Follow = Callable[..., list[Task]]
TEAM = [{"webhook": "team"}]


def waits_for_an_answer(api: AirflowApi, file: SpecFile, run: str, eventually: Callable[..., None]) -> None:
    """Wait until the run waits for an answer."""
    eventually(
        lambda: ("ask", "awaiting_input") in {(task.id, task.state) for task in api.tasks(file.dag_id, run)}, 180
    )


def answer(api: AirflowApi, file: SpecFile, run: str, chosen: str, eventually: Callable[..., None]) -> int:
    """Answer like the page *Required actions*, when the run has come that far; return the status of Airflow's response.

    If a task gets its answer just after it began to wait, Airflow ends its try and asks again in the next one.
    """
    form = f"/dags/{file.dag_id}/dagRuns/{run}/taskInstances/ask/-1/hitlDetails"
    while True:
        waits_for_an_answer(api, file, run, eventually)
        time.sleep(5)
        status = api._http.patch(form, json={"chosen_options": [chosen], "params_input": {}}).status_code
        if status != 200 or _is_heard(api, file, run, eventually):
            return status


def _is_heard(api: AirflowApi, file: SpecFile, run: str, eventually: Callable[..., None]) -> bool:
    """Whether the task took the answer, instead of being ended."""
    ended: list[str] = []

    def has_ended() -> bool:
        (ask,) = [task for task in api.tasks(file.dag_id, run) if task.id == "ask"]
        ended.extend([ask.state] if ask.state in ("success", "up_for_retry", "failed") else [])
        return bool(ended)

    eventually(has_ended, 120)
    return ended[-1] == "success"


@pytest.mark.soak  # four cycles; test_dashboard.py has one that is approved
def test_yes_no_no_answer_and_a_yes_that_comes_too_late(
    api: AirflowApi,
    add_model: Callable[..., SpecFile],
    follow: Follow,
    eventually: Callable[..., None],
    inbox: Inbox,
    ledger: Ledger,
    tracker: ExperimentTracker,
) -> None:
    files = {each: add_model(approval="person", channels=TEAM) for each in ("yes", "no", "late")}
    hasty = files["hasty"] = add_model(approval={"users": ["somebody else"], "wait": "1m"}, channels=TEAM)
    models = {each: file.spec.model for each, file in files.items()}
    # Side by side, because most of each is waiting.
    runs = {each: api.trigger(files[each].dag_id, ignore_threshold=True) for each in ("hasty", "yes", "no", "late")}

    def gave(each: str, chosen: str) -> int:
        return answer(api, files[each], runs[each], chosen, eventually)

    def ended(each: str) -> dict[str, str | None]:
        return {task.id: task.state for task in follow(files[each].dag_id, runs[each])}

    assert gave("hasty", "Promote") == 403

    assert gave("yes", "Promote") == 200
    assert gave("no", "Hold") == 200
    waits_for_an_answer(api, files["late"], runs["late"], eventually)
    tracker.set_production(models["late"], "1")
    assert gave("late", "Promote") == 200

    ended("yes")
    assert tracker.production(models["yes"]) == "1"
    assert ledger.history(models["yes"])[-1].why.startswith("approved by admin; ")

    tasks = ended("no")
    assert (tasks["promote"], tasks["hold"], tasks["again"]) == ("skipped", "success", "skipped")
    assert tracker.production(models["no"]) is None

    tasks = ended("late")
    assert (tasks["promote"], tasks["hold"], tasks["again"]) == ("skipped", "skipped", "success")
    follow(files["late"].dag_id, f"again__{runs['late']}")
    (only,) = ledger.history(models["late"])
    assert only.why == "version 1 was found to own alias production"
    assert tracker.production(models["late"]) == "1"

    ended("hasty")
    assert tracker.production(hasty.spec.model) is None
    for each, text in (
        ("yes", "version 1 (whole) waits for an approval. PROMOTE: "),
        ("yes", "version 1 was approved by admin."),
        ("no", "version 1 does not go into Production, says admin."),
        ("late", "version 1 was approved by admin. But Production has changed while it waited"),
        ("hasty", "nobody answered in time whether version 1 goes into Production"),
    ):
        headlines = [headline for headline in inbox.headlines if headline.startswith(f"{models[each]}: ")]
        found = [headline for headline in headlines if headline.startswith(f"{models[each]}: {text}")]
        assert len(found) == 1, (text, headlines)
