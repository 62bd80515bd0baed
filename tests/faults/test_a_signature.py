"""A model's signature comes from the types of the snapshot's columns, and clients may send what the model takes."""

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import Model, infer_signature
from mlflow.pyfunc.scoring_server import infer_and_parse_data

from retrain.models import files as model_files
from retrain.records import Outcome
from retrain.tracker import model_writer
from tests.core.conftest import Make
from tests.core.gate.guarded import INPUTS, fails, gate, judged, ours, passes, theirs

FEATURES = ["vip", "visits", "price", "remark"]
TYPED = {
    "source": {
        "table": "typed",
        "key": "id",
        "label": "label",
        "label_time": "labelled_at",
        "features": FEATURES,
    },
    "candidates": [{"name": "typed", "estimator": "tests.faults.estimators:typed"}],
    "gate": {"metric": "accuracy", "floor": 0.5, "round_rows": 100},
}


def _feed(model: Any, rows: int = 2_000) -> None:
    """Booleans, whole numbers, numbers, and text that is null in all rows but the last."""
    model.execute(
        "CREATE TABLE typed (id int PRIMARY KEY, vip boolean, visits bigint, price float8, remark text, label text, "
        "labelled_at timestamptz)"
    )
    model.execute(
        "INSERT INTO typed SELECT i, i % 3 = 0, i % 7, i * 0.5, CASE WHEN i % 100 = 99 THEN 'late ' || i END, "
        "CASE WHEN i % 3 = 0 THEN 'yes' ELSE 'no' END, timestamptz '2026-01-01' + i * interval '1 s' "
        f"FROM generate_series(1, {rows}) i"
    )


def test_the_signature_comes_from_the_types_of_the_columns_and_not_from_the_first_rows(tmp_path: Path) -> None:
    """A4."""
    rows = pd.DataFrame({"a": [1.0, np.nan], "remark": pd.Series([None, None], dtype="str")})
    columns = {name: model_writer._type(rows[name]) for name in rows}
    signature = model_writer._signature(columns, np.array(["yes", "no"]))
    assert columns == {"a": "double", "remark": "string"}
    assert [str(each.type) for each in signature.inputs] == ["Any", "DataType.string"]
    (tmp_path / "MLmodel").write_text(json.dumps({"metadata": {model_files.COLUMNS: columns}}))
    assert model_files.inputs(tmp_path) == columns


@pytest.mark.parametrize("first", [None, "text"])
def test_an_any_of_before_and_a_signature_without_names_are_read_as_unknown(tmp_path: Path, first: str | None) -> None:
    """A4."""
    about = Model(signature=infer_signature(pd.DataFrame({"a": [1.5], "remark": [first]})))
    about.save(str(tmp_path / "MLmodel"))
    assert model_files.inputs(tmp_path) == {"a": "double", "remark": "any" if first is None else "string"}
    Model(signature=infer_signature(np.zeros((2, 2)))).save(str(tmp_path / "MLmodel"))
    assert model_files.inputs(tmp_path) is None


def test_a_client_that_sends_booleans_or_whole_numbers_to_a_promoted_version_is_served(
    world: Make, tmp_path: Path
) -> None:
    """A4."""
    model = world(**TYPED)
    _feed(model)
    promotion = model.promote()
    folder = model.tracker.download_model(f"models:/{model.model}/{promotion.to_version}", tmp_path)
    assert model_files.inputs(folder) == {"vip": "double", "visits": "double", "price": "double", "remark": "string"}
    served = mlflow.pyfunc.load_model(str(folder))
    sent = {"vip": [True, False], "visits": [3, 70_000], "price": [1, 2], "remark": ["a", None]}
    for rows in (
        pd.DataFrame(sent),
        pd.DataFrame(sent).astype({"vip": float, "visits": "int32", "price": "float32"}),
        pd.DataFrame({**sent, "vip": [True, None], "visits": [None, 1]}),
        _over_http(served, "dataframe_records", pd.DataFrame(sent).to_dict("records")),
        _over_http(
            served, "dataframe_split", {"columns": FEATURES, "data": [[None, 1, 2.5, None], [True, None, 1, "b"]]}
        ),
    ):
        assert len(served.predict(rows)) == 2
    assert list(served.predict(pd.DataFrame(sent))) == ["yes", "no"]
    for wrong in (pd.DataFrame(sent).drop(columns="vip"), pd.DataFrame({**sent, "remark": [1, 2]})):
        with pytest.raises(MlflowException):
            served.predict(wrong)


def _over_http(served: Any, form: str, rows: Any) -> Any:
    """What the scoring server makes of a body: `mlflow models serve`."""
    return infer_and_parse_data({form: rows}, served.metadata.get_input_schema())


# ── the gate's guard


@pytest.mark.parametrize("type_", ["boolean", "integer", "long", "float", "double", "any"])
def test_booleans_and_numbers_are_compatible_and_an_any_of_before_is_unknown(type_: str) -> None:
    """A4."""
    then = theirs(inputs={**INPUTS, "age": type_})
    passes(judged(ours(), then, gate=gate()), "signature")


@pytest.mark.parametrize(
    ("inputs", "lost"),
    [
        ({"text": "string"}, "age (long)"),
        ({"age": "string", "text": "string"}, "age (long, now string)"),
        ({"age": "datetime", "text": "double"}, "age (long, now datetime), text (string, now double)"),
    ],
)
def test_what_is_lost_is_named_with_the_remedy(inputs: dict[str, str], lost: str) -> None:
    """A4."""
    verdict = judged(ours(inputs=inputs), theirs(inputs={**INPUTS, "age": "long"}), gate=gate())
    assert fails(verdict, "signature") == (
        f"it no longer takes {lost} of Production's columns; put them back, or set gate.signature to any"
    )
    assert judged(ours(inputs=inputs), gate=gate(signature="any")).outcome is Outcome.PROMOTE
