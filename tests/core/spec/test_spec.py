"""A spec that is accepted can run; one that is not is refused with file, field, value and remedy, for every fault."""

from datetime import date, timedelta
from math import inf, nan

import pytest
from pydantic import ValidationError

from retrain.errors import SpecError
from retrain.spec.gate import Gate
from retrain.spec.parse import parse
from retrain.spec.source import Split

SOURCE = {"table": "letters", "key": "id", "label": "result", "features": ["letter"]}
DATED = {**SOURCE, "label_time": "reviewed_at"}
GROUPED = {**SOURCE, "group": "applicant"}
QUERY = {**SOURCE, "table": None, "query": "letters.sql"}
LINEAR = {"name": "linear", "estimator": "estimators.text:logistic"}
SMALLEST = {"model": "Letters", "source": SOURCE, "candidates": [LINEAR]}


def spec(**fields):
    return parse({**SMALLEST, **fields}, "letters.yaml")


def refusal(**fields):
    with pytest.raises(SpecError) as refused:
        spec(**fields)
    return str(refused.value)


# ── what is accepted


@pytest.mark.parametrize(("trust", "read"), [("pickle", ("pickle",)), (["a.B", "c.D"], ("a.B", "c.D")), ([], ())])
def test_what_is_trusted_is_one_or_several(trust, read):
    assert spec(trust=trust).trust == read


def test_a_model_a_source_and_one_candidate_are_enough():
    assert spec().model_dump(mode="json") == {
        "model": "Letters",
        "description": "",
        "source": {**SOURCE, "connection": "postgres_default", "query": None, "label_time": None, "group": None},
        "threshold": {"rows": 1000, "max_wait": None, "min_rows": 1},
        "split": {"by": "hash", "validation": 0.2, "holdout": 0.2, "gap": "0d"},
        "snapshot": {"window": None, "max_rows": None, "keep": 10},
        "task": "classification",
        "checks": {
            "column_types": {"on_fail": "block"},
            "null_share": {"max": 0.5, "on_fail": "warn"},
            "empty_texts": {"max": 0.1, "on_fail": "warn"},
            "duplicates": {"max": 0.5, "on_fail": "warn"},
            "conflicting_labels": {"max": 0.05, "on_fail": "warn"},
            "unseen_labels": {"max": 0, "on_fail": "warn"},
            "vanished_labels": {"max": 0, "on_fail": "warn"},
            "moved_labels": {"max": 0.2, "on_fail": "warn"},
            "future_labels": {"max": 0, "on_fail": "block", "ahead": "1d"},
            "resequenced_keys": {"max": 0.3, "on_fail": "block"},
            "changed_rows": {"max": 0.5, "on_fail": "warn"},
            "fallen_rows": {"max": 0.5, "on_fail": "block"},
        },
        "candidates": [{**LINEAR, "params": {}}],
        "gate": {
            "metric": "f1_macro",
            "positive": None,
            "floor": None,
            "ceiling": None,
            "proof": "superiority",
            "min_gain": 0,
            "margin": None,
            "alpha": 0.05,
            "tests": 10,
            "round_rows": 500,
            "min_rows": 100,
            "min_positives": 100,
            "max_overlap": 0.05,
            "limits": [],
            "slices": [],
            "max_ece": None,
            "max_share_shift": None,
            "max_latency_ms": None,
            "max_slowdown": None,
            "max_growth": None,
            "min_train_share": 0.5,
            "signature": "widened",
        },
        "trust": [],
        "mode": "enforce",
        "approval": None,
        "schedule": None,
        "wake": "schedule",
        "workers": {"at_once": 4, "pool": "default_pool"},
        "watch": {"silence": None, "late": "1d"},
        "channels": [],
    }


