"""A person is asked through Airflow itself: yes, no, no answer, and a yes that comes too late."""

import time
from collections.abc import Callable

from retrain.spec_files import SpecFile
from retrain.state import State
from retrain.tracker import ExperimentTracker
from stack.airflow_api import AirflowApi, Task
from tests.inbox import Inbox

Follow = Callable[..., list[Task]]
TEAM = [{"webhook": "team"}]


def answer(api: AirflowApi, file: SpecFile, run: str, chosen: str, eventually: Callable[..., None]) -> int:
    """As the page *Required actions* does it, when the run has come so far; the status of what Airflow says to it."""
    eventually(
        lambda: ("ask", "awaiting_input") in {(task.id, task.state) for task in api.tasks(file.dag_id, run)}, 180
    )
    time.sleep(2)  # Airflow fails a task that is answered within a second of its parking
    form = f"/dags/{file.dag_id}/dagRuns/{run}/taskInstances/ask/-1/hitlDetails"
    return api._http.patch(form, json={"chosen_options": [chosen], "params_input": {}}).status_code


def test_yes_no_no_answer_and_a_yes_that_comes_too_late(
    api: AirflowApi,
    add_model: Callable[..., SpecFile],
    follow: Follow,
    eventually: Callable[..., None],
    inbox: Inbox,
    ledger: State,
    tracker: ExperimentTracker,
) -> None:
    file = add_model(approval="person", channels=TEAM)
    hasty = add_model(approval={"users": ["somebody else"], "wait": "1m"}, channels=TEAM)
    model, dag = file.spec.model, file.dag_id
    unanswered = api.trigger(hasty.dag_id, ignore_threshold=True)

    assert answer(api, hasty, unanswered, "Promote", eventually) == 403

    yes = api.trigger(dag, ignore_threshold=True)
    assert answer(api, file, yes, "Promote", eventually) == 200
    follow(dag, yes)
    assert tracker.production(model) == "1"
    assert ledger.history(model)[-1].why.startswith("approved by admin; ")

    no = api.trigger(dag, ignore_threshold=True, force="a test")
    assert answer(api, file, no, "Hold", eventually) == 200
    tasks = {task.id: task.state for task in follow(dag, no)}
    assert (tasks["promote"], tasks["hold"], tasks["again"]) == ("skipped", "success", "skipped")
    assert tracker.production(model) == "1"

    late = api.trigger(dag, ignore_threshold=True, force="a test")
    eventually(lambda: "awaiting_input" in {task.state for task in api.tasks(dag, late)}, 180)
    tracker.set_production(model, "2")
    assert answer(api, file, late, "Promote", eventually) == 200
    tasks = {task.id: task.state for task in follow(dag, late)}
    assert (tasks["promote"], tasks["hold"], tasks["again"]) == ("skipped", "skipped", "success")
    follow(dag, f"again__{late}")
    assert tracker.production(model) == "2"

    follow(hasty.dag_id, unanswered)
    assert tracker.production(hasty.spec.model) is None
    told = [headline for headline in inbox.headlines if headline.startswith((model, hasty.spec.model))]
    for said, times in (
        (f"{model}: version 1 (whole) waits for an approval. PROMOTE: ", 1),
        (f"{model}: version 1 was approved by admin.", 1),
        (f"{model}: version 2 does not go into Production, says admin.", 1),
        (f"{model}: version 3 was approved by admin. But Production has changed while it waited", 1),
        (f"{hasty.spec.model}: nobody has answered whether version 1 goes into Production in time", 1),
    ):
        assert len([headline for headline in told if headline.startswith(said)]) == times, (said, told)
