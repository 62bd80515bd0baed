"""Every block of README.md and docs/ is run here, or by a test that a table names; commands in their text are there."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from retrain import records
from retrain.spec.parse import parse
from stack.home import PROJECT
from tests.docs import shell
from tests.docs.blocks import BLOCKS, PAGES, Block, inline, name, read

ELSEWHERE = {
    'docs/ab.md: const { createHmac } = require("node:crypto");': (
        "tests/core/live/test_assignment.py",
        "test_the_function_of_the_page_in_javascript_says_the_same_of_the_vectors_and_of_any_text",
    ),
    "docs/http.md: AIRFLOW=http://127.0.0.1:8080 PASSWORD=...   # log in": (
        "tests/e2e/test_api.py",
        "test_the_commands_of_the_page_log_a_run_and_find_the_best",
    ),
    "docs/judge.md: # predictions.py": ("tests/core/gate/test_files.py", "test_the_example_of_the_page_works"),
    "docs/judge.md: python predictions.py": ("tests/core/gate/test_files.py", "test_the_example_of_the_page_works"),
    "docs/model.md: CREATE TABLE customers (": ("tests/core/test_pages.py", "test_the_page_of_models_works_as_written"),
    "docs/model.md: # churn_estimators.py": ("tests/core/test_pages.py", "test_the_page_of_models_works_as_written"),
    "docs/training.md: # customer_estimators.py": (
        "tests/docs/test_examples.py",
        "test_an_example_of_the_page_is_fitted_stored_loaded_and_asked",
    ),
    "docs/training.md: # network_estimators.py": (
        "tests/docs/test_examples.py",
        "test_the_network_of_the_page_is_fitted_stored_loaded_and_asked",
    ),
    "docs/production.md: # score.py": (
        "tests/core/tracker/test_onnx_beside.py",
        "test_production_is_loaded_by_its_onnx_where_pickles_are_not_allowed",
    ),
    "docs/search.md: # my_space.py": (
        "tests/core/tuning/test_space.py",
        "test_the_function_of_the_page_gives_what_its_estimator_takes",
    ),
    "docs/training.md: # my_booster.py": (
        "tests/core/cycle/test_own_folders.py",
        "test_the_folder_of_the_page_goes_into_production",
    ),
}
"""Blocks that another test runs as they are written: the file, and its test."""

PAGES_ELSEWHERE = {
    "docs/beside.md": ("tests/corners/test_beside.py", "test_the_page_leads_from_the_install_to_a_rollback"),
}
"""Pages whose blocks build on each other, and that another test goes through from top to bottom."""

SMALLEST: dict[str, Any] = {
    "model": "Letters",
    "source": {
        "table": "letters",
        "key": "id",
        "label": "result",
        "label_time": "reviewed_at",
        "features": ["letter", "region", "age"],
    },
    "candidates": [{"name": "linear", "estimator": "estimators.text:logistic"}],
}
"""What a fragment of a spec is put into."""


def _is_run_here(block: Block) -> bool:
    return str(block) not in ELSEWHERE and block.page not in PAGES_ELSEWHERE


def _of(*languages: str) -> pytest.MarkDecorator:
    found = [block for block in BLOCKS if block.language in languages and _is_run_here(block)]
    return pytest.mark.parametrize("block", found, ids=str)


def test_every_block_has_a_runner() -> None:
    run = {"yaml", "sh", "console", "python", "text", "{toctree}"}  # the site is built of a toctree
    assert [str(block) for block in BLOCKS if block.language not in run and _is_run_here(block)] == []


@pytest.mark.parametrize("block", ELSEWHERE | PAGES_ELSEWHERE)
def test_a_test_elsewhere_is_there_and_reads_the_page(block: str) -> None:
    known = {str(each) for each in BLOCKS} | {each.page for each in BLOCKS}
    assert block in known, "it is gone: take its line out of the table"
    file, test = (ELSEWHERE | PAGES_ELSEWHERE)[block]
    text = read(PROJECT / file)
    assert f"def {test}(" in text
    assert Path(block.partition(":")[0]).name in text


# ── specs


POLICIES = "docs/backtest.md"
"""Its blocks name policies, each a part of a spec."""


@_of("yaml")
def test_a_spec_and_a_part_of_one_are_good(block: Block) -> None:
    data = yaml.safe_load(block.text)
    for change in data.values() if block.page == POLICIES else (data,):
        parse(_merged(SMALLEST, change), str(block))


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = {**under, **over}
    for field in under.keys() & over.keys():
        if isinstance(under[field], dict) and isinstance(over[field], dict):
            both[field] = _merged(under[field], over[field])
    return both


def test_the_defaults_of_the_checks_are_those_that_the_page_shows() -> None:
    (block,) = [each for each in BLOCKS if each.page == "docs/checks.md" and each.language == "yaml"]
    assert parse(_merged(SMALLEST, yaml.safe_load(block.text)), "page") == parse(SMALLEST, "defaults")


# ── commands


@_of("sh", "console")
def test_a_command_is_one_that_there_is(block: Block) -> None:
    lines = block.text
    if block.language == "console":  # what is printed stands below
        lines = "\n".join(line for line in lines.splitlines() if line.startswith("$ "))
    found = list(shell.commands(lines))
    assert found
    for words in found:
        shell.look_at(words)


COMMANDS = sorted({code for _, code in inline() if code.startswith("retrain ") and "COMMAND" not in code})


@pytest.mark.parametrize("code", COMMANDS)
def test_a_command_in_the_text_and_each_of_its_options_are_there(code: str) -> None:
    _, command, *words = code.split()
    known = {option for parameter in shell.RETRAIN.commands[command].params for option in parameter.opts} | {"--help"}
    assert {word for word in words if word.startswith("--")} <= known


def test_a_target_in_the_text_is_in_the_makefile() -> None:
    named = {(page, code.split()[1]) for page, code in inline() if code.startswith("make ")}
    assert [each for each in sorted(named) if each[1] not in shell.TARGETS] == []


# ── Python


@pytest.fixture(scope="module")
def after_python(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each block of Python that makes DAGs ended with, in one process: Airflow takes seconds to import."""
    home = tmp_path_factory.mktemp("airflow")
    specs = home / "specs"
    specs.mkdir()
    shutil.copy(PROJECT / "include" / "specs" / "cover_letters.yaml", specs / "letters.yaml")
    blocks = {
        str(block): block.text.replace("/opt/airflow/specs", str(specs))
        for block in BLOCKS
        if block.language == "python" and _is_run_here(block)
    }
    program = """
import json, sys, traceback
ended = {}
for name, text in json.load(sys.stdin).items():
    try:
        made = {"__name__": "page"}
        exec(compile(text, name, "exec"), made)
        ended[name] = ""
    except BaseException:
        ended[name] = traceback.format_exc()
print("ended" + json.dumps(ended))
"""
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": os.pathsep.join(str(PROJECT / each) for each in ("include", "plugins")),
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(blocks),
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ended: dict[str, str] = json.loads(done.stdout.rpartition("ended")[2])
    return ended


@_of("python")
def test_a_block_of_python_runs(block: Block, after_python: dict[str, str]) -> None:
    assert after_python[str(block)] == ""


# ── the rest


@_of("text")
def test_the_picture_of_the_way_is_that_of_the_records(block: Block) -> None:
    assert block.begins.strip() in (records.__doc__ or "")


def test_a_path_in_the_text_is_there() -> None:
    paths = re.compile(r"(?:docs|tests|benchmarks|stack|containers|matrix|include|plugins|dags|reference)/[\w./-]*")
    named = {(page, code) for page, code in inline() if paths.fullmatch(code)}
    assert [each for each in sorted(named) if not (PROJECT / each[1]).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_a_link_leads_to_a_file(path: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", read(path))
    assert [link for link in links if not (path.parent / link).exists()] == []
