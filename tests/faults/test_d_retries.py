"""Point 5 of the issue: a task is tried again only where that can help."""

import json
import os
from collections.abc import Iterator
from datetime import timedelta

import psycopg2
import pydantic
import requests
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.sdk import DAG, BaseOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException, AirflowTaskTimeout

from retrain import errors
from retrain.tracker.transport import AlreadyExistsError
from retrain_airflow.dags import task_defaults
from tests.airflow.test_cycle import metadata  # noqa: F401 - a fixture

HELPS = {
    errors.ChannelError: True,
    errors.SourceError: True,
    errors.SnapshotError: True,
    errors.LedgerError: True,
    errors.NoAnswerError: True,
    errors.EndedError: True,
    AlreadyExistsError: False,
    errors.BlockedDataError: False,
    errors.ErasedRowsError: False,
    errors.EstimatorError: False,
    errors.ToldError: False,
    errors.ForeignProductionError: False,
    errors.OtherVersionError: False,
    errors.FrozenError: False,
    errors.SplitTestError: False,
    errors.JudgingError: False,
    errors.BacktestError: False,
    errors.NotFoundError: False,
    errors.NotInLedgerError: False,
    errors.RetrainError: False,
    errors.RollbackError: False,
    errors.AdoptionError: False,
    errors.SettingsError: False,
    errors.MissingExtraError: False,
    errors.SourceMismatchError: False,
    errors.SpecError: False,
    errors.StaleVerdictError: False,
    errors.TrackerError: False,
    errors.UntrustedModelError: False,
    # of others
    AirflowException: True,
    ConnectionResetError: True,
    MemoryError: True,
    OSError: True,
    TimeoutError: True,
    psycopg2.OperationalError: True,
    requests.ConnectionError: True,
    AirflowNotFoundException: False,
    AttributeError: False,
    FileNotFoundError: False,
    ImportError: False,
    IndexError: False,
    KeyError: False,
    NotImplementedError: False,
    OverflowError: False,
    PermissionError: False,
    TypeError: False,
    UnicodeDecodeError: False,
    ValueError: False,
    ZeroDivisionError: False,
    json.JSONDecodeError: False,
    psycopg2.DataError: False,
    psycopg2.ProgrammingError: False,
    psycopg2.errors.InsufficientPrivilege: False,
    pydantic.ValidationError: False,
}


def _kinds(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _kinds(each)


def test_each_kind_of_our_errors_is_in_the_table() -> None:
    """Point 5."""
    ours = {kind for kind in _kinds(errors.RetrainError) if kind.__module__ == errors.__name__}
    assert ours - errors.RETRIES.keys() == set()
    assert ours - HELPS.keys() == set()


def _raise(kind: type[BaseException]) -> None:
    if kind is UnicodeDecodeError:
        b"\xff".decode()
    if kind is pydantic.ValidationError:
        pydantic.TypeAdapter(int).validate_python("many")
    if kind is json.JSONDecodeError:
        json.loads("{")
    raise kind("it is as it is")


class Failing(BaseOperator):
    """Raises the error, and keeps how often it was run."""

    tries: dict[str, int] = {}  # noqa: RUF012

    def execute(self, context: Context) -> None:
        self.tries[self.task_id] = self.tries.get(self.task_id, 0) + 1
        _raise({kind.__name__: kind for kind in (*HELPS, AirflowTaskTimeout)}[self.task_id])


def test_a_task_is_tried_again_after_the_errors_that_may_pass_and_after_no_other(metadata: None) -> None:  # noqa: F811
    """Point 5."""
    policy = task_defaults.RETRIES | {"retries": 1, "retry_delay": timedelta(0), "max_retry_delay": timedelta(0)}
    with DAG("retries", schedule=None, auto_register=False, default_args=policy) as dag:
        for kind in (*HELPS, AirflowTaskTimeout):
            Failing(task_id=kind.__name__)
    bag = DagBag(os.devnull, collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    Failing.tries.clear()
    dag.test()
    expected = {kind.__name__: 1 + helps for kind, helps in HELPS.items()} | {"AirflowTaskTimeout": 1}
    assert Failing.tries == expected
