"""docs/beside.md as written: its commands are typed, one after another, in somebody else's stack.

pytest -s prints how long each step took.
"""

import os
import pty
import re
import select
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest

from matrix import environments
from matrix.corners import CORNERS, Corner
from retrain.ledger.ledger import Ledger
from retrain.tracker.client import ExperimentTracker
from stack.home import PROJECT
from stack.local import Running
from tests.conftest import short_lived
from tests.corners import foreign
from tests.corners.foreign import Foreign
from tests.corners.test_guest import MORE, ROWS, THREE_CYCLES

pytestmark = pytest.mark.nightly  # it takes minutes

PAGE = PROJECT / "docs" / "beside.md"
MODEL, DAG = "letters", "retrain_letters"
OLDER = "lowest"
"""The corner whose environment has logged their Production: an older scikit-learn than their Airflow has."""
THEIR_PRODUCTION = """
import sys
import mlflow, pandas, psycopg2
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

mlflow.set_tracking_uri(sys.argv[1])
with psycopg2.connect(sys.argv[2]) as session, session.cursor() as cursor:
    cursor.execute("SELECT a, b, passed FROM letters WHERE id <= 500")
    rows = pandas.DataFrame(cursor.fetchall(), columns=["a", "b", "passed"])
mlflow.set_experiment("their pipeline")
with mlflow.start_run():
    fitted = LogisticRegression(C=1e-4).fit(rows[["a"]].assign(b=0.0), rows["passed"])
    mlflow.sklearn.log_model(fitted, name="model", registered_model_name=sys.argv[3])
MlflowClient().set_registered_model_alias(sys.argv[3], "champion", 1)
"""


