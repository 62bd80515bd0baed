"""The picture of a verdict shows what was measured, of every kind of model, without a warning."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

from retrain.gate.judge import judge
from retrain.gate.predictions import Evidence, Predictions
from retrain.reports.verdict_chart import draw, write
from retrain.spec.gate import Gate, Slice
from tests.core.gate.evidence import matchup

ROWS = 600
KOREAN = ("보류", "불합격", "합격")
MACRO = Gate(metric="f1_macro", tests=1)
PAIR = ["Confusion matrix of the challenger", "Confusion matrix of Production"]


def classified(classes=KOREAN, *, probabilities=True, **changes):
    """The challenger is right more often than Production."""
    rng = np.random.default_rng(1)
    labels = np.arange(ROWS) % len(classes)

    def predictions(sharp):
        weights = np.exp(rng.normal(size=(ROWS, len(classes))) + sharp * (labels[:, None] == np.arange(len(classes))))
        shares = weights / weights.sum(axis=1, keepdims=True)
        return Predictions(shares.argmax(axis=1), shares if probabilities else None, inputs={})

    fields = {
        "matchup": matchup(),
        "classes": classes,
        "labels": labels,
        "challenger": predictions(4),
        "production": predictions(3),
        "clusters": np.arange(ROWS),
    }
    return Evidence(**{**fields, **changes})


def numbers(rows=ROWS):
    labels = np.linspace(-5, 5, rows)
    near, far = np.random.default_rng(1).normal(labels, [[1], [2]])
    return Evidence(matchup(), (), labels, Predictions(near, inputs={}), Predictions(far, inputs={}), np.arange(rows))


def first(evidence):
    return replace(evidence, production=None, matchup=matchup(production=None))


def drawn(evidence, gate=MACRO):
    return draw(evidence, gate, judge(evidence, gate))


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def axes_of(figure, title):
    (found,) = [axes for axes in figure.axes if axes.get_title() == title]
    return found


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def legend(figure):
    return [text.get_text() for text in figure.subfigs[0].legends[0].get_texts()]


# ── what is on it


def test_both_models_are_shown_with_their_difference_and_where_they_are_right_and_wrong():
    figure = drawn(classified())

    assert titles(figure) == ["Scores", "Challenger minus Production", "Calibration", *PAIR]
    assert figure.get_suptitle().startswith("CoverLetterClassifier: PROMOTE c1\nmacro F1 0.")
    assert legend(figure) == [
        "challenger (version 2)",
        "Production (version 1)",
        "floor 0.5",
        "what the gain must exceed",
    ]
    matrix = axes_of(figure, PAIR[0])
    assert ticks(matrix.yaxis) == ticks(matrix.xaxis) == list(KOREAN)


def test_a_matrix_holds_every_row_by_its_true_class():
    labels = np.repeat([0, 1], 300)
    predicted = labels.copy()
    predicted[:40], predicted[300:310] = 1, -1

    figure = drawn(
        classified(KOREAN[:2], labels=labels, challenger=Predictions(predicted), production=Predictions(labels))
    )

    assert [text.get_text() for text in axes_of(figure, PAIR[0]).texts] == ["260", "40", "0", "0", "290", "10"]
    assert [text.get_text() for text in axes_of(figure, PAIR[1]).texts] == ["300", "0", "0", "0", "300", "0"]
    assert ticks(axes_of(figure, PAIR[1]).xaxis) == [*KOREAN[:2], "none of these"]


def test_of_many_classes_the_most_frequent_are_named():
    classes = tuple(f"class {number:02d}" for number in range(30))
    evidence = classified(classes)
    labels = evidence.labels.copy()
    labels[labels < 10] = 10

    matrix = axes_of(drawn(replace(evidence, labels=labels)), PAIR[0])

    assert ticks(matrix.yaxis) == [*classes[10:], "10 others"]
    assert matrix.images[0].get_array().shape == (21, 21)
    assert len(matrix.texts) == 0


def test_without_probabilities_nothing_is_calibrated():
    assert titles(drawn(classified(probabilities=False))) == ["Scores", "Challenger minus Production", *PAIR]


def test_calibration_is_how_often_the_most_probable_class_is_right():
    labels = np.arange(ROWS) % 2
    sure = np.where(np.arange(ROWS)[:, None] < 200, [[0.55, 0.45]], [[0.05, 0.95]])

    challenger, production = Predictions(labels, sure), Predictions(labels)
    evidence = classified(KOREAN[:2], labels=labels, challenger=challenger, production=production)
    curve = axes_of(drawn(evidence), "Calibration").lines[1]

    assert np.allclose(curve.get_xydata(), [[0.55, 0.5], [0.95, 0.5]])


def test_each_guarded_slice_has_a_row_with_its_margin():
    guarded = (Slice(column="지역", value="서울", margin=0.02), Slice(column="age", least=18.0, margin=0.05))
    halves = {"지역 = 서울": np.arange(ROWS) < 300, "18 <= age": np.arange(ROWS) >= 300}

    figure = drawn(classified(slices=halves), Gate(metric="accuracy", tests=1, slices=guarded))

    assert ticks(axes_of(figure, "Scores").yaxis) == ["all 600 rows", "지역 = 서울 (300)", "18 <= age (300)"]
    gain, margins = axes_of(figure, "Challenger minus Production").collections
    assert [line[0][0] for line in gain.get_segments()] == [0]
    assert [line[0][0] for line in margins.get_segments()] == [-0.02, -0.05]
    assert "the loss allowed in a slice" in legend(figure)


def test_where_smaller_is_better_the_gain_is_to_the_left():
    figure = drawn(classified(), Gate(metric="log_loss", ceiling=2, min_gain=0.1, tests=1))

    axes = axes_of(figure, "Challenger minus Production")
    assert "left of 0 is better" in axes.get_xlabel()
    assert axes.collections[0].get_segments()[0][0][0] == -0.1
    assert "ceiling 2" in legend(figure)


def test_numbers_are_shown_as_predicted_against_actual_on_the_same_axes():
    figure = drawn(numbers(), Gate(metric="r2", tests=1))

    pair = ["Predicted against actual of the challenger", "Predicted against actual of Production"]
    assert titles(figure) == ["Scores", "Challenger minus Production", *pair]
    one, other = (axes_of(figure, title) for title in pair)
    assert one.get_xlim() == one.get_ylim() == other.get_xlim() == other.get_ylim()
    assert len(one.lines[1].get_xdata()) == ROWS


def test_of_many_numbers_some_are_shown_and_the_title_says_so():
    figure = drawn(numbers(11_000), Gate(metric="r2", tests=1))

    axes = axes_of(figure, "Predicted against actual of Production (one row in 3)")
    assert len(axes.lines[1].get_xdata()) == 3_667


def test_a_first_model_is_shown_alone():
    assert titles(drawn(first(classified()))) == ["Scores", "Calibration", PAIR[0]]
    assert titles(drawn(first(numbers()), Gate(metric="r2", tests=1))) == [
        "Scores",
        "Predicted against actual of the challenger",
    ]


def test_a_model_without_predictions_is_left_out():
    evidence = classified(challenger=None, faults=("the challenger cannot be loaded",))

    assert titles(drawn(evidence)) == ["Scores", "Calibration", PAIR[1]]
    assert titles(drawn(replace(evidence, production=None))) == ["Scores"]


def test_a_long_name_loses_its_middle():
    classes = tuple(f"a class of a long name {number}" for number in range(3))

    assert ticks(axes_of(drawn(classified(classes)), PAIR[0]).yaxis)[0] == "a class of…ame 0"


# ── files


@pytest.mark.parametrize(
    ("evidence", "gate"),
    [
        (classified(), MACRO),
        (classified(tuple(f"직무 {number} $a$ 소프트웨어 엔지니어링" for number in range(30))), MACRO),
        (classified(tuple(f"a class of a long name {number}" for number in range(8))), MACRO),
        (numbers(), Gate(metric="mae", ceiling=3, tests=1)),
        (first(classified(probabilities=False)), MACRO),
        (first(numbers()), Gate(metric="r2", tests=1)),
        (classified(challenger=None, production=None, faults=("no model can be loaded. " * 99,)), MACRO),
        (classified().part(np.zeros(ROWS, np.bool_)), MACRO),
        (numbers().part(np.zeros(ROWS, np.bool_)), Gate(metric="r2", tests=1)),
        (replace(numbers(), challenger=Predictions(np.full(ROWS, np.nan))), Gate(metric="r2", tests=1)),
        (
            classified(challenger=Predictions(np.zeros(ROWS, int), np.full((ROWS, 3), np.nan))),
            Gate(metric="log_loss", ceiling=2, tests=1),
        ),
    ],
)
def test_every_picture_can_be_written_and_is_the_same_again(tmp_path, evidence, gate):
    """A glyph that no font has would be a warning, and so a failure."""
    verdict = judge(evidence, gate)

    once = write(evidence, gate, verdict, tmp_path).read_bytes()

    assert once == write(evidence, gate, verdict, tmp_path).read_bytes()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["verdict.png"]
    assert once.startswith(b"\x89PNG")


def test_a_users_settings_of_matplotlib_have_no_effect_and_stay(tmp_path):
    evidence = classified()
    verdict = judge(evidence, MACRO)
    plain = write(evidence, MACRO, verdict, tmp_path).read_bytes()

    with mpl.rc_context({"font.size": 40, "axes.grid": True, "savefig.dpi": 30}):
        assert write(evidence, MACRO, verdict, tmp_path).read_bytes() == plain
        assert mpl.rcParams["font.size"] == 40
