"""The sections of training: limits, and where it runs."""

import pytest

from tests.core.spec.specs import assert_accepted, assert_refused, spec


@pytest.mark.parametrize(
    "fields",
    [
        {"limits": {"time": "90s", "memory": "512m", "threads": 2}},
        {"run_on": {"queue": "gpu", "pool": "training", "python": "torch-2.4"}},
        {"run_on": {"executor_config": {"KubernetesExecutor": {"request_memory": "8Gi"}}}},
        {"run_on": {"image": "registry/train:3"}},
    ],
    ids=str,
)
def test_what_can_train_is_accepted(fields):
    assert_accepted(fields)


def test_a_size_is_read_in_bytes():
    assert spec(limits={"memory": "8g"}).limits.memory == 8 << 30


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"limits": {"time": "0s"}}, 'limits.time = "0s": leaves no time; write more, as in 3d'),
        ({"limits": {"memory": 8}}, "limits.memory = 8: is not a size; write a whole number and g or m, as in 8g"),
        ({"limits": {"memory": "8GB"}}, 'limits.memory = "8GB": is not a size'),
        ({"limits": {"threads": 0}}, "limits.threads = 0: input should be greater than or equal to 1"),
        ({"run_on": {"python": "/usr/bin/python"}}, 'run_on.python = "/usr/bin/python": string should match'),
        (
            {"run_on": {"image": "a", "executor_config": {"pod_override": {}}}},
            "image and executor_config.pod_override both say what runs; write one",
        ),
    ],
    ids=str,
)
def test_what_cannot_train_is_refused(fields, message):
    assert_refused(fields, message)
