"""The sections about the rows: source, threshold and split."""

from datetime import timedelta
from math import inf, nan

import pytest

from retrain.spec.source import Split
from tests.core.spec.specs import DATED, GROUPED, QUERY, SOURCE, assert_accepted, assert_refused, refusal, spec


@pytest.mark.parametrize(
    "fields",
    [
        {"source": QUERY},
        {"source": {**SOURCE, "table": "hr.letters"}},
        {"source": {**SOURCE, "label_time": "reviewed_at", "features": ["letter", "age"]}},
        {"threshold": {"rows": 1}},
        {"threshold": {"rows": 1, "max_wait": "90m", "min_rows": 1}},
        {"threshold": {"max_wait": "7d"}},
        {"threshold": {"max_wait": None, "min_rows": 1}},
        {"split": {"validation": 0.5, "holdout": 0.49}},
        {"split": {"by": "time", "gap": "36h"}, "source": DATED},
        {"split": {"by": "group"}, "source": GROUPED},
        {"split": {"by": "group"}, "source": {**GROUPED, "features": ["letter", "applicant"]}},
    ],
    ids=str,
)
def test_what_can_run_is_accepted(fields):
    assert_accepted(fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"threshold": {"rows": "3"}}, 'threshold.rows = "3": input should be a valid integer'),
        ({"threshold": {"rows": 3.0}}, "threshold.rows = 3.0: input should be a valid integer"),
        ({"threshold": {"rows": True}}, "threshold.rows = true: input should be a valid integer"),
        ({"threshold": {"rows": 0}}, "threshold.rows = 0: input should be greater than or equal to 1"),
        (
            {"threshold": {"rows": 10, "max_wait": "7d", "min_rows": 11}},
            'threshold = {"rows": 10, "max_wait": "7d", "min_rows": 11}: min_rows is more than rows; set it to rows or '
            "less",
        ),
        (
            {"threshold": {"min_rows": 2}},
            'threshold = {"min_rows": 2}: min_rows belongs to max_wait; set that too, or remove it',
        ),
        ({"threshold": {"max_wait": "7d", "min_rows": 0}}, "threshold.min_rows = 0: input should be greater than or"),
        (
            {"threshold": {"max_wait": "a week"}},
            'threshold.max_wait = "a week": is not a duration; write a whole number and d, h, m or s, as in 7d',
        ),
        ({"threshold": None}, "threshold = null: input should be an object"),
        ({"source": [SOURCE]}, "input should be an object"),
        ({"source": {**SOURCE, "features": "letter"}}, 'source.features = "letter": input should be a valid array'),
        ({"source": {**SOURCE, "key": ""}}, 'source.key = "": string should have at least 1 character'),
        (
            {"source": {**SOURCE, "table": "a.b.c"}},
            r"""source.table = "a.b.c": string should match pattern '^[^.\s]+(\.[^.\s]+)?$'""",
        ),
        (
            {"source": {**QUERY, "query": "../letters.sql"}},
            r"""source.query = "../letters.sql": string should match pattern '^[^/\\]+\.sql$'""",
        ),
        ({"source": {**SOURCE, "features": []}}, "source.features = []: tuple should have at least 1 item"),
        (
            {"source": {**SOURCE, "features": ["b", "a", "b", "a", "c"]}},
            'source.features = ["b", "a", "b", "a", "c"]: names a, b more than once; name each once',
        ),
        ({"source": {**SOURCE, "query": "letters.sql"}}, "names both or neither of table and query; name exactly one"),
        ({"source": {**SOURCE, "table": None}}, "names both or neither of table and query; name exactly one"),
        ({"split": {"validation": 0}}, "split.validation = 0: input should be greater than 0"),
        ({"split": {"holdout": 1}}, "split.holdout = 1: input should be less than 1"),
        (
            {"split": {"validation": 0.5, "holdout": 0.5}},
            'split = {"validation": 0.5, "holdout": 0.5}: leaves no rows for training; let the two sum to less than 1',
        ),
        ({"split": {"validation": 0.8}}, "leaves no rows for training; let the two sum to less than 1"),
        ({"split": {"validation": nan}}, "split.validation = NaN: input should be a finite number"),
        ({"split": {"holdout": inf}}, "split.holdout = Infinity: input should be a finite number"),
        ({"split": {"by": "day"}}, "split.by = \"day\": input should be 'hash', 'group' or 'time'"),
        ({"split": {"by": "group"}}, 'split = {"by": "group"}: by: group needs source.group; name the column'),
        ({"split": {"by": "time"}}, 'split = {"by": "time"}: by: time needs source.label_time; name the column'),
        ({"split": {"gap": "7d"}}, 'split = {"gap": "7d"}: gap belongs to by: time; split by time, or remove it'),
        *(
            (
                {"split": {"by": "time", "gap": gap}},
                f"split.gap = {text}: is not a duration; write a whole number and d, h, m or s, as in 7d",
            )
            for gap, text in (
                ("1w", '"1w"'),
                ("", '""'),
                ("-7d", '"-7d"'),
                ("1.5h", '"1.5h"'),
                (7, "7"),
                (None, "null"),
            )
        ),
    ],
)
def test_a_fault_is_refused_with_file_field_value_and_remedy(fields, message):
    assert_refused(fields, message)


