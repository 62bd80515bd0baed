"""Schemathesis over the whole document, against the real thing: whatever is sent, the response is one that the document
announces, and never a fault of the server, nor a 503 that is bad input.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import pandas as pd
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.generation.meta import CoveragePhaseData, CoverageScenario
from schemathesis.pytest._test_builder import build_operation_test
from sklearn.linear_model import LogisticRegression

from retrain_airflow.api import document
from retrain_airflow.api.backend import Backend

LOGIN = {"Authorization": "Bearer kim:"}

load_all_checks()
CHECKED = [
    CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "response_headers_conformance",
        "negative_data_rejection",
        "unsupported_method",
        "allow_header_conformance",
        "ignored_auth",
    )
]
"""Not positive_data_acceptance: MLflow has rules that no schema says, such as which letters a metric's name has, and a
422 that names them is right. Not missing_required_header: no header is required. Not use_after_free nor
ensure_resource_availability: what is deleted stays, as deleted, and they look at sequences only. Not
object_level_authorization: nothing belongs to one caller.
"""

# A stream of a run that goes on stays open for a minute and a half: it has tests of its own.
UNASKED = "/runs/{run_id}/stream"
DOCUMENT = json.loads(document.text())
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=schemathesis.Config.from_dict({"seed": 1}))
OPERATIONS = [
    f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods if path != UNASKED
]
EACH = settings(
    derandomize=True, database=None, deadline=None, print_blob=False, suppress_health_check=list(HealthCheck)
)


class Known(NamedTuple):
    """Values of things that exist, by the names that the document has for them."""

    kept: Mapping[str, Any]
    doomed: Mapping[str, Any]
    """Things that may be deleted."""


@pytest.fixture(scope="module")
def known(address: str, backend: Backend) -> Known:
    name = f"무작위 {uuid4().hex}"
    with httpx.Client(base_url=address, headers=LOGIN, timeout=30, trust_env=False) as api:

        def post(path: str, **body: Any) -> Any:
            return api.post(path, json=body).raise_for_status().json()

        experiment, doomed = (post("/create", name=each)["id"] for each in (name, f"{name} 지울 것"))
        run, second, third = (
            post("/runs/start", experiment_id=where, run_name=each)["id"]
            for each, where in (("가", experiment), ("나", experiment), ("다", doomed))
        )
        post("/runs/log-metrics", run_id=run, metrics={"정확도": [0.5, 0.6]})
        rows = pd.DataFrame({"x": [0.0, 1.0]})
        backend.tracker().log_model(run, "model", LogisticRegression().fit(rows, [0, 1]), rows, key=uuid4().hex)
        version = post("/models/register", run_id=run, model_name=name)["version"]
    kept = {
        "experiment_id": experiment,
        "experiment_ids": [experiment],
        "run_id": run,
        "run_ids": [second, run],
        "parent_run_id": run,
        "model_name": name,
        "version": version,
        "metric_key": "정확도",
        "name": "정확도",
    }
    return Known(kept, {"experiment_id": doomed, "run_id": third})


class Fuzz:
    """Sends the cases; every second one is about things that exist."""

    def __init__(self, address: str, known: Known) -> None:
        self._address, self._known = address, known
        self._numbers = itertools.count()
        self.statuses: Counter[int] = Counter()

    def __call__(self, case: schemathesis.Case) -> None:
        number = next(self._numbers)
        if number % 2:
            self._acquaint(case, number)
        if _is_out_of_reach(case) or _would_delete_what_others_need(case, self._known):
            return
        response = case.call(base_url=self._address, headers=LOGIN, timeout=30)
        self.statuses[response.status_code] += 1
        case.validate_response(
            response,
            checks=[each for each in CHECKED if each.__name__ not in _excused(case)],
            headers=LOGIN,
            transport_kwargs={"base_url": self._address},
        )

    def _acquaint(self, case: schemathesis.Case, number: int) -> None:
        """Put in things that exist, unless the case breaks the schema's rules on purpose."""
        assert case.meta is not None
        known = self._known.doomed if case.method.upper() == "DELETE" else self._known.kept
        for location, given in (
            (ParameterLocation.PATH, case.path_parameters),
            (ParameterLocation.QUERY, case.query),
            (ParameterLocation.BODY, case.body),
        ):
            if isinstance(given, dict) and not case.meta.is_negative_at(location):
                # Names of new things stay as they are.
                kept = {"name"} if location is ParameterLocation.BODY else set()
                given.update({name: known[name] for name in given.keys() & (known.keys() - kept)})
                given.pop("page_token", None)  # it cannot be guessed
        if "Idempotency-Key" in (case.headers or {}) and not case.meta.is_negative_at(ParameterLocation.HEADER):
            case.headers["Idempotency-Key"] = f"{uuid4().hex}-{number}"


def _is_out_of_reach(case: schemathesis.Case) -> bool:
    """A mounted application is not called for paths with a line break."""
    return "%0A" in case.formatted_path


def _would_delete_what_others_need(case: schemathesis.Case, known: Known) -> bool:
    """Return whether a random case would: small numbers are ids of experiments."""
    needed = ("0", known.kept["experiment_id"])
    return case.method.upper() == "DELETE" and (case.path_parameters or {}).get("experiment_id") in needed


def _excused(case: schemathesis.Case) -> set[str]:
    """Return the checks that do not hold for this case."""
    assert case.meta is not None
    data = case.meta.phase.data
    excused = set()
    if (case.query or {}).keys() - {each.name for each in case.operation.query}:
        excused.add("negative_data_rejection")  # a link may carry parameters of others
    if not isinstance(data, CoveragePhaseData):
        return excused
    if data.scenario is CoverageScenario.UNSPECIFIED_HTTP_METHOD and (
        case.path in ("/create", "/health") or case.operation.method.upper() == "PUT"
    ):
        # GET /create is answered by /{experiment_id}, with 422; and only a PUT takes a body that is not text.
        excused.add("unsupported_method")
    if case.method.upper() == "PUT" and data.scenario is CoverageScenario.MISSING_PARAMETER:
        excused.add("negative_data_rejection")  # no body is an empty file
    return excused


@pytest.fixture(scope="module")
def fuzz(address: str, known: Known) -> Iterator[Fuzz]:
    fuzz = Fuzz(address, known)
    yield fuzz
    print(f"\nschemathesis: {fuzz.statuses.total():,} cases; {dict(sorted(fuzz.statuses.items()))}")


def _send(fuzz: Fuzz, operation: str, examples: int) -> None:
    """The cases are made here and not where tests are collected: there they took each of xdist's processes seconds."""

    def send(case: schemathesis.Case) -> None:
        fuzz(case)

    (found,) = [each.ok() for each in SCHEMA.get_all_operations() if each.ok().label == operation]
    build_operation_test(
        config=SCHEMA.config,
        operation=found,
        test_func=settings(EACH, max_examples=examples)(send),
        given_kwargs={},
        feedback=FeedbackSources(),
    )()


@pytest.mark.nightly  # test_contract.py has what each route answers, test_problems.py each error
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_is_announced(operation: str, fuzz: Fuzz) -> None:
    _send(fuzz, operation, examples=10)


@pytest.mark.soak
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_is_announced_for_long(operation: str, fuzz: Fuzz) -> None:
    _send(fuzz, operation, examples=500)
