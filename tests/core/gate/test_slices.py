"""The challenger must not be worse on a guarded slice of the holdout."""

import numpy as np
import pytest

from retrain.spec.gate import Slice
from tests.core.gate.guarded import (
    EVERY,
    LABELS,
    PLACES,
    RIGHT,
    WRONG,
    fails,
    gate,
    is_unknown,
    judged,
    ours,
    passes,
    theirs,
)

HARD = Slice(column="kind", value="hard", margin=0.05)


def sliced(rows, *, challenger=None, production=None, by=HARD, gate_of=None, **changes):
    about = gate_of or gate(slices=(by,))
    return judged(challenger, production, gate=about, slices={str(by): rows}, **changes)


def worse_on(rows):
    """A challenger that is better as a whole and wrong on these rows, where Production is right."""
    return ours(labels=np.where(rows, 1 - LABELS, LABELS))


def test_a_slice_with_no_loss_passes():
    verdict = sliced(PLACES < 400)

    assert passes(verdict, "slice kind = hard") == (
        "slice kind = hard: 0.750 against 0.250 on 400 rows is not shown to be more than 0.05 worse"
    )
    (part,) = verdict.slices
    assert (part.name, part.rows, part.score, part.production_score) == ("kind = hard", 400, 0.75, 0.25)
    assert part.interval[0] < 0.5 < part.interval[1]


def test_a_loss_beyond_the_margin_is_held():
    rows = PLACES >= 950

    verdict = sliced(rows, challenger=worse_on(rows & (PLACES < 970)))

    assert fails(verdict, "slice kind = hard") == (
        "slice kind = hard: 0.600 against 1.000 on 50 rows is shown to be more than 0.05 worse"
    )


def test_a_loss_that_may_be_chance_passes():
    rows = PLACES >= 950

    passes(sliced(rows, challenger=worse_on(PLACES >= 998)), "slice kind = hard")


def test_a_loss_within_the_margin_passes():
    rows = PLACES >= 500

    wide = Slice(column="kind", value="hard", margin=0.3)
    passes(sliced(rows, challenger=worse_on(PLACES >= 900), by=wide), "slice kind = hard")


def test_a_slice_by_range_is_guarded_too():
    by = Slice(column="age", least=30, below=65.5, margin=0.05)
    rows = PLACES >= 900

    verdict = sliced(rows, challenger=worse_on(rows), by=by)

    assert fails(verdict, "slice 30 <= age < 65.5").startswith("slice 30 <= age < 65.5: 0.000 against 1.000")


@pytest.mark.parametrize("by", [HARD, Slice(column="age", least=30, margin=0.05)], ids=str)
def test_an_empty_slice_is_unknown(by):
    verdict = sliced(~EVERY, by=by)

    assert is_unknown(verdict, f"slice {by}") == f"slice {by} has 0 distinct rows and needs 30"
    assert (verdict.slices[0].rows, verdict.slices[0].score, verdict.slices[0].interval) == (0, None, None)


def test_a_slice_that_was_not_measured_is_unknown():
    is_unknown(judged(gate=gate(slices=(HARD,))), "slice kind = hard")


def test_a_slice_needs_enough_distinct_rows():
    rows = PLACES < 60

    passes(sliced(rows, clusters=np.where(rows, PLACES // 2, PLACES)), "slice kind = hard")
    says = is_unknown(sliced(rows, clusters=np.where(rows, PLACES // 3, PLACES)), "slice kind = hard")
    assert says == "slice kind = hard has 20 distinct rows and needs 30"


def test_accuracy_is_known_on_a_slice_of_one_class():
    passes(sliced((LABELS == 1) & (PLACES < 500)), "slice kind = hard")


@pytest.mark.parametrize("metric", ["f1", "precision", "recall", "average_precision"])
def test_a_metric_of_a_class_is_unknown_on_a_slice_without_its_label(metric):
    # Both have false alarms there, so that F1 and precision are 0 for both: equal, and no evidence of anything.
    about = gate(metric=metric, positive="pass", floor=0, slices=(HARD,))
    better, worse = LABELS + RIGHT / 2, LABELS + 2 * WRONG

    verdict = sliced(
        (LABELS == 0) & (PLACES < 700), gate_of=about, challenger=ours(scores=better), production=theirs(scores=worse)
    )

    assert is_unknown(verdict, "slice kind = hard") == "slice kind = hard has no label 'pass'"


def test_roc_auc_is_unknown_on_a_slice_of_one_class():
    about = gate(metric="roc_auc", positive="pass", slices=(HARD,))

    verdict = sliced(
        LABELS == 1, gate_of=about, challenger=ours(scores=RIGHT / 2), production=theirs(scores=WRONG / 2.0)
    )

    assert is_unknown(verdict, "slice kind = hard") == "ROC AUC of slice kind = hard could not be computed"


def test_r2_is_unknown_on_a_slice_of_equal_labels():
    numbers = np.where(PLACES < 100, 7.0, PLACES % 13)
    about = gate(metric="r2", slices=(HARD,))

    verdict = sliced(
        PLACES < 100,
        gate_of=about,
        challenger=ours(labels=numbers + 0.1 * (PLACES % 3)),
        production=theirs(labels=numbers + PLACES % 3),
        labels=numbers,
        classes=(),
    )

    assert is_unknown(verdict, "slice kind = hard") == "R² of slice kind = hard could not be computed"


def test_more_slices_must_each_show_more():
    # A loss of 4 rows is shown at 0.05 and not at 0.05 / 40: of the resamples, e^-4 have none of them.
    rows = PLACES >= 900
    challenger = worse_on(PLACES >= 996)
    alone = Slice(column="kind", value="hard", margin=0)
    others = tuple(Slice(column="kind", value=f"other {place}", margin=0) for place in range(39))

    first = judged(challenger, gate=gate(slices=(alone,)), slices={str(alone): rows})
    among = judged(
        challenger,
        gate=gate(slices=(alone, *others)),
        slices={str(alone): rows, **{str(each): PLACES < 300 for each in others}},
    )

    fails(first, "slice kind = hard")
    passes(among, "slice kind = hard")


def test_a_slice_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="slice kind = hard of shape"):
        sliced(EVERY[:-1])
