"""What `retrain init` writes for ten tables: `retrain check --source` calls it good, and a cycle runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from retrain.cycle.check import check
from retrain.cycle.evaluate import evaluate
from retrain.cycle.promote import promote
from retrain.ledger.ledger import Ledger
from retrain.preflight.init import Made, init
from retrain.preflight.init_wish import Wish
from retrain.preflight.source import hold_to_source
from retrain.records import Outcome, Verdict
from retrain.snapshots.store import SnapshotStore
from retrain.spec.files import load
from retrain.tracker.client import ExperimentTracker
from tests.conftest import Database
from tests.core.conftest import World
from tests.core.preflight.init_tables import TABLES, Table

IN_A_NORMAL_RUN = ("mixed", "few rows")
KINDS = [
    kind if kind in IN_A_NORMAL_RUN else pytest.param(kind, marks=pytest.mark.nightly)  # each takes 10 s and more
    for kind in TABLES
]


@pytest.fixture
def written(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Table], Made]:
    monkeypatch.syspath_prepend(str(tmp_path))

    def written(table: Table, **wish: Any) -> Made:
        with database.connect() as session:
            table.make(session)
        # A name of its own: Python imports a module of one name once.
        model = f"{table.name.rpartition('.')[2]} {uuid4().hex[:6]}"
        return init(Wish(table.name, table.label, model=model, **wish), database.connect, tmp_path)

    return written


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_good_and_runs_a_cycle(
    kind: str,
    written: Callable[[Table], Made],
    one_fresh_process: None,
    database: Database,
    ledger: Ledger,
    tracker: ExperimentTracker,
    tmp_path: Path,
) -> None:
    made = written(TABLES[kind])
    spec = load(made.spec).spec
    model = World(spec, database, SnapshotStore((tmp_path / "snapshots").as_uri()), ledger, tracker)
    assert made.decided.counts.labelled == TABLES[kind].rows

    assert [each.text for each in hold_to_source(spec, model.source) if each.fault] == []

    assert model.sense().enough, f"{spec.threshold} new rows are not there"
    verdict = _cycle(model)
    if kind == "few rows":
        assert "most verdicts will be INCONCLUSIVE" in made.decided.notes[0]
        assert verdict.outcome is Outcome.PROMOTE or "distinct rows and needs 20" in verdict.reason
    else:
        assert verdict.outcome is Outcome.PROMOTE, verdict.reason


def _cycle(model: World) -> Verdict:
    """Run the verbs of a cycle, one after the other, up to its promotion."""
    cycle, snapshot = model.cycle(), model.take()
    assert [each.name for each in check(cycle, snapshot) if not each.passed] == []
    verdict = evaluate(cycle, snapshot, model.train(cycle, snapshot), dry_run=False)
    if verdict.outcome is Outcome.PROMOTE:
        promote(cycle, verdict)
    return verdict
