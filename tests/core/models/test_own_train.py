"""A training function of the user's own."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from retrain.errors import EstimatorError
from retrain.models import training
from retrain.models.learning import PLAIN
from retrain.models.own_train import Context, Given
from retrain.spec.candidates import CandidateSpec
from retrain.spec.task import Task

DICE = np.random.default_rng(0)
ROWS = pd.DataFrame(DICE.normal(size=(1_200, 2)), columns=["a", "b"])
LABELS = pd.Series(np.where(ROWS["a"] > 0, "yes", "no").astype(object))


def made(name: str, context: Context, **params: Any) -> Any:
    candidate = CandidateSpec(name="own", train=f"tests.core.models.own:{name}", params=params)
    return training.made(candidate, Given(ROWS, LABELS), PLAIN, None, context)


@pytest.fixture
def heard() -> list[tuple[int, dict[str, float]]]:
    return []


@pytest.fixture
def context(tmp_path: Path, heard: list[tuple[int, dict[str, float]]]) -> Context:
    return Context.within(600, tmp_path, None, lambda step, metrics: heard.append((step, dict(metrics))))


def test_it_learns_by_batches_and_tells_of_its_steps(
    context: Context, heard: list[tuple[int, dict[str, float]]]
) -> None:
    model = made("by_batches", context, seed=0, passes=3)
    assert (model.predict(ROWS) == LABELS).mean() > 0.95
    assert [step for step, _ in heard] == [0, 1, 2]
    assert set(heard[0][1]) == {"seen_accuracy"}


def test_batches_hold_every_row_once() -> None:
    batches = list(Given(ROWS, LABELS).batches(500))
    assert [len(batch) for batch in batches] == [500, 500, 200]
    whole = pd.concat([batch.to_pandas() for batch in batches], ignore_index=True)
    assert whole[["a", "b"]].equals(ROWS)
    assert list(whole["label"]) == list(LABELS)


def test_it_is_asked_to_stop_before_its_time_is_over(tmp_path: Path, heard: list[tuple[int, dict[str, float]]]) -> None:
    assert not Context.within(600, tmp_path, None, None).stop
    over = Context.within(0, tmp_path, None, lambda step, metrics: heard.append((step, dict(metrics))))
    assert over.stop
    with pytest.raises(AttributeError):  # of scikit-learn: nothing was learnt
        made("by_batches", over, seed=0, passes=3).coef_  # noqa: B018
    assert heard == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing", r"own:nothing returned NoneType, which has no predict; return the fitted model"),
        ("failing", r"own:failing failed on 1,200 rows: ValueError: no device is free"),
        ("without_context", r"own:without_context failed on 1,200 rows: TypeError: .*takes 2 positional arguments"),
        ("elsewhere", r"own:elsewhere returned the path '/', which is not in context.folder; save it there"),
        ("empty_folder", r"own:empty_folder returned the folder '.*', which has no MLmodel; save the model there by"),
        (
            "without_predict",
            r"own:without_predict returned the folder 'model': MLflow has stored it without a predict \(its flavors: "
            r"spacy\); save it by a flavor that has one, or by mlflow\.pyfunc",
        ),
        ("missing", r"train = 'tests.core.models.own:missing': tests.core.models.own has no function missing"),
    ],
)
def test_what_it_gets_wrong_is_one_clear_line(context: Context, name: str, says: str) -> None:
    with pytest.raises(EstimatorError, match=rf"candidate 'own': {says}" if name == "missing" else says):
        made(name, context, path="/")


def test_labels_of_one_class_are_refused_before_it_is_called(context: Context) -> None:
    candidate = CandidateSpec(name="own", train="tests.core.models.own:failing")
    with pytest.raises(EstimatorError, match="1 different labels: nothing can be learnt"):
        training.made(candidate, Given(ROWS, pd.Series(["yes"] * len(ROWS))), PLAIN, None, context)


@pytest.mark.parametrize("way", ["array", "column", "list", "series", "table"])
def test_a_folder_of_mlflows_predicts_one_label_a_row_whatever_its_predict_gives(context: Context, way: str) -> None:
    model = made("folder", context, way=way)
    labels = training.predict(model, ROWS, Task.CLASSIFICATION).labels
    assert list(labels) == list(np.where(ROWS["a"] + ROWS["b"] > 0, "yes", "no"))


@pytest.mark.parametrize(("way", "shape"), [("wide", "1200, 2"), ("half", "600,")])
def test_a_folder_that_does_not_give_one_label_a_row_is_refused(context: Context, way: str, shape: str) -> None:
    with pytest.raises(EstimatorError, match=rf"gave predictions of shape \({shape}\) for 1,200 rows"):
        training.predict(made("folder", context, way=way), ROWS, Task.CLASSIFICATION)


def test_a_folder_of_an_estimator_has_its_probabilities(context: Context) -> None:
    predictions = training.predict(made("estimator_folder", context), ROWS, Task.CLASSIFICATION)
    assert predictions.classes == ("no", "yes")
    assert predictions.probabilities is not None
    assert (predictions.labels == LABELS).mean() > 0.9


def test_a_model_from_a_folder_can_be_kept_beside_it(context: Context) -> None:
    model = made("folder", context)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301 - as a backtest keeps it
    assert list(again.predict(ROWS)) == list(model.predict(ROWS))
