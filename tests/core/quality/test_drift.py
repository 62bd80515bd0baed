"""Drift is 0 between the same rows, and seen where a feature, a text or the labels have moved; and its picture."""

import matplotlib as mpl
import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial.distance import jensenshannon

from retrain.quality.drift import ENOUGH, MOST_ROWS, _js_distance, drift, new_or_all, sample
from retrain.reports import drift_chart
from retrain.spec.task import Task

FEATURES = ["letter", "years", "hours", "abroad"]
WORDS = ("저는", "성실합니다", "팀으로", "일했습니다", "서비스를", "만들었습니다")


def table(rows=3_000, seed=1, **columns):
    """Texts of 2 to 5 words, normal numbers, numbers that are nearly always 0, and booleans."""
    rng = np.random.default_rng(seed)
    fields = {
        "key": [f"{seed}-{i}" for i in range(rows)],
        "label": rng.choice(["합격", "불합격"], rows),
        "letter": [" ".join(rng.choice(WORDS, rng.integers(2, 6))) for _ in range(rows)],
        "years": rng.normal(size=rows),
        "hours": np.where(rng.random(rows) < 0.95, 0.0, rng.random(rows)),
        "abroad": rng.random(rows) < 0.97,
    }
    return pa.table({**fields, **columns})


def by_name(reference, rows, features=FEATURES, task=Task.CLASSIFICATION):
    return {each.name: each for each in drift(reference, rows, features, task)}


# ── what is measured


def test_the_same_rows_have_no_drift():
    found = by_name(table(), table())

    assert list(found) == [*FEATURES, "label"]
    for each in found.values():
        assert each.psi == 0
        assert each.reference == each.current
        assert sum(each.current) == pytest.approx(1)
    assert (found["years"].ks, found["years"].p_value) == (0, 1)
    assert (found["letter"].unseen_words, found["letter"].js_distance) == (0, 0)


def test_other_rows_of_the_same_kind_have_hardly_any():
    for each in by_name(table(), table(seed=2)).values():
        assert each.psi < 0.02, each.name
        assert each.ks is None or each.p_value > 0.001, each.name


def test_without_drift_psi_is_on_average_what_the_docs_say():
    rng = np.random.default_rng(0)
    reference = table(20_000, years=rng.normal(size=20_000)).select(["key", "label", "years"])
    found = []
    for _ in range(40):
        rows = pa.table({"label": ["합격"] * ENOUGH, "years": rng.normal(size=ENOUGH)})
        found.append(by_name(reference, rows, ["years"])["years"].psi)

    # No number is missing, so that 10 bins are in use.
    assert np.mean(found) == pytest.approx(9 * (1 / ENOUGH + 1 / 20_000), rel=0.25)


def test_psi_of_ten_bins_is_the_sum_that_it_is_defined_as():
    reference, shifted = np.arange(10_000.0), np.arange(10_000.0) + 1_000

    found = by_name(table(10_000, years=reference), table(10_000, years=shifted), ["years"])["years"]
    # The lowest tenth has emptied (but for half a row), and is on top of the highest.
    assert found.current == pytest.approx((0, *[0.1] * 8, 0.2, 0), abs=2e-4)
    empty = 0.5 / 10_005
    assert found.psi == pytest.approx((empty - 0.1) * np.log(empty / 0.1) + 0.1 * np.log(2), rel=0.01)
    assert (found.ks, found.p_value) == (pytest.approx(0.1), pytest.approx(0, abs=1e-9))


def test_a_shifted_feature_is_seen_and_the_others_are_not():
    rows = table(seed=2)
    moved = rows.set_column(rows.column_names.index("years"), "years", pa.array(rows["years"].to_numpy() + 1))

    found = by_name(table(), moved)
    assert found["years"].psi > 0.25
    assert found["years"].ks > 0.3
    assert {name for name, each in found.items() if each.psi > 0.1} == {"years"}


