"""Specs, the estimators that they name, and the interpreters of adopted models."""

import subprocess
import sys
import sysconfig
from functools import partial
from pathlib import Path

from tests.airflow.doctor_ways.way import Stack, Steps, way

_specs = partial(way, "Specs", part="specs")
_candidates = partial(way, "Specs", part="candidates of MODEL")
_pythons = partial(way, "Interpreters", part="interpreters", about="interpreter")


@_specs("no folder of specs is named", "RETRAIN_SPECS is not set", "set it to the folder that holds your specs")
def unset(stack: Stack) -> Steps:
    stack.patch.delenv("RETRAIN_SPECS")
    yield
    stack.patch.setenv("RETRAIN_SPECS", str(stack.toy.path.parent))


@_specs("the folder of specs is not there", "…: is not a folder", "set RETRAIN_SPECS to the one that holds your specs")
def nowhere(stack: Stack) -> Steps:
    stack.patch.setenv("RETRAIN_SPECS", str(stack.folder / "nowhere"))
    yield
    stack.patch.setenv("RETRAIN_SPECS", str(stack.toy.path.parent))


@_specs("the folder is empty", "… holds no *.yaml", "write one spec for each model into it, or run `retrain init`")
def empty(stack: Stack) -> Steps:
    text = stack.toy.path.read_text()
    stack.toy.path.unlink()
    yield
    stack.toy.path.write_text(text)


@_specs("a spec is not YAML", "broken.yaml: is not YAML…", "")
def broken(stack: Stack) -> Steps:
    stack.toy.path.with_name("broken.yaml").write_text("model: [")
    yield
    stack.toy.path.with_name("broken.yaml").unlink()


@_specs("a field is misspelled", "toy.yaml: treshold…", "did you mean threshold?")
def misspelled(stack: Stack) -> Steps:
    text = stack.toy.path.read_text()
    stack.toy.path.write_text(text.replace("threshold", "treshold"))
    yield
    stack.toy.path.write_text(stack.toy.path.read_text().replace("treshold", "threshold"))


@_specs("two specs keep one model", "…keeps this model already", "rename one")
def twins(stack: Stack) -> Steps:
    twin = stack.toy.path.with_name("twin.yaml")
    twin.write_text(stack.toy.path.read_text())
    yield
    twin.write_text(twin.read_text().replace(stack.toy.name, "another"))


@_specs("a query file is missing", "toy.yaml: source.query = 'rows.sql': cannot be read…", "put it beside the spec")
def no_query(stack: Stack) -> Steps:
    stack.spec(source={"table": None, "query": "rows.sql"})
    yield
    stack.query("*")


@_candidates(
    "the module of an estimator cannot be imported",
    "candidate 'half': estimator = 'nobodys.module:forest': nobodys.module cannot be imported…",
    "let the module be on the path of each machine that runs tasks (PYTHONPATH)…",
)
def no_module(stack: Stack) -> Steps:
    stack.spec(candidates=[{"name": "half", "estimator": "nobodys.module:forest"}])
    yield
    package = stack.folder / "path" / "nobodys"
    package.mkdir(parents=True)
    (package / "module.py").write_text("from sklearn.ensemble import RandomForestClassifier as forest")
    stack.patch.syspath_prepend(str(package.parent))


@_candidates(
    "an estimator is of an extra that is not installed",
    "…: boosted_for_doctor cannot be imported…",
    "run `pip install 'airflow-provider-retrain[boost]'`",
)
def no_booster(stack: Stack) -> Steps:
    stack.patch.setitem(sys.modules, "lightgbm", None)  # how Python keeps that a module cannot be imported
    module = stack.folder / "boosted_for_doctor.py"
    module.write_text("from lightgbm import LGBMClassifier as forest")
    stack.patch.syspath_prepend(str(stack.folder))
    stack.spec(candidates=[{"name": "half", "estimator": "boosted_for_doctor:forest"}])
    yield
    stack.patch.delitem(sys.modules, "lightgbm")


@_candidates("a module has no such function", "…: tests.core.toys has no function forest", "…correct the candidate")
def no_function(stack: Stack) -> Steps:
    stack.spec(candidates=[{"name": "half", "estimator": "tests.core.toys:forest"}])
    yield
    stack.spec(candidates=[{"name": "half", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a"]}}])


@_pythons("`RETRAIN_PYTHONS` is not NAME=PATH", "RETRAIN_PYTHONS: '/opt/python' is not NAME=PATH", "write e.g. old=…")
def unnamed(stack: Stack) -> Steps:
    stack.patch.setenv("RETRAIN_PYTHONS", "/opt/python")
    yield
    stack.patch.setenv("RETRAIN_PYTHONS", f"old={sys.executable}")


@_pythons(
    "an interpreter is not there",
    "/opt/none/bin/python does not run: …",
    "let RETRAIN_PYTHONS name a Python that is there…",
)
def no_python(stack: Stack) -> Steps:
    stack.patch.setenv("RETRAIN_PYTHONS", "old=/opt/none/bin/python")
    yield
    stack.patch.setenv("RETRAIN_PYTHONS", f"old={sys.executable}")


@_pythons(
    "an interpreter lacks NumPy", "… cannot be asked: ModuleNotFoundError: …", "run `… -m pip install numpy pandas`…"
)
def bare_python(stack: Stack) -> Steps:
    made = stack.folder / "old"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made], check=True)
    stack.patch.setenv("RETRAIN_PYTHONS", f"old={made}/bin/python")
    yield
    # Without a network: the packages of this environment are those that it gets.
    (packages,) = made.glob("lib/python*/site-packages")
    (Path(packages) / "these.pth").write_text(sysconfig.get_path("purelib"))