@pytest.mark.parametrize(
    ("gap", "length"), [("7d", timedelta(days=7)), ("12h", timedelta(hours=12)), ("30m", timedelta(minutes=30))]
)
def test_a_gap_is_a_number_of_days_hours_or_minutes(gap, length):
    assert spec(source=DATED, split={"by": "time", "gap": gap}).split.gap == length


def test_a_gap_written_in_another_unit_is_the_same_split():
    days, hours = (spec(source=DATED, split={"by": "time", "gap": gap}).split for gap in ("7d", "168h"))

    assert days == hours
    assert hours.model_dump(mode="json")["gap"] == "7d"
    assert Split.model_validate(hours.model_dump(mode="json")) == hours


@pytest.mark.parametrize(
    ("threshold", "text"),
    [
        ({"rows": 2000}, "2,000"),
        ({"rows": 2000, "max_wait": "168h", "min_rows": 50}, "2,000, or after 7d without a cycle 50"),
    ],
)
def test_a_threshold_is_shown_in_words(threshold, text):
    assert str(spec(threshold=threshold).threshold) == text


@pytest.mark.parametrize("split", [{}, {"split": {"by": "time"}}], ids=["hash", "time"])
def test_a_group_column_that_the_split_does_not_use_is_refused(split):
    text = refusal(source={**DATED, "group": "applicant"}, **split)

    assert text.startswith('letters.yaml: split = {"by": "')
    assert text.endswith(": does not use source.group; set by: group, or remove source.group")


@pytest.mark.parametrize("role", ["key", "label", "label_time"])
def test_a_feature_that_gives_the_label_away_is_refused(role):
    source = {**SOURCE, "label_time": "reviewed_at"}

    text = refusal(source={**source, "features": ["letter", source[role]]})

    assert text.startswith("letters.yaml: source")
    assert text.endswith(f": features hold {source[role]}, which is the {role}; remove it")


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ({**SOURCE, "features": ["id", "letter", "result"]}, ["hold id", "hold result"]),
        ({**SOURCE, "query": "letters.sql", "features": ["id"]}, ["both or neither", "hold id"]),
    ],
    ids=["two leaks", "a leak beside two places to read"],
)
def test_all_faults_of_a_source_are_reported_at_once(source, faults):
    text = refusal(source=source)

    assert [fault for fault in faults if fault not in text] == []


@pytest.mark.parametrize("sign", ["\0", "\ud800"])
@pytest.mark.parametrize("field", ["table", "key", "label", "label_time", "group"])
def test_text_that_no_database_holds_is_refused(field, sign):
    text = refusal(source={**SOURCE, field: f"a{sign}b"})

    assert text == (
        f'letters.yaml: source.{field} = "a\\u{ord(sign):04x}b": holds a character that PostgreSQL text cannot hold '
        "(\\u0000, or half of a surrogate pair); remove it"
    )
