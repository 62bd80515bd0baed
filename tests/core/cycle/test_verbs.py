"""A model's cycle by its verbs, against a real PostgreSQL and a real MLflow server."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from retrain.cycle.evaluate import evaluate
from retrain.cycle.promote import may_promote, promote
from retrain.cycle.sense import sense
from retrain.cycle.train import train
from retrain.errors import EstimatorError, NoAnswerError, RetrainError, SpecError, StaleVerdictError
from retrain.records import Outcome, Subset, Verdict
from retrain.reports import chart_style, verdict_chart
from retrain.spec.operation import Mode
from retrain.spec.parse import parse
from retrain.spec.source import Split
from stack.local import Running
from tests.core import toys
from tests.core.conftest import World

Make = Callable[..., World]


def test_a_first_model_that_reaches_the_floor_is_promoted(world: Make) -> None:
    model = world()
    model.feed(2000)
    cycle, verdict = model.judge()
    assert verdict.outcome is Outcome.PROMOTE
    assert verdict.matchup.candidate == "whole"
    assert verdict.matchup.production is None
    promotion = promote(cycle, verdict)
    assert (promotion.seq, promotion.from_version, promotion.to_version) == (1, None, "1")
    assert promotion.applied_at is not None
    assert model.tracker.production(model.model) == "1"
    assert model.tracker.stage(model.model, "1") == "Production"


def test_a_better_model_replaces_the_first_when_the_world_has_changed(world: Make) -> None:
    model = world()
    model.feed(2000)
    model.promote()
    model.feed(4000, turn=1.2)
    cycle, verdict = model.judge()
    assert verdict.outcome is Outcome.PROMOTE, verdict.reason
    assert verdict.matchup.production == "1"
    assert verdict.matchup.holdout_round == 2
    assert verdict.production_score is not None
    assert promote(cycle, verdict).to_version == "2"
    assert model.tracker.production(model.model) == "2"
    assert model.tracker.stage(model.model, "1") == "Archived"
    assert model.tracker.stage(model.model, "2") == "Production"


def test_a_model_that_is_no_better_is_held_and_the_team_is_told(world: Make) -> None:
    model = world()
    model.feed(2000)
    model.promote()
    model.told()
    model.feed(600)
    cycle, verdict = model.judge()
    assert verdict.outcome is Outcome.HOLD
    assert not may_promote(model.spec, verdict)
    with pytest.raises(RetrainError, match="promotes nothing"):
        promote(cycle, verdict)
    assert model.tracker.production(model.model) == "1"
    (headline,) = model.told()
    assert "HOLD" in headline


def test_a_first_model_below_the_floor_is_held(world: Make) -> None:
    model = world(gate={"metric": "accuracy", "floor": 0.99})
    model.feed(2000)
    _, verdict = model.judge()
    assert verdict.outcome is Outcome.HOLD
    assert model.tracker.production(model.model) is None


def test_the_best_on_validation_rows_is_judged_and_equal_ones_go_by_the_order_of_the_spec(world: Make) -> None:
    both = {"estimator": "tests.core.toys:logistic", "params": {"columns": ["a", "b"]}}
    model = world(candidates=[{"name": "second", **both}, {"name": "first", **both}])
    model.feed(1000)
    cycle, snapshot = model.cycle(), model.take()
    candidates = model.train(cycle, snapshot)
    assert candidates[0].validation_score == candidates[1].validation_score
    verdict = evaluate(cycle, snapshot, candidates[::-1], dry_run=False)
    assert verdict.matchup.candidate == "second"


def test_only_the_winner_is_registered_and_it_has_trained_on_validation_rows_too(world: Make) -> None:
    model = world()
    model.feed(2000)
    _, verdict = model.judge()
    file = model.ledger.model_file_of_version(model.model, "1")
    assert file is not None
    assert (file.name, file.subsets) == ("whole", (Subset.TRAIN, Subset.VALIDATION))
    assert verdict.matchup.version == "1"
    assert [each.version for each in model.tracker.list_model_versions(model.model)] == ["1"]


def test_a_dry_run_judges_and_changes_nothing(world: Make) -> None:
    model = world()
    model.feed(2000)
    _, verdict = model.judge(dry_run=True)
    assert verdict.outcome is Outcome.PROMOTE
    assert verdict.matchup.version is None
    assert not may_promote(model.spec, verdict)
    assert model.tracker.production(model.model) is None
    assert model.ledger.last_consumed(model.model) is None
    assert model.ledger.tests_spent(model.model, 1) == 0
    assert sense(model.spec, source=model.source, ledger=model.ledger).enough
    assert model.promote().to_version == "1"


def test_a_model_that_is_only_observed_is_judged_and_never_promoted(world: Make) -> None:
    model = world(mode="observe")
    model.feed(2000)
    cycle, verdict = model.judge()
    assert verdict.outcome is Outcome.PROMOTE
    with pytest.raises(RetrainError, match="observe"):
        promote(cycle, verdict)


def test_sensing_says_how_many_rows_are_missing_and_starts_again_after_a_verdict(world: Make) -> None:
    model = world()
    model.feed(300)
    sensed = sense(model.spec, source=model.source, ledger=model.ledger)
    assert (sensed.enough, sensed.missing) == (False, 200)
    model.feed(700)
    assert sense(model.spec, source=model.source, ledger=model.ledger).enough
    model.judge()
    assert sense(model.spec, source=model.source, ledger=model.ledger).new_rows == 0
    model.feed(100)
    assert sense(model.spec, source=model.source, ledger=model.ledger).new_rows == 100


def test_without_a_label_time_sensing_counts_what_the_last_snapshot_did_not_hold(world: Make) -> None:
    model = world(source={"table": "rows", "key": "id", "label": "label", "features": ["a", "b"]})
    model.feed(800)
    model.judge()
    assert sense(model.spec, source=model.source, ledger=model.ledger).new_rows == 0
    model.feed(120)
    assert sense(model.spec, source=model.source, ledger=model.ledger).new_rows == 120


def test_every_step_run_again_gives_the_same_result_once(world: Make) -> None:
    model = world()
    model.feed(2000)
    cycle, snapshot = model.cycle("again"), model.take()
    assert model.take() == snapshot
    candidates = model.train(cycle, snapshot)
    assert model.train(model.cycle("again"), snapshot) == candidates
    verdict = evaluate(cycle, snapshot, candidates, dry_run=False)
    assert evaluate(model.cycle("again"), snapshot, candidates, dry_run=False) == verdict
    promotion = promote(cycle, verdict)
    assert promote(model.cycle("again"), verdict) == promotion
    assert len(model.told()) == 2
    assert model.ledger.tests_spent(model.model, 1) == 1


def test_a_verdict_made_against_another_production_is_refused(world: Make) -> None:
    model = world()
    model.feed(2000)
    one, first = model.judge()
    other, second = model.judge()
    assert first.matchup.production is None
    assert second.matchup.production is None
    promote(one, first)
    with pytest.raises(StaleVerdictError, match="Production is version 1"):
        promote(other, second)
    assert model.tracker.production(model.model) == "1"


def test_a_candidate_that_cannot_be_built_is_refused_before_anything_is_made(world: Make) -> None:
    model = world(candidates=[{"name": "none", "estimator": "tests.core.toys:nothing"}])
    model.feed(600)
    with pytest.raises(EstimatorError, match="has no function nothing"):
        model.train(model.cycle("broken"), model.take())
    experiment = model.tracker.create_experiment(model.model)
    snapshot = model.take()
    assert model.tracker.find_run(experiment, model.cycle("broken").key("cycle", snapshot.id)) is None


def test_an_unknown_candidate_is_refused(world: Make) -> None:
    model = world()
    model.feed(600)
    with pytest.raises(SpecError, match="half, whole"):
        train(model.cycle(), model.take(), "third")


def test_rows_of_one_class_fail_with_a_reason_and_the_run_says_failed(world: Make) -> None:
    model = world()
    model.feed(600)
    with model.database.connect() as session:
        session.cursor().execute("UPDATE rows SET label = 'yes'")
    cycle, snapshot = model.cycle("single"), model.take()
    with pytest.raises(EstimatorError, match="nothing can be learnt"):
        model.train(cycle, snapshot)
    experiment = model.tracker.create_experiment(model.model)
    run = model.tracker.find_run(experiment, cycle.key("train", snapshot.id, "half"))
    assert run is not None
    assert model.tracker.get_run(run).status == "FAILED"


def test_a_production_that_retrain_did_not_log_makes_the_verdict_inconclusive(world: Make) -> None:
    model = world()
    model.feed(2000)
    _, first = model.judge()
    # Somebody registers a file of his own and gives it the alias.
    uri = model.ledger.model_file_of_version(model.model, "1")
    assert uri is not None
    foreign = model.tracker.register_model(first.matchup.run_id, model.model, uri.uri, key="ab12")
    model.tracker.set_production(model.model, foreign)
    model.feed(600)
    _, verdict = model.judge()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "was not logged by Retrain" in verdict.reason
    assert model.tracker.production(model.model) == foreign


def test_a_production_that_cannot_be_loaded_is_replaced_only_by_force(world: Make, mlflow_server: Running) -> None:
    model = world()
    model.feed(2000)
    model.promote()
    file = model.ledger.model_file_of_version(model.model, "1")
    assert file is not None
    (stored,) = mlflow_server.home.artifacts.rglob(f"{file.uri.removeprefix('models:/')}/**/model.skops")
    stored.write_bytes(b"not a model")
    model.feed(600)
    cycle, verdict = model.judge()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "version 1: " in verdict.reason
    assert verdict.score is not None
    with pytest.raises(RetrainError, match="INCONCLUSIVE in mode enforce promotes nothing"):
        promote(cycle, verdict)
    promotion = promote(cycle, verdict, force="its files are broken", by="kim")
    assert (promotion.to_version, promotion.by) == ("2", f"kim in {cycle}")
    assert promotion.why.startswith("forced: its files are broken; the verdict was INCONCLUSIVE: version 1: ")


def test_what_misses_the_floor_is_not_promoted_by_force_either(world: Make) -> None:
    model = world(gate={"metric": "accuracy", "floor": 0.99})
    model.feed(2000)
    cycle, verdict = model.judge()
    with pytest.raises(RetrainError, match="HOLD in mode enforce promotes nothing"):
        promote(cycle, verdict, force="now", by="kim")
    observed = model.spec.model_copy(update={"mode": Mode.OBSERVE})
    assert not may_promote(observed, verdict.model_copy(update={"outcome": Outcome.PROMOTE}), force="now")


def test_the_same_candidate_on_the_same_snapshot_as_production_is_held(world: Make) -> None:
    model = world()
    model.feed(2000)
    model.promote()
    _, verdict = model.judge()
    assert verdict.outcome is Outcome.HOLD
    assert "Production is the same candidate on the same snapshot" in verdict.reason


def test_split_by_time_the_newest_rows_judge(world: Make) -> None:
    model = world(split={"by": "time", "gap": "1m"})
    model.feed(2000)
    snapshot = model.take()
    # Rows are labelled a second apart.
    assert snapshot.subsets == {
        Subset.TRAIN: 1080,
        Subset.VALIDATION: 400,
        Subset.HOLDOUT: 400,
        Subset.WAITING: 0,
        Subset.GAP: 120,
    }
    _, verdict = model.judge()
    assert (verdict.outcome, verdict.rows, verdict.overlap) == (Outcome.PROMOTE, 400, 0)


def test_split_by_group_each_group_is_one_cluster(world: Make) -> None:
    source = {"table": "rows", "key": "id", "label": "label", "features": ["a", "b"], "group": "applicant"}
    model = world(source=source, split={"by": "group"})
    with model.database.connect() as session:
        session.cursor().execute("ALTER TABLE rows ADD applicant bigint GENERATED ALWAYS AS (id / 2) STORED")
    model.feed(2000)
    _, verdict = model.judge()
    assert verdict.outcome is Outcome.PROMOTE
    assert verdict.rows == 2 * verdict.clusters > 0


def test_after_a_change_of_the_split_rows_that_production_has_trained_on_do_not_judge(world: Make) -> None:
    model = world()
    model.feed(2000)
    model.promote()
    model.told()
    model.spec = model.spec.model_copy(update={"split": Split(by="time")})
    _, verdict = model.judge()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "left out because a model had trained on them" in verdict.reason
    assert verdict.overlap + verdict.rows == 400
    assert verdict.matchup.holdout_round == 2
    split, judged = model.told()
    assert "the spec splits rows by time (0.2 validation, 0.2 holdout), no longer by hash" in split
    assert "INCONCLUSIVE" in judged
    model.feed(600)
    snapshot = model.take()
    assert (snapshot.new_rows, snapshot.split_version) == (600, 2)
    _, verdict = model.judge()
    assert (verdict.outcome, verdict.rows, verdict.overlap) == (Outcome.HOLD, 600, 0)
    assert (verdict.matchup.holdout_round, verdict.matchup.test) == (3, 1)


def test_a_regression_goes_the_same_way(world: Make) -> None:
    source = {"table": "numbers", "key": "id", "label": "y", "label_time": "labelled_at", "features": ["a", "b"]}
    model = world(
        source=source,
        task="regression",
        candidates=[{"name": "ridge", "estimator": "tests.core.toys:ridge", "params": {"columns": ["a", "b"]}}],
        gate={"metric": "rmse", "ceiling": 2.0, "limits": [{"metric": "sklearn:explained_variance", "floor": 0.1}]},
    )
    with model.database.connect() as session:
        toys.numbers(session, "numbers", 1500)
    cycle, verdict = model.judge()
    assert verdict.outcome is Outcome.PROMOTE, verdict.reason
    assert verdict.score is not None
    assert 0.5 < verdict.score < 1.5  # what is left: the noise and the squares, on rows that the salt has chosen
    assert "explained_variance" in " ".join(guard.says for guard in verdict.guards)
    promote(cycle, verdict)
    better = [
        {"name": "squared", "estimator": "tests.core.toys:ridge", "params": {"columns": ["a", "b"], "squares": True}}
    ]
    data = {**model.spec.model_dump(mode="json"), "candidates": better}
    after = replace(model, spec=parse(data, "toy.yaml"))
    with model.database.connect() as session:
        toys.numbers(session, "numbers", 1500, first=1500)
    _, verdict = after.judge()
    assert verdict.outcome is Outcome.PROMOTE, verdict.reason
    assert verdict.difference is not None
    assert verdict.difference < 0
    assert "below 0 is better" in verdict.reason


def _uploaded(model: World, verdict: Verdict) -> list[str]:
    return [file.path for file in model.tracker._client.list_artifacts(verdict.matchup.run_id, "verdict")]


def test_a_verdict_is_on_its_run_as_a_file_with_rows_that_flipped_and_as_a_picture(
    world: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict_chart, "save", chart_style.save)  # its own, for once
    model = world()
    model.feed(2000)
    model.promote()
    model.feed(4000, turn=1.2)
    _, verdict = model.judge()

    assert _uploaded(model, verdict) == ["verdict/verdict.json", "verdict/verdict.png"]
    path = model.tracker._client.download_artifacts(verdict.matchup.run_id, "verdict/verdict.json", str(tmp_path))
    written = json.loads(Path(path).read_text(encoding="utf-8"))
    to_wrong, to_right = written.pop("right_to_wrong_keys"), written.pop("wrong_to_right_keys")
    assert Verdict.from_json(written) == verdict
    assert verdict.wrong_to_right > 50
    assert (len(to_wrong), len(to_right)) == (min(50, verdict.right_to_wrong), 50)
    holdout = model.snapshots.read(model.ledger.snapshot(model.model, verdict.matchup.snapshot), [Subset.HOLDOUT])
    assert set(to_wrong) | set(to_right) <= set(holdout.keys.to_pylist())
    assert not set(to_wrong) & set(to_right)


def test_a_picture_that_cannot_be_drawn_is_a_warning(
    world: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("retrain.reports.verdict_chart.write", broken)
    model = world()
    model.feed(2000)

    _, verdict = model.judge()

    assert verdict.outcome is Outcome.PROMOTE
    assert _uploaded(model, verdict) == ["verdict/verdict.json"]
    assert "the verdict could not be drawn" in caplog.text


def test_no_verdict_is_saved_before_its_files_are_and_a_retry_uploads_them(
    world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = world()
    model.feed(2000)
    cycle, snapshot = model.cycle(), model.take()
    candidates = model.train(cycle, snapshot)

    def away(*_: object) -> None:
        raise NoAnswerError("MLflow did not answer")

    with monkeypatch.context() as patch:
        patch.setattr("retrain.tracker.client.ExperimentTracker.log_artifact", away)
        with pytest.raises(NoAnswerError):
            evaluate(cycle, snapshot, candidates, dry_run=False)
    assert model.ledger.verdict(cycle.key("verdict", snapshot.id)) is None
    assert model.ledger.tests_spent(model.model, 1) == 0
    verdict = evaluate(cycle, snapshot, candidates, dry_run=False)
    assert len(_uploaded(model, verdict)) == 2
