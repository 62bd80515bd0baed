"""After any actions in any order, kills and changes by hand included, Production is what the ledger says."""

from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from retrain.errors import RetrainError
from retrain.ledger.ledger import Ledger
from retrain.production.apply import apply
from retrain.snapshots.store import SnapshotStore
from retrain.tracker.entities import LoggedModel
from tests.conftest import Database
from tests.core import versions
from tests.core.racer import Unproven
from tests.fake_tracker import FakeTracker

VERSIONS = ("1", "2", "3")
PERSON = {"by": "kim", "why": "a test"}
Death = tuple[str, bool] | None
version = st.sampled_from(VERSIONS)
dies = st.none() | st.tuples(st.sampled_from(["set_production", "transition_model_stage"]), st.booleans())


class Killed(BaseException):
    """The process ends here."""


class Faulty(FakeTracker):
    """A tracker that dies at the next write of this name, before it or after it."""

    dies: Death = None

    ledger: Ledger

    def set_production(self, model_name: str, version: str) -> None:
        (decided,) = [row for row in self.ledger.history(model_name) if not (row.applied_at or row.superseded_at)]
        assert self.production(model_name) == decided.from_version  # what was done by hand is not overwritten
        self._write("set_production", partial(super().set_production, model_name, version))

    def transition_model_stage(self, *arguments: Any, **named: Any) -> None:
        self._write("transition_model_stage", partial(super().transition_model_stage, *arguments, **named))

    def log_model(self, run_id: str, *_: Any, key: str, **__: Any) -> LoggedModel:
        """Log a model without files: nothing here loads them, and to write them takes longer than all else."""
        made = self._logged.setdefault((self.get_run(run_id).experiment_id, key), f"m-{uuid4().hex}")
        self._models_of[run_id].add(made)
        return LoggedModel(f"models:/{made}", "0" * 64)

    def _write(self, name: str, write: Callable[[], None]) -> None:
        dies, after = self.dies or ("", False)
        if dies != name:
            return write()
        self.dies = None
        if after:
            write()
        raise Killed


class Machine(RuleBasedStateMachine):
    """Three versions of one model, and all that can be done to them."""

    def __init__(self, database: Database, folder: Path) -> None:
        super().__init__()
        self.model = f"toy-{uuid4().hex}"
        self.tracker = Faulty(folder / self.model)
        self.ledger = self.tracker.ledger = Ledger(database.connect)
        self.database = database
        self.registry = Unproven(self.ledger, self.tracker, SnapshotStore((folder / "snapshots").as_uri()))
        self.by_hand = 0

    @initialize()
    def register(self) -> None:
        versions.register(self.model, VERSIONS, self.ledger, self.tracker, self.registry.snapshots)

    @rule(target_version=version, dies=dies)
    def promote(self, target_version: str, dies: Death) -> None:
        self.tracker.dies = dies
        with suppress(RetrainError, Killed):
            self.registry.transition_model_stage(
                self.model, target_version, "Production", expects=self._head(), **PERSON
            )

    @rule(target_version=version, expected=version)
    def promote_what_may_be_stale(self, target_version: str, expected: str) -> None:
        before, last = len(self._changes()), self._last()
        with suppress(RetrainError, Killed):
            self.registry.transition_model_stage(self.model, target_version, "Production", expects=expected, **PERSON)
        if last != expected and self.tracker.dies is None:
            assert [row.to_version for row in self._changes()[before:] if row.by == "kim"] in ([], [target_version])

    @precondition(lambda self: self._head() is not None)
    @rule(to=st.none() | version, twice=st.booleans(), dies=dies)
    def roll_back(self, to: str | None, twice: bool, dies: Death) -> None:
        self.tracker.dies = dies
        expects = self._head() or ""
        for _ in range(1 + twice):
            with suppress(RetrainError, Killed):
                self.registry.rollback(self.model, expects=expects, to=to, **PERSON)

    @rule(target_version=version, stage=st.sampled_from(["Staging", "Archived", "None"]))
    def set_stage(self, target_version: str, stage: Any) -> None:
        with suppress(RetrainError, Killed):
            self.registry.transition_model_stage(self.model, target_version, stage, expects=None, **PERSON)

    @rule(target_version=version, by_hand=version)
    def be_killed_and_find_it_changed_by_hand(self, target_version: str, by_hand: str) -> None:
        self.promote(target_version=target_version, dies=("set_production", False))
        self.change_by_hand(target_version=by_hand)

    @rule(target_version=version)
    def change_by_hand(self, target_version: str) -> None:
        FakeTracker.set_production(self.tracker, self.model, target_version)

    @rule()
    def go_on(self) -> None:
        """The next caller carries out what was decided; afterwards all agree."""
        self.tracker.dies = None
        owner = apply(self.model, self.ledger, self.tracker)
        with self.ledger.lock_production(self.model) as production:
            assert production.pending() is None
            assert production.head() == owner == self.tracker.production(self.model)

    @invariant()
    def at_most_one_version_is_in_stage_production(self) -> None:
        stages = [each.stage for each in self.tracker.list_model_versions(self.model)] if self.tracker._models else []
        assert stages.count("Production") <= 1

    @invariant()
    def the_ledger_is_a_chain_and_each_change_is_announced_once(self) -> None:
        applied = [row for row in self.ledger.history(self.model) if row.applied_at]
        assert all(after.from_version == before.to_version for before, after in pairwise(applied))
        closed = [row for row in self.ledger.history(self.model) if row.applied_at or row.superseded_at]
        with closing(self.database.connect()) as session, session.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM retrain.outbox WHERE model = %s", (self.model,))
            assert cursor.fetchone() == (len(closed),)

    def _changes(self) -> list[Any]:
        return self.ledger.history(self.model)

    def _last(self) -> str | None:
        return next((row.to_version for row in reversed(self._changes()) if row.applied_at), None)

    def _head(self) -> str | None:
        return self.tracker.production(self.model)


@pytest.mark.parametrize("examples", [10, pytest.param(300, marks=pytest.mark.soak)])
def test_production_has_one_owner_and_a_true_history_whatever_is_done(
    database: Database, ledger: Ledger, tmp_path: Path, examples: int
) -> None:
    run_state_machine_as_test(
        lambda: Machine(database, tmp_path),
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
