"""What each check lets pass and what it does not: table in, checks out."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from retrain.quality import checks
from retrain.spec.checks import Checks
from retrain.spec.parse import parse

NOON = datetime(2026, 3, 8, 12, tzinfo=UTC)
LETTERS = ("저는 성실합니다", "팀으로 일했습니다", "새 서비스를 만들었습니다")
SPEC = {
    "model": "자소서",
    "source": {
        "table": "letters",
        "key": "id",
        "label": "result",
        "label_time": "reviewed_at",
        "features": ["letter", "years"],
    },
    "candidates": [{"name": "linear", "estimator": "estimators.text:logistic"}],
}


def table(rows=200, first=0, **columns):
    """A snapshot: row i has key i, class 합격 where i is even, and a content of its own."""
    ids = np.arange(first, first + rows)
    fields = {
        "key": pa.array([str(i) for i in ids], pa.string()),
        "label": pa.array(["합격" if i % 2 == 0 else "불합격" for i in ids], pa.string()),
        "label_time": pa.array([NOON - timedelta(hours=1)] * rows, pa.timestamp("us", tz="UTC")),
        "letter": pa.array([f"{LETTERS[i % 3]} {i}" for i in ids], pa.string()),
        "years": pa.array(ids % 7, pa.float64()),
        "retrain.content": ids * 1_000,
        "retrain.subset": ["train"] * rows,
        "retrain.holdout_round": [0] * rows,
    }
    return pa.table({**fields, **columns})


def run(rows, before=None, *, same_contents=True, task="classification", **limits):
    fields = {**SPEC, "checks": limits, "task": task}
    if task == "regression":
        fields["gate"] = {"metric": "rmse", "ceiling": 1}
    found = checks.run(parse(fields, "자소서.yaml"), rows, before, same_contents=same_contents, now=NOON)
    return {check.name: check for check in found}


def of(values, **changed):
    """The values, some replaced by row: `row_3=…`."""
    values = list(values)
    for name, value in changed.items():
        values[int(name.removeprefix("row_"))] = value
    return values


def failed(found):
    return [check.name for check in found.values() if not check.passed]


# ── all of them


def test_rows_like_the_last_ones_pass_every_check():
    found = run(table(300), table(200))

    assert failed(found) == []
    assert list(found) == list(Checks.model_fields)


def test_the_first_snapshot_passes_where_there_is_nothing_to_compare_with():
    found = run(table())

    assert failed(found) == []
    assert found["fallen_rows"].says == found["column_types"].says == "there is nothing to compare with"


def test_a_regression_has_no_checks_of_classes_and_a_source_without_label_time_no_check_of_times():
    numbers = table(label=pa.array([str(i / 3) for i in range(200)]))

    assert set(run(table())) - set(run(numbers, task="regression")) == {
        "conflicting_labels",
        "unseen_labels",
        "vanished_labels",
        "moved_labels",
    }
    source = {name: value for name, value in SPEC["source"].items() if name != "label_time"}
    undated = checks.run(parse({**SPEC, "source": source}, "f.yaml"), table(), None, same_contents=True, now=NOON)
    assert "future_labels" not in [check.name for check in undated]


def test_no_rows_at_all_fail_nothing_that_divides_by_them():
    assert failed(run(table(0))) == []
    assert failed(run(table(0), table(0))) == []
    assert failed(run(table(0), table(10))) == ["vanished_labels", "moved_labels", "fallen_rows"]


def test_the_spec_says_what_a_failure_does():
    gone = table(50, first=1_000)

    assert run(gone, table())["fallen_rows"].result == "blocked"
    assert run(gone, table(), fallen_rows={"on_fail": "warn"})["fallen_rows"].result == "warned"
    assert run(gone, table(), fallen_rows={"max": 1})["fallen_rows"].result == "passed"


def test_a_failure_names_five_keys_and_counts_all():
    check = run(table(40), table())["fallen_rows"]

    assert (check.count, check.keys) == (160, ("40", "41", "42", "43", "44"))
    assert check.says == "160 of the last snapshot's 200 rows are gone; at most 50% may be"


def test_keys_and_labels_may_be_as_long_as_they_like():
    check = run(table(), table(key=["키" * 500 + str(i) for i in range(200)]))["fallen_rows"]

    assert {len(key) for key in check.keys} == {60}


# ── columns


def test_a_number_that_became_text_fails_and_one_that_became_another_number_does_not():
    as_text = table(years=[str(i % 7) for i in range(200)])

    check = run(as_text, table())["column_types"]
    assert (check.result, check.says) == ("blocked", "years is string, and was double")
    assert run(table(years=pa.array(range(200), pa.int64())), table())["column_types"].passed


def test_a_label_of_another_type_fails_because_its_classes_are_others():
    check = run(table(label=pa.array([0, 1] * 100, pa.int64())), table())["column_types"]

    assert (check.passed, check.count) == (False, 1)
    assert check.says == "the label is int64, and was string"


def test_nulls_and_nan_are_counted_among_the_new_rows_alone():
    half_empty = table(300, years=pa.array([1.0] * 200 + [None] * 40 + [np.nan] * 30 + [1.0] * 30))

    check = run(half_empty, table(200))["null_share"]
    assert (check.result, check.count, check.keys[:2]) == ("warned", 70, ("200", "201"))
    assert check.says == "years is empty in 70.0% of 100 new rows; at most 50% may be"
    assert run(half_empty)["null_share"].passed
    assert run(half_empty, table(200), null_share={"max": 0.7})["null_share"].passed


def test_an_old_row_that_was_emptied_since_is_a_new_one():
    emptied = table(
        years=pa.array([None] * 60 + [1.0] * 140),
        **{"retrain.content": [*range(1, 61), *range(60_000, 200_000, 1_000)]},
    )

    check = run(emptied, table())["null_share"]
    assert check.says == "years is empty in 100.0% of 60 new rows; at most 50% may be"


def test_where_no_row_is_new_all_rows_are_checked():
    empty = table(years=pa.array([None] * 150 + [1.0] * 50))

    assert run(empty, empty)["null_share"].says == "years is empty in 75.0% of 200 rows; at most 50% may be"


@pytest.mark.parametrize("blank", ["", "  ", "\t\n", "\u3000"])
def test_a_text_of_nothing_but_white_space_is_empty(blank):
    check = run(table(100, letter=[blank] * 11 + ["글"] * 89))["empty_texts"]

    assert (check.result, check.count) == ("warned", 11)
    assert run(table(100, letter=[blank] * 10 + ["글"] * 89 + [None]))["empty_texts"].passed


def test_without_a_text_there_is_no_empty_one():
    numbers = checks.run(
        parse({**SPEC, "source": {**SPEC["source"], "features": ["years"]}}, "f.yaml"),
        table().drop_columns("letter"),
        None,
        same_contents=True,
        now=NOON,
    )

    assert [check.says for check in numbers if check.name == "empty_texts"] == ["no feature is text"]


def test_rows_that_repeat_a_content_are_duplicates():
    check = run(table(100, **{"retrain.content": [i // 3 for i in range(100)]}))["duplicates"]

    assert (check.result, check.count, check.keys[:3]) == ("warned", 66, ("1", "2", "4"))
    assert run(table(100, **{"retrain.content": [i // 2 for i in range(100)]}))["duplicates"].passed


# ── labels


def test_one_content_under_two_labels_is_a_conflict_and_a_mere_copy_is_none():
    same = {"retrain.content": of(range(100), row_1=0, row_3=2, row_5=4)}
    labels = table(100)["label"].to_pylist()

    check = run(table(100, **same))["conflicting_labels"]
    assert (check.result, check.count, check.keys) == ("warned", 6, ("0", "1", "2", "3", "4"))
    agreeing = of(labels, row_1="합격", row_3="합격", row_5="합격")
    assert run(table(100, label=agreeing, **same))["conflicting_labels"].count == 0


def test_a_label_that_the_last_snapshot_did_not_hold_is_unseen():
    labels = table(300)["label"].to_pylist()

    check = run(table(300, label=of(labels, row_250="합껵", row_251="합껵")), table(200))["unseen_labels"]
    assert (check.result, check.count, check.keys) == ("warned", 2, ("250", "251"))
    assert check.says == "2 of 100 new rows have a label that the last snapshot did not hold: 합껵; none may be"
    assert run(table(300), table(200))["unseen_labels"].passed


def test_a_label_that_no_row_has_any_more_has_vanished():
    before = table(label=of(table()["label"].to_pylist(), row_7="보류"))

    check = run(table(300), before)["vanished_labels"]
    assert (check.result, check.count, check.keys) == ("warned", 1, ("7",))
    assert "1 of the last snapshot's 200 rows had a label that no row has now: 보류" in check.says
    assert run(table(300), before, vanished_labels={"max": 0.01})["vanished_labels"].passed


def test_of_many_unseen_labels_five_are_named():
    check = run(table(20, label=[f"등급 {i:02d}" for i in range(20)]), table(10))["unseen_labels"]

    assert check.says.endswith("등급 00, 등급 01, 등급 02, 등급 03, 등급 04 and 15 more; none may be")


def test_a_share_that_moved_among_the_new_rows_is_seen_however_many_old_ones_there_are():
    labels = table(2200)["label"].to_pylist()
    labels[2000:] = ["합격"] * 150 + ["불합격"] * 50

    check = run(table(2200, label=labels), table(2000))["moved_labels"]
    assert check.result == "warned"
    assert "% of 200 new rows, and was on 50.0% of the last snapshot's: a difference of 25.0%" in check.says
    assert run(table(2200, label=labels), table(2000), moved_labels={"max": 0.25})["moved_labels"].passed


def test_a_few_new_rows_move_no_share_by_chance():
    labels = table(2050)["label"].to_pylist()
    labels[2000:] = ["합격"] * 50

    assert run(table(2050, label=labels), table(2000))["moved_labels"].passed


def test_a_label_set_in_the_future_blocks_and_one_of_another_time_zone_does_not():
    times = table()["label_time"].to_pylist()

    check = run(table(label_time=of(times, row_9=NOON + timedelta(hours=25))))["future_labels"]
    assert (check.result, check.count, check.keys) == ("blocked", 1, ("9",))
    assert "1 of 200 rows were labelled more than 1d in the future" in check.says
    nine_hours = table(label_time=[NOON + timedelta(hours=9)] * 199 + [None])
    assert run(nine_hours)["future_labels"].passed
    assert not run(nine_hours, future_labels={"ahead": "1h"})["future_labels"].passed


# ── keys


def test_the_same_rows_under_other_keys_are_a_table_that_was_rebuilt():
    before = table()
    shifted = before.set_column(0, "key", pa.array([str((i + 1) % 200) for i in range(200)]))

    check = run(shifted, before)["resequenced_keys"]
    assert (check.result, check.count) == ("blocked", 200)
    assert check.says == (
        "the content of 200 of the last snapshot's 200 rows stands under another key now; at most 30% may be"
    )


def test_rows_under_keys_of_a_new_sequence_are_resequenced_too():
    renumbered = table(key=[str(i + 10_000) for i in range(200)])

    assert failed(run(renumbered, table())) == ["resequenced_keys", "fallen_rows"]


def test_rows_whose_values_were_updated_are_changed_and_not_resequenced():
    updated = table(**{"retrain.content": np.arange(200) * 1_000 + 1})

    assert failed(run(updated, table())) == ["changed_rows"]
    half = table(**{"retrain.content": np.arange(200) * 1_000 + (np.arange(200) < 100)})
    assert failed(run(half, table())) == []


def test_of_few_contents_updates_that_meet_again_by_chance_are_not_resequenced():
    rng = np.random.default_rng(7)
    before, now = rng.integers(0, 2_000, (2, 1_000))

    found = run(table(1_000, **{"retrain.content": now}), table(1_000, **{"retrain.content": before}))
    assert found["resequenced_keys"].passed
    # As often as its docstring says: n/k · exp(−2n/k) of them.
    assert abs(found["resequenced_keys"].count / 1_000 - 0.5 * np.exp(-1)) < 0.05


@pytest.mark.parametrize("places", [range(200), range(100, 200)])
def test_in_another_split_version_the_values_themselves_say_what_is_the_same(places):
    before = table(**{"retrain.content": np.arange(200) * 7 + 3})
    rows = table().take(pa.array(places))
    shifted = rows.set_column(0, "key", pa.array([str((i + 1) % 200) for i in places]))

    assert failed(run(rows, before, same_contents=False)) == []
    found = run(shifted, before, same_contents=False)
    assert (found["resequenced_keys"].count, found["changed_rows"].count) == (len(places), len(places))


def test_in_another_split_version_a_feature_that_came_or_changed_its_kind_says_nothing():
    before = table(years=[str(i % 7) for i in range(200)])
    other = before.drop_columns("letter")

    assert failed(run(table(), before, same_contents=False)) == ["column_types"]
    found = run(table(), other, same_contents=False)
    assert found["changed_rows"].says == found["resequenced_keys"].says == "there is nothing to compare with"


def test_rows_that_fell_by_less_than_the_limit_pass():
    assert run(table(100), table(200))["fallen_rows"].passed
    assert not run(table(99), table(200))["fallen_rows"].passed
    # As many rows as before, and none of them the same.
    assert not run(table(200, first=500), table(200))["fallen_rows"].passed
