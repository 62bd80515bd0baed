"""A look at a spec before its first run finds whatever that would find."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from xgboost import XGBClassifier

from retrain import extras
from retrain.errors import SourceError
from retrain.preflight.source import hold_to_source
from retrain.preflight.spec import look
from retrain.spec.parse import parse
from retrain.spec.spec import Spec
from retrain_features.categories import Categories
from tests.core.source.tables import ONE_WAY, Schema, execute, source

HERE = __name__


def plain(**params: Any) -> Any:
    return LogisticRegression(**params)


def linear() -> Any:
    return LinearRegression()


def boosted() -> Any:
    return XGBClassifier(n_estimators=5)


def light() -> Any:
    return LGBMClassifier(n_estimators=5, verbose=-1)


def cat() -> Any:
    return CatBoostClassifier(n_estimators=5)


def cat_with_categories() -> Any:
    return make_pipeline(Categories(missing="none"), CatBoostClassifier(n_estimators=5))


def mixed(text: str, number: str) -> Any:
    return make_pipeline(
        ColumnTransformer([("t", TfidfVectorizer(), text), ("n", "passthrough", [number])]), LogisticRegression()
    )


class Forgetful(ClassifierMixin, BaseEstimator):
    """Predicts otherwise once it was stored."""

    def fit(self, features: Any, labels: Any) -> "Forgetful":
        self.classes_, self._known = np.unique(labels), True
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {"classes_": self.classes_}

    def predict(self, features: Any) -> Any:
        return np.full(len(features), self.classes_[1 if hasattr(self, "_known") else 0])


def forgetful() -> Any:
    return Forgetful()


def spec_of(function: str = "plain", **fields: Any) -> Spec:
    params = fields.pop("params", {})
    features = fields.pop("features", ["a", "b"])
    data = {
        "model": "m",
        "source": {"table": "letters", "key": "id", "label": "label", "features": features, **fields.pop("source", {})},
        "candidates": [{"name": "it", "estimator": f"{HERE}:{function}", "params": params}],
        "gate": {"metric": "accuracy", "floor": 0.5},
    }
    return parse({**data, **fields}, "spec.yaml")


@dataclass(frozen=True)
class Found:
    faults: list[str]
    notes: list[str]


def looked(spec: Spec) -> Found:
    findings = list(look(spec))
    return Found([each.text for each in findings if each.fault], [each.text for each in findings if not each.fault])


def held(schema: Schema, spec: Spec) -> Found:
    findings = list(hold_to_source(spec, source(schema, **_fields(spec))))
    return Found([each.text for each in findings if each.fault], [each.text for each in findings if not each.fault])


def _fields(spec: Spec) -> dict[str, Any]:
    return spec.source.model_dump(exclude_defaults=True, exclude={"query", "connection"})


# ── without a source


@pytest.mark.parametrize("function", ["plain", "boosted", "light", "cat", "cat_with_categories"])
def test_a_candidate_that_works_has_no_fault(function: str) -> None:
    assert looked(spec_of(function)) == Found([], [])


def test_columns_come_in_the_order_in_which_it_was_fitted() -> None:
    assert looked(spec_of(features=["b", "c", "a"])) == Found([], [])


def test_types_are_tried_until_the_candidate_takes_them() -> None:
    params = {"text": "b", "number": "a"}
    assert looked(spec_of("mixed", params=params)) == Found([], [])


def test_a_regression_is_tried_on_numbers() -> None:
    gate = {"metric": "rmse", "ceiling": 9}
    assert looked(spec_of("linear", task="regression", gate=gate)) == Found([], [])


def test_parameters_that_fail_when_it_is_fitted_are_found() -> None:
    (fault,) = looked(spec_of(params={"C": -1})).faults
    assert fault.startswith("candidate 'it', tried on made rows: LogisticRegression cannot be fitted")
    assert "'C'" in fault


def _searched(space: dict[str, Any], function: str = "plain") -> Spec:
    candidate = {"name": "it", "estimator": f"{HERE}:{function}", "search": {"space": space}}
    return spec_of(candidates=[candidate])


def test_a_search_is_built_at_each_corner_of_its_space() -> None:
    assert looked(_searched({"C": {"float": [0.1, 10.0]}, "solver": {"choice": ["lbfgs", "newton-cg"]}})) == Found(
        [], []
    )
    (fault,) = looked(_searched({"C": {"float": [0.1, 10.0]}, "slver": {"choice": ["lbfgs", "newton-cg"]}})).faults
    assert "slver" in fault
    assert "(search: at C = 0.1, slver = 'lbfgs')" in fault


def test_the_last_corner_of_a_search_is_fitted_as_well() -> None:
    (fault,) = looked(_searched({"C": {"float": [-1.0, 10.0]}})).faults
    assert fault.startswith("candidate 'it', tried on made rows: LogisticRegression cannot be fitted")
    assert fault.endswith("(search: at C = -1.0)")
    (fault,) = looked(_searched({"solver": {"choice": ["lbfgs", "no such"]}})).faults
    assert fault.endswith("(search: at solver = 'no such')")


def test_a_search_without_its_packages_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.EXTRAS, "tune", ("no_such_module",))  # type: ignore[attr-defined]
    faults = looked(_searched({"C": {"float": [0.1, 10.0]}})).faults
    assert all("search needs an extra; run `pip install 'airflow-provider-retrain[tune]'`" in each for each in faults)
    assert faults


def test_types_that_are_not_trusted_are_found() -> None:
    (fault,) = looked(spec_of("forgetful")).faults
    assert "the model holds" in fault
    assert "Forgetful" in fault


def test_a_model_that_predicts_otherwise_once_it_is_loaded_is_found() -> None:
    (fault,) = looked(spec_of("forgetful", trust="pickle")).faults
    assert "loaded in a fresh process it predicts otherwise than here" in fault


def by_function() -> Any:
    return make_pipeline(FunctionTransformer(np.nan_to_num), LogisticRegression())


def _in_onnx(function: str, **params: Any) -> dict[str, Any]:
    candidate = {"name": "it", "estimator": f"{HERE}:{function}", "params": params, "format": ["skops", "onnx"]}
    return {"candidates": [candidate]}


def test_a_copy_in_onnx_without_its_packages_is_one_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.EXTRAS, "onnx", ("no_such_module",))  # type: ignore[index]
    (fault,) = looked(spec_of(**_in_onnx("plain"))).faults
    assert fault == ("candidates[0].format: onnx needs an extra; run `pip install 'airflow-provider-retrain[onnx]'`")


# ── with a source


@pytest.fixture
def rows(schema: Schema) -> Schema:
    """Six hundred rows of two numbers and a label."""
    execute(
        schema,
        "CREATE TABLE letters AS SELECT n AS id, sin(n) AS a, cos(n) AS b, "
        "CASE WHEN sin(n) > 0 THEN 'yes' ELSE 'no' END AS label, timestamp '2026-01-01' + n * interval '1 h' AS at "
        "FROM generate_series(1, 600) AS n",
    )
    return schema


@ONE_WAY
def test_a_source_that_fits_has_no_fault(rows: Schema) -> None:
    found = held(rows, spec_of())
    assert found.faults == []
    assert "new rows are counted by" in found.notes[0]


@ONE_WAY
def test_a_copy_in_onnx_is_tried_as_well(rows: Schema) -> None:
    assert held(rows, spec_of(**_in_onnx("plain"))).faults == []
    (fault,) = held(rows, spec_of(**_in_onnx("by_function"))).faults
    assert "it: cannot be written in ONNX: " in fault


@ONE_WAY
@pytest.mark.parametrize(
    ("statement", "fields", "fault"),
    [
        ("UPDATE letters SET a = 'NaN' WHERE id = 3", {}, "Input X contains NaN"),
        ("UPDATE letters SET a = 'infinity' WHERE id = 3", {}, "infinite numbers are in a in 1 rows"),
        ("UPDATE letters SET label = ' ' WHERE id = 3", {}, "write source.empty_label: unlabelled"),
        ("", {"gate": {"metric": "f1", "positive": True, "floor": 0.5}}, "no row has that label; the classes are 'no'"),
        ("", {"gate": {"metric": "f1", "positive": "Yes"}}, "f1 is about class 'Yes', and no row has that label"),
        (
            "",
            {"gate": {"metric": "accuracy", "slices": [{"column": "a", "value": 7, "margin": 0.1}]}},
            "a = 7 holds no row of the source; correct the value",
        ),
        ("ALTER TABLE letters RENAME b TO c", {}, "there is no column 'b'"),
        ("INSERT INTO letters SELECT * FROM letters WHERE id = 3", {}, "1 keys occur more than once"),
        ("UPDATE letters SET at = '20226-01-01' WHERE id = 3", {"source": {"label_time": "at"}}, "out of range"),
        (
            "ALTER TABLE letters ALTER label TYPE boolean USING label = 'yes'",
            {"gate": {"metric": "f1", "positive": "yes"}},
            "the classes are 'false', 'true'",
        ),
    ],
)
def test_what_the_first_run_would_find_is_found(
    rows: Schema, statement: str, fields: dict[str, Any], fault: str
) -> None:
    if statement:
        execute(rows, statement)
    assert fault in "\n".join(held(rows, spec_of(**fields)).faults)


@ONE_WAY
def test_what_is_good_to_know_is_a_note(rows: Schema) -> None:
    execute(rows, "ALTER TABLE letters ADD span interval DEFAULT '1 day'")
    notes = "\n".join(held(rows, spec_of(source={"label_time": "at"}, features=["a", "b", "span"])).notes)
    assert "at is a timestamp without time zone, read as one of UTC; write source.time_zone if it is not" in notes
    assert "feature span is a interval, which a model gets as text; cast it in a query file" in notes


@ONE_WAY
def test_rows_that_the_role_may_not_see_are_said(rows: Schema) -> None:
    """B16."""
    execute(
        rows,
        "CREATE ROLE watcher LOGIN; ALTER TABLE letters ENABLE ROW LEVEL SECURITY; GRANT SELECT ON letters TO watcher",
    )
    try:
        with rows.session, rows.session.cursor() as cursor:
            cursor.execute("SELECT format('GRANT USAGE ON SCHEMA %I TO watcher', current_schema())")
            (statement,) = cursor.fetchone()
        execute(rows, statement)
        seen = Schema(f"{rows.dsn} user=watcher".replace("user=postgres", ""), rows.session)
        found = held(seen, spec_of())
        assert "row-level security is active for this role" in "\n".join(found.notes)
        assert "row-level security hides them" in "\n".join(found.faults)
    finally:
        execute(rows, "DROP OWNED BY watcher; DROP ROLE watcher")


def test_a_source_that_cannot_be_reached_is_one_fault() -> None:
    class Gone:
        def count_plan(self) -> Any:
            raise SourceError("letters: connection refused")

    (found,) = hold_to_source(spec_of(), Gone())  # type: ignore[arg-type]
    assert (found.text, found.fault) == ("letters: connection refused", True)