def test_what_a_check_does_not_say_is_its_own_default():
    checks = spec(
        checks={"null_share": {"max": 0.1}, "fallen_rows": {"max": 0.2}, "duplicates": {"on_fail": "block"}}
    ).checks
    assert (checks.null_share.max, checks.null_share.on_fail) == (0.1, "warn")
    assert (checks.fallen_rows.max, checks.fallen_rows.on_fail) == (0.2, "block")
    assert (checks.duplicates.max, checks.duplicates.on_fail) == (0.5, "block")
    assert checks.future_labels == spec().checks.future_labels


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
        {"gate": {"metric": "f1", "positive": "pass"}},
        {"gate": {"metric": "f1", "positive": 0}},
        {"gate": {"floor": 1}},
        {"mode": "observe", "schedule": "@hourly", "channels": [{"webhook": "team"}]},
        {"approval": {"users": ["kim", "lee"], "wait": "36h"}},
        {"watch": {"silence": "3d", "late": None}, "source": DATED},
        {"wake": "on_arrival"},
        {"wake": "on_arrival", "schedule": "@hourly"},
        {"model": "자기소개서 분류"},
        {"candidates": [{**LINEAR, "params": {"columns": ["a"], "c": 0.5, "deep": {"on": None}}}]},
    ],
    ids=str,
)
def test_what_can_run_is_accepted(fields):
    accepted = spec(**fields).model_dump(mode="json", exclude_unset=True)

    assert {name: accepted[name] for name in fields} == fields


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
    ("threshold", "told"),
    [
        ({"rows": 2000}, "2,000"),
        ({"rows": 2000, "max_wait": "168h", "min_rows": 50}, "2,000, or after 7d without a cycle 50"),
    ],
)
def test_a_threshold_is_told_in_words(threshold, told):
    assert str(spec(threshold=threshold).threshold) == told


def test_the_class_that_f1_is_about_keeps_its_type():
    assert spec(gate={"metric": "f1", "positive": 1}).gate.positive == 1
    assert spec(gate={"metric": "f1", "positive": "1"}).gate.positive == "1"


def test_a_spec_cannot_be_changed():
    frozen = spec()

    with pytest.raises(ValidationError, match="frozen"):
        frozen.gate.floor = 0.0
    assert hash(frozen.gate) == hash(Gate())


def test_a_candidate_is_found_by_its_name():
    both = spec(candidates=[LINEAR, {**LINEAR, "name": "strict", "params": {"c": 0.1}}])

    assert both.candidate("strict").params == {"c": 0.1}


def test_a_candidate_that_the_spec_does_not_name_is_refused_with_those_that_it_does():
    both = spec(candidates=[LINEAR, {**LINEAR, "name": "strict"}])

    with pytest.raises(SpecError, match=r"^Letters: there is no candidate 'boosted'; the spec names linear, strict$"):
        both.candidate("boosted")


