"""A user of a whole stack: adds specs and functions, starts runs, and looks at the results."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg2
import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from retrain.ledger.ledger import Ledger
from retrain.spec import files as spec_files
from retrain.spec.files import SpecFile
from retrain.tracker.client import ExperimentTracker
from stack import ports
from stack.airflow_api import AirflowApi, Task
from stack.home import PROJECT
from stack.local import Running
from stack.samples import tables
from tests.conftest import running
from tests.core import toys
from tests.inbox import Inbox
from tests.roles import ROLES
from tests.tap import Tap

_PATIENCE = 300
"""Seconds that a run may take."""
_BROWSER = 60_000
"""Milliseconds that a page may take to show the expected content."""
_MODULE = """
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

def logistic(columns):
    scale = ColumnTransformer([("scale", StandardScaler(), columns)])
    return Pipeline([("scale", scale), ("logistic", LogisticRegression())])

def broken(columns):
    raise ValueError(f"no model of {columns}")

class Fussy(LogisticRegression):
    def fit(self, X, y):
        if len(X) > 1300:
            raise ValueError(f"{len(X)} rows are too many")
        return super().fit(X, y)

def fussy(columns):
    return Pipeline([*logistic(columns).steps[:-1], ("fussy", Fussy())])
"""


@pytest.fixture(scope="package")
def tap() -> Iterator[Tap]:
    """Stands between the tasks of `stack` and its MLflow server."""
    with Tap() as tap:
        yield tap


@pytest.fixture(scope="package")
def users() -> Iterator[Path]:
    """The folder of a user of `stack`: its modules can be imported, and the stack reads its `specs` and `dags`."""
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        shutil.copytree(PROJECT / "include" / "specs", Path(folder) / "specs")
        (Path(folder) / "dags").mkdir()
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="package")
def inbox() -> Iterator[Inbox]:
    """The team's web hook: connection `team` of `stack`."""
    with Inbox() as inbox:
        yield inbox


@pytest.fixture(scope="package")
def stack(tap: Tap, users: Path, inbox: Inbox) -> Iterator[Running]:
    """The whole stack with Airflow, and with the sample tables."""
    chosen = ports.free()
    tap.upstream = chosen.mlflow
    yield from running(
        ports=chosen,
        fill=tables.load,
        env={
            "RETRAIN_SPECS": str(users / "specs"),
            "PYTHONPATH": os.pathsep.join((str(PROJECT / "include"), str(PROJECT / "plugins"), str(users))),
            "AIRFLOW_CONN_MLFLOW_DEFAULT": f"http://127.0.0.1:{tap.port}",
            "AIRFLOW_CONN_TEAM": inbox.url,
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{each}:{each}" for each in ROLES),
            # A scheduler that looks less often leaves more of the two cores to the tests beside it.
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
            # What is in no file any longer is forgotten in 20 s instead of two minutes: a test waits for that.
            "AIRFLOW__SCHEDULER__PARSING_CLEANUP_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__STALE_DAG_THRESHOLD": "15",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(
                [
                    {"name": name, "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": kwargs}
                    for name, kwargs in (
                        ("dags-folder", {}),
                        ("users", {"path": str(users / "dags"), "refresh_interval": 1}),
                    )
                ]
            ),
        },
    )


@pytest.fixture(scope="package")
def api(stack: Running) -> Iterator[AirflowApi]:
    with closing(AirflowApi(stack)) as api:
        yield api


@pytest.fixture
def ledger(stack: Running) -> Ledger:
    return Ledger(lambda: psycopg2.connect(stack.dsn("retrain")))


@pytest.fixture
def tracker(stack: Running) -> ExperimentTracker:
    return ExperimentTracker(stack.mlflow_url)


@pytest.fixture
def eventually(eventually: Callable[..., None]) -> Callable[..., None]:
    """As elsewhere, but less often: most conditions here ask Airflow's API server, and each question is work for it."""
    return partial(eventually, every=1)


@pytest.fixture
def follow(api: AirflowApi) -> Callable[..., list[Task]]:
    """Waits until a run has ended in the expected state, and returns its tasks."""

    def follow(dag_id: str, run: str, state: str = "success") -> list[Task]:
        for _ in api.follow(dag_id, run, _PATIENCE):
            pass
        tasks = api.tasks(dag_id, run)
        failed = [task for task in tasks if task.state == "failed"]
        logs = [api.log(dag_id, run, task.id, max(1, task.tries), task.map_index) for task in failed]
        assert api.state(dag_id, run) == state, logs
        return tasks

    return follow


@pytest.fixture
def clear(api: AirflowApi, eventually: Callable[..., None]) -> Callable[..., None]:
    """Starts a task again after Airflow has seen that it was killed, like a person on call."""

    def clear(dag_id: str, run: str, task: str) -> None:
        def states() -> set[str | None]:
            return {each.state for each in api.tasks(dag_id, run) if each.id == task}

        eventually(lambda: "up_for_retry" in states() and "running" not in states(), 180)
        api.clear(dag_id, run, task)

    return clear


@pytest.fixture
def shoot(tmp_path: Path) -> Callable[[Page, str], None]:
    """Stores a screenshot for people: in RETRAIN_TEST_SCREENSHOTS, or in pytest's own folder."""
    folder = Path(os.environ.get("RETRAIN_TEST_SCREENSHOTS", tmp_path))

    def shoot(page: Page, name: str) -> None:
        page.screenshot(path=folder / f"{name}.png", full_page=True)

    return shoot