@pytest.mark.parametrize(
    ("name", "values", "bins"),
    [
        ("hours", np.where(np.arange(3_000) % 2, 0.0, 0.5), ("< 0", "= 0", "> 0", "missing")),
        ("hours", np.where(np.arange(3_000) % 2, 0.0, -0.5), ("< 0", "= 0", "> 0", "missing")),
        ("abroad", np.arange(3_000) % 2 == 0, ("< 1", "= 1", "> 1", "missing")),
    ],
)
def test_what_moves_beside_a_value_that_is_nearly_always_there_is_seen(name, values, bins):
    found = by_name(table(), table(**{name: values}))[name]

    assert found.psi > 0.25
    assert found.bins == bins


def test_missing_values_have_a_bin_and_are_not_numbers():
    gone = pa.array(
        [None if i % 5 == 0 else np.nan if i % 5 == 1 else np.inf if i % 5 == 2 else 1.0 for i in range(3_000)]
    )

    found = by_name(table(), table(years=gone))["years"]
    assert (found.bins[-1], found.current[-1]) == ("missing", pytest.approx(0.6))
    empty = by_name(table(), table(years=pa.array([None] * 3_000, pa.float64())))["years"]
    assert (empty.current[-1], empty.ks, empty.p_value) == (1, None, None)
    other_way = by_name(table(years=pa.array([None] * 3_000, pa.float64())), table())["years"]
    assert (other_way.bins, other_way.current) == (("any", "missing"), (1, 0))
    assert np.isfinite([empty.psi, other_way.psi]).all()


def test_new_words_are_counted_and_normalised_ones_are_not_new():
    seen = table(1_000, letter=["저는 Java 를 씁니다"] * 1_000)
    same = table(1_000, letter=["  저는  ＪＡＶＡ 를\n씁니다"] * 1_000)
    other = table(1_000, letter=["저는 Rust 를 배웁니다"] * 1_000)

    assert by_name(seen, same)["letter"].unseen_words == by_name(seen, same)["letter"].js_distance == 0
    found = by_name(seen, other)["letter"]
    assert (found.unseen_words, found.js_distance) == (0.5, pytest.approx(np.sqrt(0.5)))


def test_the_distance_of_words_is_that_of_scipy():
    counts = {"저는": (3, 1), "팀으로": (1, 2), "일했습니다": (0, 4)}
    texts = [" ".join(word for word, times in counts.items() for _ in range(times[subset])) for subset in (0, 1)]
    was, now = (pa.table({"label": ["합격"], "letter": [text]}) for text in texts)

    p, q = ([times[subset] for times in counts.values()] for subset in (0, 1))
    assert by_name(was, now)["letter"].js_distance == pytest.approx(jensenshannon(p, q, base=2))


def test_words_that_are_nearly_as_frequent_have_a_distance_of_0():
    """Rounding puts the divergence of these shares below 0, where it has no root."""
    counts = (1e8 / np.arange(1, 17) / np.log(17)).astype(np.int64)
    was, now = (
        pa.StructArray.from_arrays([pa.array([str(i) for i in range(16)]), pa.array(each)], ["values", "counts"])
        for each in (counts, counts + np.eye(16, dtype=np.int64)[0])
    )

    assert _js_distance(was, now) == 0


def test_longer_texts_are_seen():
    longer = table(letter=[" ".join(WORDS * 3)] * 3_000)

    assert by_name(table(), longer)["letter"].psi > 0.25


def test_texts_without_a_word_have_a_length_and_no_words():
    for blank in ("", None):
        found = by_name(table(), table(letter=pa.array([blank] * 3_000, pa.string())))["letter"]
        assert (found.unseen_words, found.js_distance) == (None, None)
        assert found.psi > 0.25


def test_labels_are_compared_by_their_shares_and_a_class_may_come_and_go():
    was = table(300, label=["합격"] * 150 + ["보류"] * 150)
    now = table(200, label=["불합격"] * 50 + ["합격"] * 150)

    found = by_name(was, now)["label"]
    assert (found.of_classes, found.bins) == (True, ("보류", "불합격", "합격"))
    assert (found.reference, found.current) == ((0.5, 0, 0.5), (0, 0.25, 0.75))
    assert 0.25 < found.psi < np.inf