# ── what is refused


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"threshold": {"rows": "3"}}, 'threshold.rows = "3": input should be a valid integer'),
        ({"threshold": {"rows": 3.0}}, "threshold.rows = 3.0: input should be a valid integer"),
        ({"threshold": {"rows": True}}, "threshold.rows = true: input should be a valid integer"),
        ({"threshold": {"rows": 0}}, "threshold.rows = 0: input should be greater than or equal to 1"),
        (
            {"threshold": {"rows": 10, "max_wait": "7d", "min_rows": 11}},
            'threshold = {"rows": 10, "max_wait": "7d", "min_rows": 11}: min_rows is more than rows; set it to no more '
            "than those",
        ),
        (
            {"threshold": {"min_rows": 2}},
            'threshold = {"min_rows": 2}: min_rows belongs to max_wait; set that too, or remove it',
        ),
        ({"threshold": {"max_wait": "7d", "min_rows": 0}}, "threshold.min_rows = 0: input should be greater than or"),
        (
            {"threshold": {"max_wait": "a week"}},
            'threshold.max_wait = "a week": is no duration; write a whole number and d, h or m, as in 7d',
        ),
        ({"threshold": None}, "threshold = null: input should be an object"),
        ({"model": 7}, "model = 7: input should be a valid string"),
        ({"model": "가/나"}, r"""model = "가/나": string should match pattern '^[^/:\s][^/:]{0,199}$'"""),
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
        ({"source": {**SOURCE, "query": "letters.sql"}}, "names both or neither of table and query; name one of them"),
        ({"source": {**SOURCE, "table": None}}, "names both or neither of table and query; name one of them"),
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
                f"split.gap = {told}: is no duration; write a whole number and d, h or m, as in 7d",
            )
            for gap, told in (
                ("1w", '"1w"'),
                ("", '""'),
                ("-7d", '"-7d"'),
                ("1.5h", '"1.5h"'),
                (7, "7"),
                (None, "null"),
            )
        ),
        ({"gate": {"floor": nan}}, "gate.floor = NaN: input should be a finite number"),
        ({"gate": {"floor": -inf}}, "gate.floor = -Infinity: input should be a finite number"),
        ({"gate": {"floor": 1.01}}, "gate.floor = 1.01: input should be less than or equal to 1"),
        ({"gate": {"alpha": 0}}, "gate.alpha = 0: input should be greater than 0"),
        ({"gate": {"tests": 0}}, "gate.tests = 0: input should be greater than or equal to 1"),
        ({"gate": {"min_rows": 1}}, "gate.min_rows = 1: input should be greater than or equal to 2"),
        (
            {"gate": {"metric": "auc"}},
            'gate.metric = "auc": is no metric; did you mean roc_auc? or sklearn:<name> for a scorer',
        ),
        (
            {"gate": {"metric": "f1"}},
            'gate = {"metric": "f1"}: f1 is about one class; name it as positive',
        ),
        (
            {"gate": {"positive": "pass"}},
            'gate = {"positive": "pass"}: positive is not for f1_macro, which is about all classes; remove it',
        ),
        ({"candidates": []}, "candidates = []: names none; add one"),
        ({"candidates": [LINEAR, LINEAR]}, "names linear more than once; name each once"),
        ({"candidates": LINEAR}, "input should be a valid array"),
        ({"mode": "enforced"}, "mode = \"enforced\": input should be 'enforce' or 'observe'"),
        ({"schedule": 5}, "schedule = 5: input should be a valid string"),
        (
            {"checks": {"fallen_rows": {"max": 1.5}}},
            "checks.fallen_rows.max = 1.5: input should be less than or equal to 1",
        ),
        (
            {"checks": {"fallen_rows": {"on_fail": "ignore"}}},
            "checks.fallen_rows.on_fail = \"ignore\": input should be 'block' or 'warn'",
        ),
        ({"checks": {"fallen_rows": None}}, "checks.fallen_rows = null: input should be an object"),
        (
            {"checks": {"future_labels": {"ahead": 1}}},
            "checks.future_labels.ahead = 1: is no duration; write a whole number and d, h or m, as in 7d",
        ),
        ({"channels": [{"webhook": ""}]}, 'channels[0].webhook = "": string should have at least 1 character'),
        ({"channels": [{"least": "info"}]}, "channels[0] = {"),
        (
            {"channels": [{"slack": "a", "webhook": "b"}]},
            "names not one connection; write one of webhook, slack",
        ),
        ({"channels": [{"email": "smtp"}]}, "email and to go together: name the addresses in to"),
        ({"channels": [{"slack": "a", "to": ["a@b.c"]}]}, "email and to go together"),
        ({"channels": [{"email": "smtp", "to": ["a@b.c, d@e.f"]}]}, "channels[0].to[0] = "),
        ({"channels": [{"slack": "a", "least": "grave"}]}, "channels[0].least = "),
        ({"channels": [{"slack": "a"}, {"slack": "a", "least": "error"}]}, "channels = "),
    ],
)
def test_a_fault_is_refused_with_file_field_value_and_remedy(fields, message):
    told = refusal(**fields)
    (field,) = fields

    assert told.startswith(f"letters.yaml: {field}")
    assert message in told
    assert "\n" not in told


@pytest.mark.parametrize("split", [{}, {"split": {"by": "time"}}], ids=["hash", "time"])
def test_a_group_column_that_the_split_does_not_use_is_refused(split):
    told = refusal(source={**DATED, "group": "applicant"}, **split)

    assert told.startswith('letters.yaml: split = {"by": "')
    assert told.endswith(": does not use source.group; say by: group, or remove source.group")


