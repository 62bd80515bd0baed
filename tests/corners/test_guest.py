"""Retrain from its wheel as a guest in somebody else's stack: a cycle, a rollback, and nothing of theirs touched."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from matrix import environments
from matrix.corners import Corner
from retrain.ledger.ledger import Ledger
from retrain.tracker.client import ExperimentTracker
from stack.home import PROJECT
from stack.local import Running
from tests.conftest import short_lived
from tests.corners import foreign
from tests.corners.conftest import each_corner
from tests.corners.foreign import Foreign

pytestmark = pytest.mark.nightly  # each takes minutes; test_parse.py and test_contract.py have the parts

OURS, THEIRS = "ours", "theirs-01"
ESTIMATORS = """
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def constant():
    return DummyClassifier()


def logistic():
    return make_pipeline(StandardScaler(), LogisticRegression())
"""
SPEC = """
model: {model}
source: {{connection: their_source, table: letters, key: id, label: passed, label_time: reviewed_at, features: [a, b]}}
threshold: {{rows: 300}}
candidates: [{{name: only, estimator: "our_estimators:{estimator}"}}]
gate: {{metric: f1, positive: "true", floor: 0.0}}
schedule: null
wake: schedule
"""
OWN_DAG = """
from datetime import datetime
from airflow.sdk import DAG, Param
from retrain_airflow.dags.group import RetrainCycle

with DAG(
    "their_own_dag",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={{"dry": Param(True, type="boolean")}},
) as dag:
    RetrainCycle("{spec}", ignore_threshold=True, dry_run="{{{{ params.dry }}}}")
"""
ROWS = """
CREATE TABLE letters (id bigint PRIMARY KEY, a float8, b float8, passed boolean, reviewed_at timestamptz, secret text);
INSERT INTO letters
SELECT i, sin(i * 12.9898), cos(i * 78.233), sin(i * 12.9898) + cos(i * 78.233) > 0,
       now() - (4000 - i) * interval '1 minute', 'nobody may read this'
FROM generate_series(1, 3000) i;
CREATE ROLE their_reader LOGIN;
REVOKE ALL ON letters FROM PUBLIC;
GRANT SELECT (id, a, b, passed, reviewed_at) ON letters TO their_reader;
"""
MORE = """
INSERT INTO letters
SELECT i, sin(i * 12.9898) , cos(i * 78.233), sin(i * 12.9898) + cos(i * 78.233) > 0, now(), 'nor this'
FROM generate_series(3001, 6000) i
"""


THREE_CYCLES = 600
"""Seconds that a run may take on two busy cores."""


@pytest.fixture(scope="module")
def theirs(corner: Corner, environment: Path, their_postgres: Running) -> Iterator[Foreign]:
    """Their stack, with everything in it that is theirs: MLflow's server runs, Airflow does not yet."""
    server = environments.of_server(corner.server)
    with (
        short_lived() as place,
        foreign.running(place, environment / "bin", server / "bin", their_postgres) as theirs,
    ):
        with psycopg2.connect(theirs.dsn("source")) as session:
            session.cursor().execute(ROWS)
        theirs.fill_mlflow()
        yield theirs


@each_corner
def test_a_guest_promotes_and_rolls_back_and_touches_nothing_of_its_host(
    corner: Corner, environment: Path, theirs: Foreign
) -> None:
    environments.uninstall(environment)
    theirs.start_airflow()
    _add_what_is_theirs(theirs)
    before = theirs.everything()
    theirs.stop_airflow()

    environments.install(environment)
    _move_in(theirs)
    theirs.start_airflow()
    tracker, ledger = ExperimentTracker(theirs.mlflow_url), Ledger(lambda: psycopg2.connect(theirs.dsn("retrain")))
    for dag_id in ("retrain_ours", "retrain_theirs", "their_own_dag", "retrain-rollback"):
        _unpause(theirs, dag_id)

    assert _run(theirs, "retrain_ours") == ("success", "promote")
    assert tracker.production(OURS) == "1"
    _write_spec(theirs, "ours", OURS, "logistic")
    with psycopg2.connect(theirs.dsn("source")) as session:
        session.cursor().execute(MORE)
    assert _run(theirs, "retrain_ours") == ("success", "promote")
    assert tracker.production(OURS) == "2"
    assert _run(theirs, "retrain-rollback", model=OURS, why="the matrix asks") == ("success", "")
    assert tracker.production(OURS) == "1"

    # Their own Production is not ours to judge.
    assert _run(theirs, "retrain_theirs")[0] == "failed"
    assert ledger.last_consumed(THEIRS) is None
    assert _run(theirs, "their_own_dag") == ("success", "")
    assert _run(theirs, "nightly_load") == ("success", "")

    _look_at_the_api(theirs)
    assert theirs.everything() == before


