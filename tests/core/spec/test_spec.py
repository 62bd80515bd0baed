"""A spec that is accepted can run; one that is not is refused with file, field, value and remedy, for every fault."""

import pytest
from pydantic import ValidationError

from retrain.spec.gate import Gate
from tests.core.spec.specs import LINEAR, SOURCE, assert_accepted, assert_refused, refusal, spec


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "자기소개서 분류"},
    ],
    ids=str,
)
def test_what_can_run_is_accepted(fields):
    assert_accepted(fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": 7}, "model = 7: input should be a valid string"),
        ({"model": "가/나"}, r"""model = "가/나": string should match pattern '^[^/:\s][^/:]{0,199}$'"""),
    ],
)
def test_a_fault_is_refused_with_file_field_value_and_remedy(fields, message):
    assert_refused(fields, message)


def test_a_model_a_source_and_one_candidate_are_enough():
    assert spec().model_dump(mode="json") == {
        "model": "Letters",
        "aliases": {"production": "production", "staging": "staging"},
        "connections": {"mlflow": "mlflow_default", "ledger": "retrain_state"},
        "description": "",
        "source": {
            **SOURCE,
            "connection": "postgres_default",
            "query": None,
            "label_time": None,
            "time_zone": None,
            "empty_label": None,
            "group": None,
            "also_read": [],
        },
        "threshold": {"rows": 1000, "max_wait": None, "min_rows": 1},
        "split": {"by": "hash", "validation": 0.2, "holdout": 0.2, "gap": "0d"},
        "snapshot": {"window": None, "max_rows": None, "keep": 10},
        "task": "classification",
        "checks": {
            "column_types": {"on_fail": "block"},
            "null_share": {"max": 0.5, "on_fail": "warn"},
            "infinite_numbers": {"max": 0, "on_fail": "block"},
            "empty_labels": {"max": 0, "on_fail": "block"},
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
        "candidates": [
            {
                **LINEAR,
                "train": None,
                "params": {},
                "search": None,
                "fit": {},
                "sample_weight": None,
                "early_stopping": None,
                "passes": None,
                "stream": False,
                "format": ["skops"],
            }
        ],
        "gate": {
            "metric": "f1_macro",
            "positive": None,
            "floor": None,
            "ceiling": None,
            "proof": "auto",
            "min_gain": 0,
            "margin": None,
            "alpha": 0.05,
            "tests": 5,
            "spending": "early",
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
        "share_steps": True,
        "mode": None,
        "approval": None,
        "schedule": None,
        "schedule_time_zone": None,
        "wake": "schedule",
        "limits": {"time": "1d", "memory": None, "threads": None},
        "run_on": {"queue": None, "pool": "default_pool", "python": None, "image": None, "executor_config": {}},
        "workers": {"at_once": 4, "longest": "1d"},
        "watch": {
            "silence": None,
            "late": "1d",
            "cohort": "7d",
            "predicted_at": None,
            "maturity": "0d",
            "at_most": 100_000,
            "alpha": 0.05,
            "margin": None,
            "on_decay": "tell",
        },
        "trial": None,
        "ab": None,
        "predictions": None,
        "channels": [],
    }


@pytest.mark.parametrize(("trust", "read"), [("pickle", ("pickle",)), (["a.B", "c.D"], ("a.B", "c.D")), ([], ())])
def test_what_is_trusted_is_one_or_several(trust, read):
    assert spec(trust=trust).trust == read


def test_a_spec_cannot_be_changed():
    frozen = spec()

    with pytest.raises(ValidationError, match="frozen"):
        frozen.gate.floor = 0.0
    assert hash(frozen.gate) == hash(Gate())


def test_all_faults_are_reported_at_once():
    text = refusal(
        model="a:b",
        source={"table": "letters", "label": "result", "features": ["letter", "letter"]},
        threshold={"rows": "3"},
        candidates=[LINEAR, {"name": "no/name"}],
        gates={},
    )

    assert {line.split(" = ")[0].split(": is missing")[0] for line in text.splitlines()} == {
        "letters.yaml: model",
        "letters.yaml: source.key",
        "letters.yaml: source.features",
        "letters.yaml: threshold.rows",
        "letters.yaml: candidates[1].name",
        "letters.yaml: candidates[1].train",
        "letters.yaml: gates",
    }
