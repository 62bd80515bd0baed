"""A person takes over a Production of somebody else's: what they trust is one digest, and a proof on rows of theirs."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from retrain.cycle.promote import promote
from retrain.errors import AdoptionError, EstimatorError, ForeignProductionError, RetrainError, SettingsError
from retrain.models.sandbox import Sandbox
from retrain.production import adoption
from retrain.production.adoption import Found, Trust
from retrain.production.known import refuse_unknown
from retrain.production.mode import mode_of
from retrain.records import Move, Outcome, Subset
from retrain.spec.operation import Mode
from tests.core.conftest import Make, World
from tests.faults import by_hand

PERSON = {"by": "kim", "why": "we know who made it"}
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


class Telling(LogisticRegression):
    """Says which variables it finds where it is asked, instead of predicting."""

    def predict(self, _: Any) -> Any:
        found = [
            name for name in sorted(os.environ) if name.startswith(("AIRFLOW", "MLFLOW", "PG", "AWS", "HOME", "NLTK"))
        ]
        raise RuntimeError(" ".join(f"{name}={os.environ[name]}" for name in found))


@contextmanager
def looked_at(model: World, version: str | None = None) -> Iterator[Found]:
    with tempfile.TemporaryDirectory() as folder:
        yield model.registry.look(model.registry.candidate(model.model, version), Path(folder))


def trust_in(found: Found, **other: Any) -> Trust:
    return Trust(**{"format": found.format, "digest": found.digest[:12], **PERSON, **other})


@pytest.fixture
def theirs(world: Make) -> World:
    """A model whose version 1 is a pickle in stage Production, which nobody knows."""
    model = world()
    model.feed(1000)
    by_hand.log_pickle(model.tracker, model.model, LogisticRegression(), stage="Production")
    return model


def test_what_looks_like_production_is_shown_before_anything_of_it_is_loaded(theirs: World) -> None:
    with looked_at(theirs) as found:
        assert (found.version.version, found.format, found.runs_code) == ("1", "cloudpickle", True)
        assert len(found.digest) == 64
        assert found.differences == ""
    assert theirs.ledger.known_versions(theirs.model) == set()


def test_it_is_adopted_becomes_production_and_is_only_observed_until_somebody_says_otherwise(theirs: World) -> None:
    with looked_at(theirs) as found:
        row = theirs.registry.take_over(found, trust_in(found, trained_before=LONG_AGO), theirs.spec, theirs.source)
    assert row is not None
    assert (row.from_version, row.to_version, row.by, row.why) == (None, "1", "kim", "we know who made it")
    assert theirs.tracker.production(theirs.model) == "1"
    refuse_unknown(theirs.model, theirs.ledger, theirs.tracker)
    assert mode_of(theirs.spec, theirs.ledger) is Mode.OBSERVE
    cycle, verdict = theirs.judge()
    assert (verdict.matchup.production, verdict.outcome) == ("1", Outcome.PROMOTE), verdict.reason
    assert "only observed, nothing was changed; it would have been: PROMOTE" in "".join(theirs.headlines())
    with pytest.raises(RetrainError, match="PROMOTE in mode observe promotes nothing"):
        promote(cycle, verdict)
    enforced = replace(theirs, spec=theirs.spec.model_copy(update={"mode": Mode.ENFORCE}))
    enforced.feed(1000)
    assert enforced.promote().from_version == "1"
    assert mode_of(theirs.spec, theirs.ledger) is Mode.ENFORCE, "what is in Production now was not adopted"
    assert enforced.registry.rollback(theirs.model, expects="3", **PERSON).to_version == "1"
    assert mode_of(theirs.spec, theirs.ledger) is Mode.OBSERVE


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"format": "skops"}, "format = 'skops', and its files are cloudpickle; repeat that if you trust it"),
        ({"digest": "0" * 12}, "digest = '000000000000', and that of its files is "),
        ({"digest": ""}, "digest = '', and that of its files is "),
        ({"digest": "%"}, "digest = '%'"),
    ],
)
def test_who_repeats_another_format_or_digest_has_not_seen_it(theirs: World, other: dict[str, str], says: str) -> None:
    with looked_at(theirs) as found, pytest.raises(AdoptionError) as refused:
        theirs.registry.take_over(found, trust_in(found, **other), theirs.spec, theirs.source)
    assert says in str(refused.value)
    assert theirs.ledger.known_versions(theirs.model) == set()
    assert theirs.tracker.production(theirs.model) is None


def test_it_finds_no_login_where_it_is_loaded(world: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    model = world()
    model.feed(200)
    by_hand.log_pickle(model.tracker, model.model, Telling(), stage="Production")
    for name in ("AIRFLOW_CONN_TEAM", "MLFLOW_TRACKING_PASSWORD", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "NLTK_DATA"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("RETRAIN_SANDBOX_ENV", "NLTK_DATA, NO_SUCH")
    monkeypatch.setattr(adoption, "Sandbox", Sandbox)  # not the one of all tests, which was there before the variables
    with looked_at(model) as found, pytest.raises(EstimatorError) as refused:
        model.registry.take_over(found, trust_in(found), model.spec, model.source)
    told = str(refused.value)
    assert "NLTK_DATA=secret" in told
    assert "HOME=" in told
    assert str(Path.home()) not in told.partition("HOME=")[2].split()[0]
    assert not any(name in told for name in ("AIRFLOW", "MLFLOW_", "PGPASSWORD", "AWS_SECRET"))
    assert model.ledger.known_versions(model.model) == set(), "what does not score is not adopted"


def test_versions_of_packages_that_differ_are_named(world: Make) -> None:
    model = world()
    model.feed(200)
    by_hand.log_pickle(model.tracker, model.model, LogisticRegression(), requirements=["scikit-learn==1.2.2"])
    with looked_at(model, "1") as found:
        assert found.differences.startswith("it was logged with scikit-learn 1.2.2 (")


def test_it_is_loaded_by_another_interpreter_that_the_installation_lists(
    theirs: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with looked_at(theirs) as found:
        with pytest.raises(SettingsError, match="python = 'old': RETRAIN_PYTHONS lists none; add old=/path/to/python"):
            theirs.registry.adopt(found, trust_in(found, python="old"), theirs.spec, theirs.source)
        monkeypatch.setenv("RETRAIN_PYTHONS", f"old={sys.executable}")
        theirs.registry.take_over(
            found, trust_in(found, python="old", trained_before=LONG_AGO), theirs.spec, theirs.source
        )
    (adopted,) = theirs.ledger.model_files_of_version(theirs.model, "1")
    assert (adopted.python, adopted.adopted) == ("old", True)
    _, there = theirs.judge()
    assert there.outcome is Outcome.PROMOTE, there.reason
    monkeypatch.setenv("RETRAIN_PYTHONS", "new=/usr/bin/python3")
    with pytest.raises(SettingsError, match="lists new; add old=/path/to/python there"):
        theirs.judge()


def test_it_answers_there_as_it_does_here(theirs: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRAIN_PYTHONS", f"old={sys.executable}")
    rows = theirs.snapshots.read(theirs.take(), [Subset.TRAIN])
    with looked_at(theirs) as found, Sandbox() as sandbox:
        asked = [
            sandbox.ask("it", found.folder, found.digest, rows.features, ("pickle",), latency=True, python=python)
            for python in (None, "old")
        ]
    here, there = (each.predictions for each in asked)
    assert list(here.labels) == list(there.labels)
    assert here.classes == there.classes
    assert here.probabilities is not None
    assert there.probabilities is not None
    np.testing.assert_array_equal(here.probabilities, there.probabilities)
    assert all(each.latency_ms and each.latency_ms > 0 for each in asked)
    assert asked[0].inputs == asked[1].inputs


def test_the_history_says_who_answers_for_what_owned_the_alias_already(theirs: World) -> None:
    theirs.tracker._client.set_registered_model_alias(theirs.model, "production", "1")
    with looked_at(theirs) as found:
        theirs.registry.take_over(found, trust_in(found), theirs.spec, theirs.source)
    (row,) = theirs.ledger.history(theirs.model)
    assert (row.kind, row.to_version, row.by, row.why) == (Move.BY_HAND, "1", "kim", "adopted: we know who made it")


def test_of_several_one_must_be_named(theirs: World) -> None:
    by_hand.register(theirs.tracker, theirs.model, aliases=("champion",))
    with pytest.raises(AdoptionError, match=r"several look like Production \(.*version 1 .* and version 2|version 2"):
        theirs.registry.candidate(theirs.model, None)
    assert theirs.registry.candidate(theirs.model, "2").version == "2"
    with looked_at(theirs, "2") as found, pytest.raises(ForeignProductionError, match=r"version 1 \(stage Production"):
        theirs.registry.take_over(found, trust_in(found), theirs.spec, theirs.source)


def test_what_a_person_has_dismissed_is_found_anew_when_it_stands_otherwise(theirs: World) -> None:
    with pytest.raises(ForeignProductionError):
        refuse_unknown(theirs.model, theirs.ledger, theirs.tracker)
    assert [each.version for each in theirs.registry.dismiss(theirs.model, **PERSON)] == ["1"]
    refuse_unknown(theirs.model, theirs.ledger, theirs.tracker)
    assert theirs.promote().from_version is None
    theirs.tracker._client.delete_registered_model_alias(theirs.model, "production")
    theirs.tracker._client.set_registered_model_alias(theirs.model, "champion", "1")
    with pytest.raises(ForeignProductionError, match=r"version 1 .*alias champion"):
        refuse_unknown(theirs.model, theirs.ledger, theirs.tracker)


def test_who_owns_the_alias_of_the_spec_cannot_be_dismissed(theirs: World) -> None:
    theirs.tracker._client.set_registered_model_alias(theirs.model, "production", "1")
    with pytest.raises(AdoptionError, match="owns the alias of Production; delete the alias in MLflow"):
        theirs.registry.dismiss(theirs.model, **PERSON)


def test_without_rows_there_is_nothing_to_prove_it_on(world: Make) -> None:
    model = world()
    by_hand.log_pickle(model.tracker, model.model, LogisticRegression())
    with looked_at(model, "1") as found, pytest.raises(AdoptionError, match="the source has no labelled row yet"):
        model.registry.adopt(found, trust_in(found), model.spec, model.source)


def test_rows_from_before_its_training_do_not_judge_it(theirs: World) -> None:
    with looked_at(theirs) as found:
        theirs.registry.take_over(found, trust_in(found), theirs.spec, theirs.source)
    _, verdict = theirs.judge()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "that an adopted version may have trained on do not count" in verdict.reason
    theirs.feed(2000, start=datetime.now(UTC) + timedelta(seconds=1))
    _, verdict = theirs.judge()
    assert verdict.rows > 100
