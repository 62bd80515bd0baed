"""Whatever number is missing or not finite, and whatever class is unknown, nothing is promoted on it."""

from dataclasses import replace

import numpy as np
import pytest

from retrain.gate.judge import judge
from retrain.gate.predictions import RawPredictions
from retrain.metrics import described
from retrain.records import Outcome, Verdict
from retrain.spec.gate import Gate, Slice
from tests.core.gate.evidence import (
    ACCURACY,
    BETTER,
    INPUTS,
    LABELS,
    NUMBERS,
    PAIRS,
    ROWS,
    WORSE,
    as_predictions,
    by_probability,
    evidence_of,
    gate_of,
    judged_by,
    scored,
    scorer,
)

NOT_FINITE = {"NaN": np.nan, "inf": np.inf, "-inf": -np.inf}


def never(verdict, *words):
    """Assert INCONCLUSIVE, with these words in the reason."""
    assert verdict.outcome is Outcome.INCONCLUSIVE, verdict.reason
    for word in words:
        assert word in verdict.reason
    Verdict.from_json(verdict.to_json())


def spoilt(values, bad):
    """Return the values with one bad one."""
    values = values.astype(np.float64 if isinstance(bad, float) else object)
    values[7] = bad
    return values


@pytest.mark.parametrize("bad", [*NOT_FINITE.values(), None, "much"], ids=[*NOT_FINITE, "None", "text"])
@pytest.mark.parametrize("whose", [0, 1], ids=["challenger", "production"])
@pytest.mark.parametrize("metric", ["mae", "rmse", "r2"])
def test_one_prediction_that_is_not_a_number_is_never_promoted(metric, whose, bad):
    models = [*PAIRS[metric]]
    models[whose] = replace(models[whose], labels=spoilt(models[whose].labels, bad))

    never(judged_by(metric, *models), "could not be computed")


@pytest.mark.parametrize("bad", NOT_FINITE.values(), ids=NOT_FINITE)
@pytest.mark.parametrize("metric", ["mae", "rmse", "r2"])
def test_one_label_that_is_not_a_number_is_never_promoted(metric, bad):
    never(judged_by(metric, *PAIRS[metric], labels=spoilt(NUMBERS, bad)), "could not be computed")


@pytest.mark.parametrize("bad", NOT_FINITE.values(), ids=NOT_FINITE)
@pytest.mark.parametrize("whose", [0, 1], ids=["challenger", "production"])
@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "log_loss", "brier"])
def test_one_score_or_probability_that_is_not_a_number_is_never_promoted(metric, whose, bad):
    models = [*PAIRS[metric]]
    needs = described(metric).needs
    models[whose] = replace(models[whose], **{needs: spoilt(getattr(models[whose], needs), bad)})

    never(judged_by(metric, *models), "could not be computed")


@pytest.mark.parametrize("whose", [0, 1], ids=["challenger", "production"])
@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "log_loss", "brier"])
def test_a_model_without_scores_or_probabilities_is_never_promoted(metric, whose):
    models = [*PAIRS[metric]]
    models[whose] = replace(models[whose], scores=None, probabilities=None)

    never(judged_by(metric, *models), "could not be computed")


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_number_whose_square_is_not_finite_is_never_promoted():
    better, worse = PAIRS["rmse"]

    never(judged_by("rmse", better, replace(worse, labels=worse.labels * 1e200)), "RMSE of the two")


def test_the_first_model_needs_a_number_too():
    better, _ = PAIRS["mae"]

    never(judged_by("mae", replace(better, labels=spoilt(better.labels, np.nan)), None), "misses its limit")


@pytest.mark.parametrize("bad", NOT_FINITE.values(), ids=NOT_FINITE)
def test_a_scorer_without_a_finite_value_is_never_promoted(bad):
    gate = scorer("matthews_corrcoef")

    never(judge(evidence_of(BETTER, WORSE, scorers={gate.metric: lambda *_: bad}), gate), "could not be computed")


def test_a_scorer_that_is_missing_is_never_promoted():
    never(
        judge(evidence_of(BETTER, WORSE), scorer("matthews_corrcoef")),
        "matthews_corrcoef of the two could not be computed",
    )


@pytest.mark.parametrize("name", ["neg_log_loss", "roc_auc", "neg_brier_score"])
def test_a_scorer_that_needs_more_than_labels_is_never_promoted_without(name):
    never(scored(BETTER, WORSE, scorer(name, floor=-9)), f"{name} of the two could not be computed")


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "log_loss", "roc_auc"])
def test_labels_of_one_class_are_never_promoted(metric):
    ones, model = np.ones(ROWS, np.int64), by_probability(0.9)

    never(judged_by(metric, model, model, labels=ones), "labels of 1 classes and needs 2")


@pytest.mark.parametrize("metric", ["accuracy", "mae"])
def test_fewer_rows_than_the_least_are_never_promoted(metric):
    some = np.arange(99)
    better, worse = PAIRS.get(metric, (as_predictions(BETTER), as_predictions(WORSE)))
    labels = NUMBERS if metric == "mae" else LABELS

    never(judged_by(metric, better.part(some), worse.part(some), labels=labels[some]), "99 distinct rows and needs 100")


