"""An estimator that cannot work is refused with its candidate's name and a reason, before it is fitted."""

import pytest
from sklearn.linear_model import LogisticRegression

from tests.core.models.estimators import MODULE, VECTORIZERS, build, refusal


def test_a_function_is_called_with_the_params():
    assert build(f"{MODULE}:named", column="text", c=0.5).steps[-1][1].C == 0.5


def test_a_class_is_as_good_as_a_function():
    assert isinstance(build("sklearn.linear_model:LogisticRegression", C=2.0), LogisticRegression)


@pytest.mark.parametrize(
    ("estimator", "fault"),
    [
        ("no_such.module:linear", "no_such.module cannot be imported: ModuleNotFoundError: No module named 'no_such'"),
        (f"{MODULE}:missing", f"{MODULE} has no function missing"),
        (f"{MODULE}:TEXTS", f"{MODULE} has no function TEXTS"),
    ],
)
def test_a_function_that_is_not_there_is_refused(estimator, fault):
    assert refusal(estimator) == f"candidate 'linear': estimator = {estimator!r}: {fault}"


@pytest.mark.parametrize("code", ["1 / 0", "import sys; sys.exit(0)"], ids=["raises", "ends the program"])
def test_a_module_that_fails_is_refused(code, tmp_path, monkeypatch):
    (tmp_path / "failing_estimators.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)

    assert "failing_estimators cannot be imported: " in refusal("failing_estimators:linear")


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({}, "missing a required argument: 'column'"),
        ({"column": "text", "C": 1}, "got an unexpected keyword argument 'C'"),
    ],
)
def test_params_that_do_not_fit_are_refused_with_those_that_would(params, fault):
    message = refusal(f"{MODULE}:named", **params)

    assert message == f"candidate 'linear': params do not fit {MODULE}:named: {fault}; it takes (column, c=1.0)"


def test_a_function_without_a_signature_is_refused_without_a_traceback():
    assert refusal("builtins:dict").startswith("candidate 'linear': ")


@pytest.mark.parametrize(
    ("function", "fault"), [("fails", "ZeroDivisionError: division by zero"), ("ends", "SystemExit: 0")]
)
def test_a_function_that_fails_is_refused_in_one_line(function, fault):
    assert refusal(f"{MODULE}:{function}") == f"candidate 'linear': {MODULE}:{function} failed: {fault}"


@pytest.mark.parametrize(
    ("what", "type_"),
    [
        ("nothing", "NoneType"),
        ("class", "type"),
        ("transformer", "StandardScaler"),
        ("vectorizer", "TfidfVectorizer"),
        ("empty", "Pipeline"),
    ],
)
def test_what_is_not_an_estimator_that_predicts_is_refused(what, type_):
    assert refusal(f"{MODULE}:odd", what=what) == (
        f"candidate 'linear': {MODULE}:odd returned {type_}, which is not a scikit-learn estimator that predicts"
    )


@pytest.mark.parametrize("kind", list(VECTORIZERS))
def test_a_bare_vectorizer_is_refused_with_a_remedy(kind):
    assert refusal(f"{MODULE}:bare", kind=kind) == (
        f"candidate 'linear': {MODULE}:bare returned a pipeline that begins with a bare "
        f"{VECTORIZERS[kind].__name__}; put it into a ColumnTransformer that names its column"
    )


@pytest.mark.parametrize("how", ["union", "pipeline"])
def test_a_bare_vectorizer_is_refused_wherever_it_stands_first(how):
    assert refusal(f"{MODULE}:wrapped", how=how).endswith("put it into a ColumnTransformer that names its column")


@pytest.mark.parametrize("kind", ["logistic", "pipeline", "boosted"])
def test_an_estimator_that_is_fitted_already_is_refused(kind):
    message = refusal(f"{MODULE}:ready", kind=kind)
    assert "which is fitted already; return it unfitted, or write train in place of estimator" in message


@pytest.mark.parametrize("kind", ["calibrated", "careless", "unfitted boosted", "unfitted extreme", "unfitted cat"])
def test_what_only_holds_a_fitted_one_or_is_named_so_is_none(kind):
    assert build(f"{MODULE}:ready", kind=kind) is not None