def test_labels_of_a_regression_are_numbers_also_as_text():
    was = table(label=[str(i / 10) for i in range(3_000)])
    now = table(label=[str(i / 10 + 200) for i in range(3_000)])

    found = by_name(was, now, task=Task.REGRESSION)["label"]
    assert not found.of_classes
    assert found.ks == pytest.approx(2 / 3, abs=0.001)


def test_only_what_both_have_as_the_same_kind_is_compared():
    other = table(years=["3 년"] * 3_000).drop_columns("hours")

    assert list(by_name(table(), other)) == ["letter", "abroad", "label"]
    assert drift(table(), table(0), FEATURES, Task.CLASSIFICATION) == ()


# ── which rows


def test_new_rows_are_compared_by_themselves_where_they_are_enough():
    old = table(1_000, seed=1)
    both = pa.concat_tables([old, table(ENOUGH, seed=2)])

    assert new_or_all(both, old["key"])["key"].to_pylist() == [f"2-{i}" for i in range(ENOUGH)]
    assert new_or_all(both.slice(1), both["key"].slice(2)).num_rows == len(both) - 1
    assert new_or_all(both.slice(0, len(both) - 1), old["key"]).num_rows == len(both) - 1


def test_of_many_rows_a_sample_is_taken_and_the_same_one_again():
    many = pa.table({"key": pa.array(range(MOST_ROWS + 5_000))})

    one = sample(many, "ab12")
    assert one.equals(sample(many, "ab12"))
    assert len(set(one["key"].to_pylist())) == MOST_ROWS
    assert not one.equals(sample(many, "ab13"))
    assert sample(one, "ab12") is one


# ── the picture


def test_the_most_drifted_are_drawn_and_the_label_always():
    moved = table(seed=2, years=np.full(3_000, 9.0), abroad=np.zeros(3_000, bool))
    figure = drift_chart.draw(drift(table(), moved, FEATURES, Task.CLASSIFICATION), "자소서: 3,000 rows")

    bars, *spread = [axes.get_title() for axes in figure.axes]
    assert bars == "How far each has moved"
    assert (spread[0], set(spread[1:3])) == ("label", {"years", "abroad"})
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert (set(names[:2]), set(names)) == ({"years", "abroad"}, {*FEATURES, "label"})
    assert figure.get_suptitle() == "자소서: 3,000 rows"


def test_no_panel_is_empty():
    found = drift(table(), table(seed=2), FEATURES[:2], Task.CLASSIFICATION)
    assert len(found) == 3
    assert all(axes.get_title() for axes in drift_chart.draw(found, "three").figure.axes)


def test_of_many_features_and_classes_those_that_matter_are_drawn():
    rng = np.random.default_rng(0)
    columns = {f"열 {i:02d}": rng.normal(size=600) + i for i in range(30)}
    still = {name: rng.normal(size=600) for name in columns}
    labels = [f"직무 {i % 40:02d}" for i in range(600)]
    found = drift(
        table(600, **still, label=labels), table(600, **columns, label=labels), list(columns), Task.CLASSIFICATION
    )

    figure = drift_chart.draw(found, "30 features")
    assert figure.axes[0].get_title() == "How far each has moved, 20 of 31"
    assert len(figure.axes[1].get_xticks()) == 20


def test_the_same_drift_gives_the_same_file_in_any_style(tmp_path):
    found = drift(table(), table(seed=2), FEATURES, Task.CLASSIFICATION)
    first, again = tmp_path / "1", tmp_path / "2"
    for folder in (first, again):
        folder.mkdir()
        with mpl.rc_context({"font.size": 20}):
            written = drift_chart.write(found, "자소서: $3,000$ rows", folder)
        assert written.name == "drift.png"
    assert (first / "drift.png").read_bytes() == (again / "drift.png").read_bytes()