def test_an_empty_slice_is_never_promoted():
    nowhere = Slice(column="text", value="x", margin=0.1)
    gate = Gate(metric="accuracy", slices=(nowhere,))

    never(judge(evidence_of(BETTER, WORSE, slices={str(nowhere): np.zeros(ROWS, bool)}), gate), "slice text = x has 0")


# A model's own classes meet those of the holdout in `among`.


def texts(label_codes):
    return np.array(["fail", "pass"])[label_codes]


def model_of(labels, classes=("fail", "pass"), *, known=("fail", "pass"), positive="pass"):
    """Return the predictions of a model of these classes that is sure of its labels."""
    table = np.full((len(labels), len(known)), 0.1 / max(len(known) - 1, 1))
    table[np.arange(len(labels)), [known.index(str(label)) for label in labels]] = 0.9
    return replace(RawPredictions(labels, known, table).among(classes, positive), inputs=INPUTS)


@pytest.mark.parametrize("metric", ["f1", "recall", "roc_auc"])
def test_a_class_that_only_the_training_rows_have_is_never_promoted(metric):
    # The holdout has no label "maybe": a model that never predicts it is neither good nor bad at it.
    known = ("fail", "maybe", "pass")
    models = [model_of(texts(each), known=known, positive="maybe") for each in (BETTER, WORSE)]

    never(judge(evidence_of(*models), gate_of(metric, positive="maybe", floor=0)), "has none of 'maybe'")


@pytest.mark.parametrize("whose", [0, 1], ids=["challenger", "production"])
def test_a_class_that_only_the_holdout_has_is_never_promoted_by_scores(whose):
    # One of the models was trained before there was a label "maybe", and so has no score for it.
    classes, label_codes = ("fail", "maybe", "pass"), np.arange(ROWS) % 3
    names = np.array(classes)[label_codes]
    models = [model_of(names, classes, known=classes, positive="maybe") for _ in range(2)]
    models[whose] = model_of(np.where(names == "maybe", "pass", names), classes, positive="maybe")

    never(
        judge(evidence_of(*models, labels=label_codes, classes=classes), gate_of("roc_auc", positive="maybe")),
        "ROC AUC",
    )


def test_a_class_that_only_the_holdout_has_is_an_error_of_a_model_that_does_not_know_it():
    classes, label_codes = ("fail", "maybe", "pass"), np.arange(ROWS) % 3
    names = np.array(classes)[label_codes]
    knows, does_not = (
        model_of(names, classes, known=classes),
        model_of(np.where(names == "maybe", "pass", names), classes),
    )
    gate = Gate(metric="f1_macro")

    assert judge(evidence_of(knows, does_not, labels=label_codes, classes=classes), gate).outcome is Outcome.PROMOTE
    assert judge(evidence_of(does_not, knows, labels=label_codes, classes=classes), gate).outcome is Outcome.HOLD


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "log_loss"])
def test_one_and_the_text_of_it_are_one_class(metric):
    names = ("0", "1")
    as_text, as_object = BETTER.astype(str), np.array([int(each) for each in BETTER], dtype=object)
    models = [model_of(each, names, known=names, positive=None) for each in (as_text, as_object)]

    verdict = judge(evidence_of(*models, classes=names), gate_of(metric, tests=1))

    assert verdict.outcome is Outcome.HOLD
    assert verdict.reason.endswith("the two agree in every prediction that counts")


@pytest.mark.parametrize("whose", [0, 1], ids=["the challenger", "Production (version 1)"])
def test_a_model_of_other_classes_is_never_promoted_and_never_surpassed(whose):
    # It seems to be always wrong, and easy to surpass.
    names, models = ("0", "1"), [BETTER, WORSE]
    models[whose] = np.array(["no", "yes"])[models[whose]]
    judged = [replace(RawPredictions(each).among(names, None), inputs=INPUTS) for each in models]

    never(judge(evidence_of(*judged, classes=names), ACCURACY), "no prediction of", "is one of the labels")


def test_a_prediction_of_none_is_a_wrong_one():
    some = texts(BETTER).astype(object)
    some[500:700] = None
    predictions = replace(RawPredictions(some).among(("fail", "pass"), None), inputs=INPUTS)

    verdict = judge(evidence_of(predictions, WORSE), ACCURACY)

    assert verdict.score == pytest.approx(0.7)
    assert verdict.outcome is Outcome.HOLD


@pytest.mark.parametrize(
    ("name", "changes"),
    [("probabilities", {"probabilities": np.ones((ROWS, 3))}), ("scores", {"scores": np.ones((ROWS, 2))})],
)
def test_probabilities_and_scores_that_do_not_fit_are_refused(name, changes):
    with pytest.raises(ValueError, match=f"{name} of shape"):
        evidence_of(replace(as_predictions(BETTER), **changes), WORSE)


def test_one_and_1_0_are_one_class():
    """Trained on a column with gaps, a model predicts 1.0 for 1."""
    names, models = ("0", "1"), [BETTER, WORSE.astype(np.float64)]
    judged = [replace(RawPredictions(each).among(names, None), inputs=INPUTS) for each in models]

    assert judge(evidence_of(*judged, classes=names), ACCURACY).production_score == 0.8
