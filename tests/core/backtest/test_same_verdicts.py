"""The backtest decides as the cycle does: one history through both, verdict by verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from retrain.backtest.history import History
from retrain.backtest.replay import Replay
from retrain.backtest.replayed import Decision, Policy
from retrain.backtest.run import Options, running
from retrain.cycle.evaluate import evaluate
from retrain.cycle.promote import promote
from retrain.records import Outcome, Verdict
from retrain.source.table import Source
from tests.core.conftest import Make, World

FIRST, THRESHOLD = 600, 250
WHOLE = {"name": "whole", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}}
PLAIN = {"name": "plain", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"], "c": 0.01}}
HALF = {"name": "half", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a"]}}
GROUPED = {
    "source": {
        "table": "rows",
        "key": "id",
        "label": "label",
        "label_time": "labelled_at",
        "features": ["a", "b"],
        "group": "applicant",
    },
    "split": {"by": "group"},
}


@dataclass(frozen=True)
class Cycled:
    """What the cycle itself has decided."""

    ids: tuple[tuple[str, str], ...]
    """Of each cycle: those of its verdict and of its second one."""
    verdicts: tuple[Verdict, ...]
    promoted: tuple[bool, ...]


NIGHTLY = pytest.mark.nightly  # each goes five times through MLflow


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(
            {"candidates": [WHOLE, PLAIN, HALF], "gate": {"round_rows": 100, "margin": 0.05}},
            id="candidates",
            marks=NIGHTLY,
        ),
        pytest.param({"snapshot": {"window": "15m"}, "gate": {"round_rows": 50}}, id="window"),
        pytest.param({"gate": {"round_rows": 60}}, id="auto", marks=NIGHTLY),
        pytest.param(
            {"gate": {"proof": "superiority", "spending": "even", "round_rows": 60}}, id="superiority", marks=NIGHTLY
        ),
        pytest.param(
            {"gate": {"proof": "non_inferiority", "round_rows": 40, "metric": "log_loss", "ceiling": 2}},
            id="non-inferiority",
            marks=NIGHTLY,
        ),
        pytest.param(
            {"split": {"by": "time", "holdout": 0.1, "gap": "1m"}, "gate": {"round_rows": 60}},
            id="by time",
            marks=NIGHTLY,
        ),
        pytest.param({"snapshot": {"max_rows": 700}, "gate": {"round_rows": 50}}, id="most rows", marks=NIGHTLY),
        pytest.param(GROUPED, id="by group", marks=NIGHTLY),
    ],
)
def test_a_history_replayed_gives_the_verdicts_of_the_cycle(world: Make, fields: dict[str, Any]) -> None:
    model = world(
        **{
            "candidates": [WHOLE],
            "threshold": {"rows": THRESHOLD},
            "wake": "on_arrival",
            **fields,
        }
    )
    if "group" in fields.get("source", {}):
        model.execute("ALTER TABLE rows ADD applicant bigint GENERATED ALWAYS AS (id / 2) STORED")
    cycled = _cycled(model, turns=(0.0, 0.0, 0.4, 0.4, 0.8))
    replayed = _replayed(model, cycled)
    judged = [each.verdict for each in replayed]
    assert len(judged) == len(cycled.verdicts) >= 5
    for number, (own, theirs) in enumerate(zip(judged, cycled.verdicts, strict=True)):
        assert own is not None
        assert _decided(own) == _decided(theirs), number
    assert tuple(each.promoted for each in replayed) == cycled.promoted
    assert {each.outcome for each in cycled.verdicts} >= {Outcome.PROMOTE}


def _decided(verdict: Verdict) -> dict[str, Any]:
    """What of a verdict follows from rows, models and gate; not the names that a registry gives."""
    of_matchup = ("candidate", "holdout_round", "test", "same_recipe", "version", "production", "anchor")
    of_verdict = (
        "outcome cause score production_score difference interval proof threshold p_value alpha tests anchors "
        "rows clusters right_to_wrong wrong_to_right overlap"
    )
    matchup = {name: getattr(verdict.matchup, name) for name in of_matchup}
    return matchup | {name: getattr(verdict, name) for name in of_verdict.split()}


def _cycled(model: World, turns: Sequence[float]) -> Cycled:
    """Run a cycle on the first rows, and one after each further batch."""
    ids, verdicts, promoted = list[tuple[str, str]](), list[Verdict](), list[bool]()
    for number, turn in enumerate(turns):
        model.feed(FIRST if number == 0 else THRESHOLD, turn=turn)
        if model.spec.snapshot.window is not None:  # is of the database's clock: the newest row has just been labelled
            model.execute(
                "UPDATE rows SET labelled_at = now() - interval '500 ms' - (newest - id) * interval '1 second' "
                "FROM (SELECT max(id) AS newest FROM rows) AS ids"
            )
        cycle, snapshot = model.cycle(), model.take()
        last = evaluate(cycle, snapshot, model.train(cycle, snapshot), dry_run=False)
        ids.append((cycle.key("verdict", snapshot.id), cycle.key("verdict", snapshot.id, "refit")))
        for each in map(model.ledger.verdict, ids[-1]):
            if each is not None:
                verdicts.append(each)
                promoted.append(each.outcome is Outcome.PROMOTE)
        if last.outcome is Outcome.PROMOTE:
            promote(cycle, last)
    return Cycled(tuple(ids), tuple(verdicts), tuple(promoted))


def _replayed(model: World, cycled: Cycled) -> Sequence[Decision]:
    """Replay the same rows with the ledger's salt, and give each verdict the id, so the resamples, of the cycle's."""
    with model.database.connect() as session, session.cursor() as cursor:
        cursor.execute("SELECT salt FROM retrain.split_versions WHERE model = %s", (model.model,))
        salt = bytes(cursor.fetchone()[0])
    # All rows: the window and the greatest number of rows are the backtest's own to apply.
    with Source(model.database.connect, model.spec.source).labelled() as reader:
        history = History.of(model.spec, reader.read_all(), salt)
    policies = [Policy("shipped", model.spec)]
    with running(policies, history, Options(first=FIRST, jobs=1)) as run:
        timeline = run.timelines[0]
        places = {id(each): number for number, each in enumerate(timeline)}
        replay = Replay(
            policies[0],
            history,
            run.models(),
            timeline,
            timedelta(0),
            THRESHOLD,
            verdict_id=lambda taken, again: cycled.ids[places[id(taken)]][again],
        )
        while replay.next_at is not None:
            for taken in replay.upcoming(1):
                replay.prefetch(taken)
            replay.step()
    assert not replay.blocked
    return replay.decisions