@pytest.fixture
def add_model(stack: Running, users: Path, api: AirflowApi) -> Iterator[Callable[..., SpecFile]]:
    """Adds a model: a spec, a function and a table with rows. It is removed when the test ends."""
    added: list[Path] = []

    def add(function: str = "logistic", connection: str = "postgres_default", **fields: Any) -> SpecFile:
        name = f"toy_{uuid4().hex[:8]}"
        module, path = users / f"{name}.py", users / "specs" / f"{name}.yaml"
        added.extend((path, module))
        module.write_text(_MODULE)
        with closing(psycopg2.connect(stack.dsn("source"))) as database, database:
            toys.create(database, name)
            toys.insert(database, name, 2000, first=0)
        source = {
            "connection": connection,
            "table": name,
            "key": "id",
            "label": "label",
            "label_time": "labelled_at",
            "features": ["a", "b"],
        }
        candidates = [
            {"name": each, "estimator": f"{name}:{function}", "params": {"columns": columns}}
            for each, columns in (("half", ["a"]), ("whole", ["a", "b"]))
        ]
        gate = {"metric": "accuracy", "floor": 0.7, "round_rows": 100}
        spec = {"model": name, "source": source, "candidates": candidates, "gate": gate, **fields}
        path.write_text(yaml.safe_dump(spec))
        loaded = spec_files.load(path)
        look_now(api)
        api.wait_for_dag(loaded.dag_id)
        return loaded

    yield add
    for path in added:
        path.unlink()


def look_now(api: AirflowApi) -> None:
    """Make Airflow read the DAG file now; it does so every half minute itself, as test_a_spec_that_breaks… shows."""
    token = api._get("/dags/retrain_cover_letters")["file_token"]
    response = api._http.put(f"/parseDagFile/{token}")
    if response.status_code != httpx.codes.CONFLICT:  # it has been asked already
        response.raise_for_status()


@pytest.fixture
def add_dag(users: Path) -> Iterator[Callable[[str, str], None]]:
    """Adds a DAG of the user, by its id and the text of its file. It is removed when the test ends."""
    added: list[Path] = []

    def add(dag_id: str, text: str) -> None:
        path = users / "dags" / f"{dag_id}.py"
        added.append(path)
        path.write_text(text)

    yield add
    for path in added:
        path.unlink()


@pytest.fixture(scope="package")
def tokens(stack: Running) -> dict[str, str]:
    """A token for each role, from a login with the password that Airflow made."""
    passwords = json.loads((stack.home.airflow / "passwords.json").read_text())
    logins = {role: {"username": role, "password": passwords[role]} for role in ROLES}
    url = f"{stack.airflow_url}/auth/token"
    responses = {role: httpx.post(url, json=login, timeout=30, trust_env=False) for role, login in logins.items()}
    return {role: each.raise_for_status().json()["access_token"] for role, each in responses.items()}


@pytest.fixture
def promote_loser(stack: Running, tokens: dict[str, str], tracker: ExperimentTracker) -> Callable[..., None]:
    """Puts the candidate `half`, which has not won, into Production over the API. expects: the version it replaces."""

    def promote(model: str, expects: str | None) -> None:
        experiment = tracker.find_experiment(model)
        assert experiment is not None
        (loser,) = [run for run in tracker.search_runs([experiment]) if run.tags.get("retrain.candidate") == "half"]
        headers = {"Authorization": f"Bearer {tokens['op']}"}
        with httpx.Client(base_url=f"{stack.airflow_url}/api/experiments", headers=headers, timeout=60) as client:
            made = client.post("/models/register", json={"run_id": loser.id, "model_name": model}).raise_for_status()
            wanted = {"model_name": model, "version": made.json()["version"], "stage": "Production"}
            client.post(
                "/models/transition-stage", json=wanted | {"expects": expects, "why": "a test"}
            ).raise_for_status()

    return promote


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed")
    expect.set_options(timeout=_BROWSER)
    # root cannot use the sandbox; the browser must not use the network
    arguments = ("no-sandbox", "disable-gpu", "disable-dev-shm-usage", "disable-background-networking", "disable-sync")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=[f"--{each}" for each in arguments])


Open = Callable[..., Page]


@pytest.fixture(scope="package")
def browsing(chromium: Browser, stack: Running, tokens: dict[str, str]) -> Callable[..., BrowserContext]:
    """One context for each role, so that Airflow's seven megabytes of scripts are loaded only once."""

    @cache
    def browsing(role: str | None) -> BrowserContext:
        context = chromium.new_context(base_url=stack.airflow_url, viewport={"width": 1500, "height": 1000})
        context.set_default_timeout(_BROWSER)
        if role is not None:
            context.add_cookies([{"name": "_token", "value": tokens[role], "url": stack.airflow_url}])
        return context

    return browsing


@pytest.fixture
def open_page(browsing: Callable[..., BrowserContext]) -> Iterator[Open]:
    """Opens a page of Airflow, logged in with this role; without a role, not logged in."""
    opened = []

    def open_(path: str, role: str | None = "admin") -> Page:
        page = browsing(role).new_page()
        opened.append(page)
        page.goto(path)
        return page

    yield open_
    for page in opened:
        page.close()