@pytest.mark.parametrize("role", ["key", "label", "label_time"])
def test_a_feature_that_tells_the_label_is_refused(role):
    source = {**SOURCE, "label_time": "reviewed_at"}

    told = refusal(source={**source, "features": ["letter", source[role]]})

    assert told.startswith("letters.yaml: source")
    assert told.endswith(f": features hold {source[role]}, which is the {role}; remove it")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"thresold": {"rows": 3}}, 'thresold = {"rows": 3}: is not a field; did you mean threshold?'),
        ({"source": {**SOURCE, "feature": []}}, "source.feature = []: is not a field; did you mean features?"),
        ({"threshold": {"row": 3}}, "threshold.row = 3: is not a field; did you mean rows?"),
        ({"split": {"validations": 0.2}}, "split.validations = 0.2: is not a field; did you mean validation?"),
        ({"gate": {"floors": 1}}, "gate.floors = 1: is not a field; did you mean floor?"),
        ({"checks": {"null_shares": {}}}, "checks.null_shares = {}: is not a field; did you mean null_share?"),
        (
            {"checks": {"column_types": {"max": 1}}},
            "checks.column_types.max = 1: is not a field; remove it, or use one of on_fail",
        ),
        (
            {"checks": {"future_labels": {"a_head": 3}}},
            "checks.future_labels.a_head = 3: is not a field; did you mean ahead?",
        ),
        ({"channels": [{"web_hook": "x"}]}, 'channels[0].web_hook = "x": is not a field; did you mean webhook?'),
        (
            {"candidates": [LINEAR, {**LINEAR, "name": "strict", "parms": {}}]},
            "candidates[1].parms = {}: is not a field; did you mean params?",
        ),
        (
            {"owner": "hr"},
            'owner = "hr": is not a field; remove it, or use one of model, description, source, threshold, split, '
            "snapshot, task, candidates, checks, gate, trust, mode, approval, schedule, wake, workers, watch, channels",
        ),
    ],
)
def test_an_unknown_field_is_refused_with_the_one_that_was_meant(fields, message):
    assert refusal(**fields).startswith(f"letters.yaml: {message}")


def test_an_approval_is_a_persons_or_nobodys():
    assert spec(approval="person").approval == spec(approval={}).approval
    assert spec(approval="none").approval is spec(approval=None).approval is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"approval": "persons"}, 'approval = "persons": is none of person and none; or write fields: users, wait'),
        ({"approval": {"wait": "0d"}}, 'approval.wait = "0d": gives nobody time to answer; write more'),
        ({"approval": {"user": ["kim"]}}, 'approval.user = ["kim"]: is not a field; did you mean users?'),
        ({"approval": {"users": ["kim", "kim"]}}, 'approval.users = ["kim", "kim"]: names kim more than once'),
        ({"watch": {"silence": "3d"}}, "silence needs source.label_time; name the column, or remove it"),
        ({"watch": {"lat": "3d"}}, 'watch.lat = "3d": is not a field; did you mean late?'),
    ],
)
def test_what_cannot_be_approved_or_watched_is_refused(fields, message):
    assert message in refusal(**fields)


def test_all_faults_are_told_at_once():
    told = refusal(
        model="a:b",
        source={"table": "letters", "label": "result", "features": ["letter", "letter"]},
        threshold={"rows": "3"},
        candidates=[LINEAR, {"name": "no/name"}],
        gates={},
    )

    assert {line.split(" = ")[0].split(": is missing")[0] for line in told.splitlines()} == {
        "letters.yaml: model",
        "letters.yaml: source.key",
        "letters.yaml: source.features",
        "letters.yaml: threshold.rows",
        "letters.yaml: candidates[1].name",
        "letters.yaml: candidates[1].estimator",
        "letters.yaml: gates",
    }


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ({**SOURCE, "features": ["id", "letter", "result"]}, ["hold id", "hold result"]),
        ({**SOURCE, "query": "letters.sql", "features": ["id"]}, ["both or neither", "hold id"]),
    ],
    ids=["two leaks", "a leak beside two places to read"],
)
def test_all_faults_of_a_source_are_told_at_once(source, faults):
    told = refusal(source=source)

    assert [fault for fault in faults if fault not in told] == []


