"""`retrain doctor`: each way to be wrong is found, its remedy works, and a stack that is well is left alone.

docs/doctor.md has the table of these ways. Run as a program, this file writes it there.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from retrain.messages import texts
from retrain.preflight import doctor
from retrain.preflight.probe import State
from retrain.tracker.client import ExperimentTracker
from tests.airflow.conftest import PROJECT, Model
from tests.airflow.doctor_ways import WAYS, airflow
from tests.airflow.doctor_ways.way import Stack, Way, table
from tests.airflow.test_cycle import metadata  # noqa: F401 - a fixture
from tests.mlflow_servers import an_mlflow

Make = Callable[..., Model]
PAGE = PROJECT / "docs" / "doctor.md"
BEGIN = "## What it finds"


@pytest.fixture(scope="module")
def with_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with an_mlflow(tmp_path_factory.mktemp("mlflow"), with_users=True) as address:
        yield address


@pytest.fixture
def stack(
    metadata: None,  # noqa: F811
    model: Make,
    tracker: ExperimentTracker,
    first_tracker: None,
    one_fresh_process: None,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> Stack:
    toy = model()
    toy.feed(50)
    return Stack(toy, tracker, tmp_path, monkeypatch, request)


OFTEN = {each.kind: each for each in reversed(WAYS)}.values()
"""The first way of each kind; the others are tried at night."""


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(way, id=f"{way.kind}: {way.wrong}", marks=() if way in OFTEN else pytest.mark.nightly)
        for way in WAYS
    ],
)
def test_what_is_wrong_is_found_and_its_remedy_works(way: Way, stack: Stack) -> None:
    steps = way.steps(stack)
    next(steps)
    found = stack.found(way.part, way.about)
    assert [each for each in found if way.fits(each, stack.toy.name)], [*map(str, found)] or "nothing was found"
    assert [each for each in found if not each.remedy] == []
    with pytest.raises(StopIteration):
        steps.send(found)
    assert [str(each) for each in stack.found(way.part, way.about)] == []


def test_of_an_installation_that_is_well_nothing_is_said(stack: Stack) -> None:
    airflow.known(stack)
    airflow.triggerer()
    found = [*doctor.look(stack.toy.path.parent)]
    assert [str(each) for each in found if each.state is not State.GOOD] == []
    parts = (
        "specs",
        "packages",
        "Airflow",
        "DAG",
        "triggerer",
        "ledger",
        "snapshots",
        "MLflow",
        "source",
        "Production",
    )
    assert [part for part in parts if not any(each.about.startswith(part) for each in found)] == []


def test_a_frozen_production_is_told(stack: Stack) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    stack.toy.ledger.freeze(
        "key", stack.toy.name, until=until, by="kim", why="a campaign", announcement=texts.of_freeze
    )
    found = [*doctor.look(stack.toy.path.parent, f"Production of {stack.toy.name}")]
    assert [each.state for each in found] == [State.GOOD, State.GOOD]
    assert "is frozen until" in found[0].says


def test_what_cannot_be_looked_at_does_not_end_the_look(stack: Stack) -> None:
    stack.toy.path.with_name("broken.yaml").write_text("model: [")
    stack.patch.delenv("AIRFLOW_CONN_RETRAIN_STATE")
    found = [*doctor.look(stack.toy.path.parent)]
    assert {each.about.split()[0] for each in found if each.state is State.FAIL} >= {"specs", "ledger"}
    assert any(each.about.startswith("source of") and each.state is State.GOOD for each in found)


def test_the_page_has_the_table_of_what_is_tried() -> None:
    assert PAGE.read_text(encoding="utf-8").partition(f"{BEGIN}\n")[2].strip() == table(WAYS).strip()


if __name__ == "__main__":
    PAGE.write_text(
        PAGE.read_text(encoding="utf-8").partition(BEGIN)[0] + f"{BEGIN}\n\n{table(WAYS)}", encoding="utf-8"
    )