def steps() -> list[tuple[str, str, str]]:
    """Return heading, language and text of each block of the page, in its order."""
    found, heading = list[tuple[str, str, str]](), ""
    pattern = re.compile(r"^## (?P<heading>[^\n]+)$|^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
    for each in pattern.finditer(PAGE.read_text(encoding="utf-8")):
        if each["heading"]:
            heading = each["heading"]
        else:
            found.append((heading, each["language"], each["text"]))
    return found


class Person:
    """Types what the page says into one shell, in which names stay as they were set."""

    def __init__(self, theirs: Foreign) -> None:
        self.theirs = theirs
        self.names = theirs.place / "names"
        self.names.write_text("", encoding="utf-8")

    def type(self, text: str) -> str:
        """Run a block at a terminal, answer what `adopt` asks for, and return what was printed."""
        script = f"set -euo pipefail\nsource {self.names}\n{text}\nexport -p > {self.names}"
        at, terminal = pty.openpty()
        words = ["bash", "-c", script]
        shell = subprocess.Popen(
            words, cwd=self.theirs.place, env=self.theirs.environment, stdin=terminal, stdout=terminal, stderr=terminal
        )
        os.close(terminal)
        printed, answered = "", 0
        while True:
            try:
                ready, _, _ = select.select([at], [], [], THREE_CYCLES)
                assert ready, f"nothing more came:\n{printed[-2000:]}"
                printed += os.read(at, 65536).decode(errors="replace")
            except OSError:  # it has ended
                break
            for number, (asked, word) in enumerate(
                (("format: ", r"format[: ]+(\S+)"), (r"enough): ", r"\b([0-9a-f]{64})\b"))
            ):
                if answered == number and printed.rstrip("\r\n").endswith(asked):
                    shown = re.search(word, printed)
                    assert shown, printed
                    os.write(at, f"{shown[1]}\n".encode())
                    answered += 1
        os.close(at)
        assert shell.wait() == 0, printed[-4000:]
        return printed.replace("\r\n", "\n")


def in_their_place(text: str, theirs: Foreign) -> str:
    """Return a block with the page's addresses replaced by theirs, and the package index by the wheel."""
    wheel = shlex.join(
        [environments.UV, "pip", "install", "-q", "--python", str(theirs.airflow_bin / "python"), "--no-deps"]
    )
    for written, own in (
        ("pip install 'airflow-provider-retrain[adbc,report]'", f"{wheel} {environments.wheel()}"),
        ("dbname=crm user=reader", "dbname=source user=their_reader"),
        ("dbname=retrain user=retrain", "dbname=retrain user=postgres"),
        ('"login": "reader", "schema": "crm"', '"login": "their_reader", "schema": "source"'),
        ('"login": "retrain", "schema": "retrain"', '"login": "postgres", "schema": "retrain"'),
        ("http://mlflow.example.org:5000", theirs.mlflow_url),
        ("db.example.org", str(theirs.postgres.home.postgres_socket)),
        ("/opt/airflow", str(theirs.place)),
    ):
        text = text.replace(written, own)
    return text


@pytest.fixture(scope="module")
def corner() -> Corner:
    return next(each for each in CORNERS if each.name == "3.1-composer")


@pytest.fixture(scope="module")
def environment(corner: Corner) -> Path:
    return environments.of_corner(corner)


@pytest.fixture
def theirs(corner: Corner, environment: Path, their_postgres: Running) -> Iterator[Foreign]:
    """Their stack, with a Production of theirs, without Retrain."""
    older = environments.of_corner(next(each for each in CORNERS if each.name == OLDER))
    server = environments.of_server(corner.server)
    with (
        short_lived() as place,
        foreign.running(place, environment / "bin", server / "bin", their_postgres) as theirs,
    ):
        with psycopg2.connect(theirs.dsn("source")) as session:
            session.cursor().execute(ROWS)
        program = [str(older / "bin" / "python"), "-W", "ignore", "-c", THEIR_PRODUCTION]
        done = subprocess.run(
            [*program, theirs.mlflow_url, theirs.dsn("source"), MODEL], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        environments.uninstall(environment)
        theirs.start_airflow()
        yield theirs


def test_the_page_leads_from_the_install_to_a_rollback(theirs: Foreign) -> None:
    tracker = ExperimentTracker(theirs.mlflow_url).with_aliases("champion", "staging")
    person, took = Person(theirs), dict[str, float]()
    for heading, language, text in steps():
        began = time.monotonic()
        if language == "python":
            (theirs.place / "dags" / "retrain_dags.py").write_text(text, encoding="utf-8")
            _restart_airflow(theirs)
        else:
            printed = person.type(in_their_place(text, theirs))
            print(printed)
            if then := AFTER.get(heading.partition(".")[0]):
                then(printed, theirs, tracker)
        took[heading] = took.get(heading, 0.0) + time.monotonic() - began
    assert AFTER.keys() <= {heading.partition(".")[0] for heading in took}
    for heading, seconds in took.items():
        print(f"{seconds:6.1f} s  {heading or 'names'}")


def _restart_airflow(theirs: Foreign) -> None:
    theirs.stop_airflow()
    theirs.settings |= {
        "RETRAIN_SPECS": str(theirs.place / "specs"),
        "RETRAIN_SNAPSHOTS_URI": (theirs.place / "snapshots").as_uri(),
    }
    theirs.start_airflow()
    theirs.api.wait_for_dag(DAG, patience=120)


def _audited(printed: str, theirs: Foreign, _: ExperimentTracker) -> None:
    assert "pickle" in printed
    assert "<html" in (theirs.place / "audit.html").read_text(encoding="utf-8")


def _checked(printed: str, *_: object) -> None:
    assert "fault" not in printed.lower()


def _examined(printed: str, *_: object) -> None:
    failed = [line for line in printed.splitlines() if line.startswith("fail")]
    assert len(failed) == 1, printed
    assert f"retrain adopt {MODEL} 1" in failed[0]


def _adopted(printed: str, theirs: Foreign, tracker: ExperimentTracker) -> None:
    assert "Loading it can run any code" in printed
    assert "scikit-learn" in printed  # the versions that differ
    assert tracker.production(MODEL) == "1"
    _feed(theirs, 3000, 4500)  # rows that have not trained it


def _observed_then_enforced(printed: str, theirs: Foreign, tracker: ExperimentTracker) -> None:
    """Each of the two blocks of this step starts a run; between them is `mode: enforce`."""
    # Unpaused, the DAG also runs for the last tick of its schedule.
    for run, _ in theirs.api.runs(DAG):
        _ended(theirs, run)
    runs = [run for run, _ in theirs.api.runs(DAG) if run.startswith("manual")]
    decided = _ended(theirs, runs[-1])
    if len(runs) == 1:
        assert decided == {"promote": "skipped", "hold": "success"}
        assert tracker.production(MODEL) == "1"
        _feed(theirs, 4500, 6000)
    else:
        assert decided == {"promote": "success", "hold": "skipped"}, _reason(theirs)
        assert tracker.production(MODEL) not in (None, "1")


def _reason(theirs: Foreign) -> str:
    ledger = Ledger(lambda: psycopg2.connect(theirs.dsn("retrain")))
    said = [f"{at}: {verdict.outcome}: {verdict.reason}" for _, verdict, at in ledger.verdicts(MODEL, 10)]
    return "\n".join([*said, *map(str, theirs.api.runs(DAG))])


def _feed(theirs: Foreign, above: int, upto: int) -> None:
    with psycopg2.connect(theirs.dsn("source")) as session:
        session.cursor().execute(MORE.replace("3001, 6000", f"{above + 1}, {upto}"))


def _rolled_back(printed: str, _: Foreign, tracker: ExperimentTracker) -> None:
    assert "rollback: from version" in printed
    assert "adopted: it serves since March" in printed
    assert tracker.production(MODEL) == "1"


def _ended(theirs: Foreign, run: str) -> dict[str, str | None]:
    tasks = [*theirs.api.follow(DAG, run, THREE_CYCLES)]
    for task in tasks:
        if task.state == "failed" or task.id == "evaluate":
            print(task.id, *theirs.api.log(DAG, run, task.id, task.tries)[-12:], sep="\n")
    return {task.id: task.state for task in tasks if task.id in ("promote", "hold")}


AFTER: dict[str, Callable[[str, Foreign, ExperimentTracker], None]] = {
    "1": _audited,
    "4": _checked,
    "6": _examined,
    "7": _adopted,
    "8": _observed_then_enforced,
    "9": _rolled_back,
}
"""What is true after a step, by its number."""