def test_a_fault_in_the_only_candidate_is_not_told_as_a_missing_candidate():
    told = refusal(candidates=[{**LINEAR, "estimator": "estimators.text.logistic"}])

    assert told == (
        'letters.yaml: candidates[0].estimator = "estimators.text.logistic": '
        r"string should match pattern '^[A-Za-z_][\w.]*:[A-Za-z_]\w*$'"
    )


@pytest.mark.parametrize("positive", [True, 0.5, ["pass"]])
def test_a_class_of_another_type_is_one_fault_of_the_field_that_the_file_has(positive):
    told = refusal(gate={"metric": "f1", "positive": positive})

    assert told.startswith("letters.yaml: gate.positive = ")
    assert "\n" not in told


def test_a_long_value_is_cut():
    told = refusal(model="x" * 1000)

    assert told.startswith(f'letters.yaml: model = "{"x" * 76}...: string should match')


@pytest.mark.parametrize(("data", "held"), [(None, "NoneType"), ([SMALLEST], "list"), ("model: x", "str"), (7, "int")])
def test_data_without_fields_is_refused(data, held):
    with pytest.raises(SpecError, match=rf"^letters\.yaml: holds {held}, not fields; begin with `model:`$"):
        parse(data, "letters.yaml")


# ── values that YAML has and a spec has not


@pytest.mark.parametrize(
    ("fields", "field", "value"),
    [
        ({"model": date(2026, 1, 2)}, "model", "2026-01-02"),
        ({"description": date(2026, 1, 2)}, "description", "2026-01-02"),
        ({"gate": {"metric": "f1", "positive": date(2026, 1, 2)}}, "gate.positive", "2026-01-02"),
        ({"candidates": [{**LINEAR, "params": {"since": date(2026, 1, 2)}}]}, "params", "2026-01-02"),
        ({"candidates": [{**LINEAR, "params": {"columns": {"letter"}}}]}, "params", "letter"),
        ({"candidates": [{**LINEAR, "params": {"columns": b"letter"}}]}, "params", "letter"),
    ],
    ids=["name", "text", "class", "param that is a date", "param that is a set", "param that is bytes"],
)
def test_a_value_that_is_neither_text_nor_number_is_not_silently_taken_for_text(fields, field, value):
    told = refusal(**fields)

    assert told.startswith("letters.yaml: ")
    assert field in told
    assert value in told


def test_a_date_for_a_number_is_refused_in_the_words_of_the_file():
    told = refusal(threshold={"rows": date(2026, 1, 2)})

    assert told.startswith('letters.yaml: threshold.rows = "2026-01-02": ')


@pytest.mark.parametrize("sign", ["\0", "\ud800"])
@pytest.mark.parametrize("field", ["table", "key", "label", "label_time", "group"])
def test_text_that_no_database_holds_is_refused(field, sign):
    told = refusal(source={**SOURCE, field: f"a{sign}b"})

    assert told == (
        f'letters.yaml: source.{field} = "a\\u{ord(sign):04x}b": holds a character that PostgreSQL takes in no text '
        "(\\u0000, or half of a pair); remove it"
    )


def test_a_name_that_no_database_holds_is_refused_in_words_that_can_be_printed():
    told = refusal(candidates=[{**LINEAR, "params": {"a\ud800": 1}}])

    assert told.startswith(r'letters.yaml: "candidates[0].params.a\ud800": holds a character')
    assert told.encode()


@pytest.mark.parametrize(
    "fields",
    [{date(2026, 1, 2): "a"}, {"candidates": [{**LINEAR, "params": {date(2026, 1, 2): "a"}}]}],
    ids=["field", "param"],
)
def test_a_name_that_is_no_text_is_refused(fields):
    with pytest.raises(SpecError, match=r"^letters\.yaml: .*2026-01-02"):
        parse({**SMALLEST, **fields}, "letters.yaml")


def test_a_value_that_holds_itself_is_refused():
    endless = {}
    endless["again"] = endless

    assert refusal(candidates=[{**LINEAR, "params": endless}]).startswith("letters.yaml: ")
