"""Templates that several DAGs have in common."""

from types import SimpleNamespace

import jinja2
import pytest
from airflow.sdk.definitions._internal.templater import SandboxedEnvironment

from retrain_airflow.dags.trigger_form import BY


@pytest.mark.parametrize(
    ("run", "by"),
    [
        (SimpleNamespace(triggering_user_name="kim"), "kim"),
        (SimpleNamespace(triggering_user_name=None), ""),
        (SimpleNamespace(), ""),  # as in Airflow 3.1.0
    ],
)
def test_who_started_a_run_is_nobody_where_airflow_does_not_say(run: SimpleNamespace, by: str) -> None:
    strict = SandboxedEnvironment(undefined=jinja2.StrictUndefined)
    assert strict.from_string(BY).render(dag_run=run) == by