def _add_what_is_theirs(theirs: Foreign) -> None:
    for path, body in (
        ("pools", {"name": "small", "slots": 2, "description": "theirs", "include_deferred": False}),
        ("variables", {"key": "region", "value": "north"}),
        ("connections", {"connection_id": "warehouse", "conn_type": "http", "host": "https://warehouse.example"}),
    ):
        answer = theirs.http.post(f"/api/v2/{path}", json=body)
        assert answer.status_code == 201, answer.text
    _unpause(theirs, "nightly_load")
    assert _run(theirs, "nightly_load") == ("success", "")


def _move_in(theirs: Foreign) -> None:
    """Do what docs/install.md says: a wheel, three connections, one line in a DAG file, a spec."""
    dags, specs = theirs.place / "dags", theirs.place / "specs"
    specs.mkdir()
    shutil.copy(PROJECT / "dags" / "retrain_dags.py", dags)
    (dags / "our_estimators.py").write_text(ESTIMATORS, encoding="utf-8")
    _write_spec(theirs, "ours", OURS, "constant")
    _write_spec(theirs, "theirs", THEIRS, "logistic")
    (dags / "their_own_dag.py").write_text(OWN_DAG.format(spec=specs / "ours.yaml"), encoding="utf-8")
    socket = str(theirs.postgres.home.postgres_socket)
    theirs.settings = {
        "RETRAIN_SPECS": str(specs),
        "RETRAIN_SNAPSHOTS_URI": (theirs.place / "snapshots").as_uri(),
        "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps({"conn_type": "mlflow", "host": theirs.mlflow_url}),
        "AIRFLOW_CONN_RETRAIN_STATE": _connection(socket, "postgres", "retrain"),
        "AIRFLOW_CONN_THEIR_SOURCE": _connection(socket, "their_reader", "source"),
    }
    theirs.run("retrain", "migrate", "--dsn", theirs.dsn("retrain"))


def _connection(socket: str, login: str, database: str) -> str:
    return json.dumps({"conn_type": "postgres", "host": socket, "login": login, "schema": database})


def _write_spec(theirs: Foreign, name: str, model: str, estimator: str) -> None:
    path = theirs.place / "specs" / f"{name}.yaml"
    path.write_text(SPEC.format(model=model, estimator=estimator), encoding="utf-8")


def _unpause(theirs: Foreign, dag_id: str) -> None:
    theirs.api.wait_for_dag(dag_id, patience=120)
    assert theirs.http.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": False}).is_success


def _run(theirs: Foreign, dag_id: str, **conf: object) -> tuple[str, str]:
    """Run a DAG; return its state, and what it has decided, if it decides."""
    run = theirs.api.trigger(dag_id, **conf)
    tasks = list(theirs.api.follow(dag_id, run, THREE_CYCLES))
    decided = next((task.id for task in tasks if task.id in ("promote", "hold") and task.state == "success"), "")
    state = theirs.api.state(dag_id, run)
    if state != "success":
        for task in tasks:
            if task.state == "failed":
                print(task.id, *theirs.api.log(dag_id, run, task.id, task.tries)[-12:], sep="\n")
    return state, decided


def _look_at_the_api(theirs: Foreign) -> None:
    ours = "/api/experiments"
    assert theirs.http.get(f"{ours}/health").status_code == 200, theirs.log("api-server")[-4000:]
    assert theirs.http.get(f"{ours}/health", headers={"Authorization": ""}).status_code == 401
    history = theirs.http.get(f"{ours}/models/{OURS}/history").json()
    assert "the matrix asks" in json.dumps(history)
