"""How Production does on later rows, over HTTP: from the ledger, while MLflow and the source are dead."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from retrain.later import CohortScore, LiveLook, Seen, SliceOfCohort
from retrain.records import VersionId
from retrain.spec.files import SpecFile, SpecFolder
from retrain_airflow.api.app import PREFIX
from retrain_airflow.api.backend import Backend
from tests.api.conftest import As, mounted, serving
from tests.core.conftest import Build, World
from tests.core.live.conftest import WEEK, came, in_production_for_weeks, week
from tests.core.live.test_trial import later, refitted, tried


@pytest.fixture
def model(cast: Callable[[Build], World]) -> World:
    return cast(in_production_for_weeks)


@contextmanager
def _serving(model: World, backend: Backend) -> Iterator[str]:
    def dead(_: object) -> Any:
        raise AssertionError("only the ledger is asked")

    of_model = replace(
        backend,
        tracker_at=dead,
        ledger_at=lambda _: model.ledger,
        snapshots=dead,
        source=dead,
        specs=lambda: SpecFolder((SpecFile(Path("toy.yaml"), model.spec, None),), ()),
    )
    with serving(mounted(of_model)) as address:
        yield address + PREFIX


@pytest.fixture
def found(model: World, backend: Backend, as_person: As) -> Iterator[Callable[[], dict[str, Any]]]:
    with _serving(model, backend) as address:

        def ask() -> dict[str, Any]:
            response = as_person(address=address).get(f"/specs/{model.model}/live")
            assert response.status_code == 200, response.text
            body: dict[str, Any] = response.json()
            return body

        yield ask


def _production(model: World) -> VersionId:
    version = model.ledger.production(model.model)
    assert version is not None
    return version


def _cohort(model: World, ago: int, score: float | None = 0.9, **fields: Any) -> CohortScore:
    version = _production(model)
    usual: dict[str, Any] = {
        "model": model.model,
        "version": version.number,
        "identity": version.identity,
        "begins": week(ago),
        "ends": week(ago) + WEEK,
        "metric": "accuracy",
        "labelled": 320,
        "rows": 300,
        "score": score,
        "error": None if score is None else 0.01,
        "interval": None if score is None else (score - 0.02, score + 0.02),
        "calibration": 0.03,
        "slices": (SliceOfCohort(name="짧은 글", rows=40, score=score),),
        "open": False,
        "digest": "d",
        "uri": "s3://secret/later/1.parquet",
    }
    made = CohortScore(**usual | fields)
    model.ledger.save_cohort(made)
    return made


def _look(model: World, place: int, *windows: tuple[int, float], **fields: Any) -> LiveLook:
    """Save a look. windows: the cohorts and the score of each."""
    ends = week(0)
    usual: dict[str, Any] = {
        "model": model.model,
        "scan": "version",
        "identity": _production(model).identity,
        "place": place,
        "began": week(10),
        "cohort": ends - WEEK,
        "ends": ends,
        "rows": 300,
        "metric": "accuracy",
        "promised": 0.9,
        "promised_error": 0.01,
        "margin": 0.02,
        "alpha": 0.025,
        "windows": tuple(
            Seen(cohorts=count, rows=300 * count, begins=ends - count * WEEK, score=score, error=0.01)
            for count, score in windows
        ),
        "z": 3.0,
        "window": 0,
        "bound": 2.5,
        "alarm": False,
    }
    return model.ledger.save_look(LiveLook(**usual | fields))


def test_before_rows_are_labelled_later_there_is_the_promise_alone(
    model: World, found: Callable[[], dict[str, Any]]
) -> None:
    (verdict, _) = model.ledger.last_verdict(model.model) or pytest.fail("no verdict")
    live = found()
    assert (live["metric"], live["cohort"], live["greater_is_better"]) == ("accuracy", "7d", True)
    assert (live["cohorts"], live["looks"], live["alarms"]) == ([], [], [])
    assert (live["now"], live["trend"], live["looked_at"]) == (None, None, None)
    assert live["promised"] == verdict.score
    assert 0.005 < live["promised_error"] < 0.1
    (promise,) = live["promises"]
    assert (promise["version"], promise["until"], promise["by"]) == ("1", None, "verdict")


def test_production_is_told_now_against_its_promise_and_cohort_by_cohort(
    model: World, found: Callable[[], dict[str, Any]]
) -> None:
    for ago in range(9, 0, -1):
        _cohort(model, ago, 0.92 if ago > 5 else 0.9, restated=int(ago == 3), unserved=3, asked=90, skewed=ago)
    _cohort(model, 0, 0.7, open=True)
    _look(model, 0, (1, 0.92))
    look = _look(model, 8, (4, 0.9), (9, 0.91))
    model.ledger.save_looked_at(model.model)
    live = found()
    assert [each["score"] for each in live["cohorts"]] == [0.92] * 4 + [0.9] * 5 + [0.7]
    assert [each["open"] for each in live["cohorts"]] == [False] * 9 + [True]
    assert [each["restated"] for each in live["cohorts"]] == [0] * 6 + [1, 0, 0, 0]
    assert [(each["unserved"], each["asked"]) for each in live["cohorts"]] == [(3, 90)] * 9 + [(0, 0)]
    assert [each["skewed"] for each in live["cohorts"]][-3:] == [2, 1, 0]
    assert live["cohorts"][0]["slices"] == [{"name": "짧은 글", "rows": 40, "score": 0.92}]
    assert "secret" not in str(live), "where predictions are kept is not for callers"
    assert (live["now"]["rows"], live["now"]["score"]) == (1200, 0.9)
    assert live["now"]["interval"] == pytest.approx([0.8804, 0.9196])
    assert live["trend"]["change"] == pytest.approx(-0.02)
    low, high = live["trend"]["interval"]
    assert low < -0.02 < high < 0
    assert [LiveLook.from_json(each) for each in live["looks"]] == [look]
    assert (live["alarms"], live["looked_at"] is None) == ([], False)


def test_few_cohorts_show_no_trend(model: World, found: Callable[[], dict[str, Any]]) -> None:
    for ago in range(8, 1, -1):
        _cohort(model, ago)
    _cohort(model, 1, open=True)
    assert found()["trend"] is None
    _cohort(model, 1)
    assert found()["trend"] is not None


def test_an_alarm_says_what_was_lost_on_which_rows_and_since_when(
    model: World, found: Callable[[], dict[str, Any]]
) -> None:
    _look(model, 5, (4, 0.8), (6, 0.85), alarm=True)
    _look(model, 5, (4, 0.88), (6, 0.82), alarm=True, window=1, scan="anchor")
    version, anchor = found()["alarms"]
    assert (version["scan"], version["rows"], version["score"], version["promised"]) == ("version", 1200, 0.8, 0.9)
    assert version["lost"] == pytest.approx(0.1)
    assert (anchor["scan"], anchor["rows"], anchor["lost"]) == ("anchor", 1800, pytest.approx(0.08))


def test_only_the_last_look_of_a_scan_counts(model: World, found: Callable[[], dict[str, Any]]) -> None:
    _look(model, 4, (4, 0.8), alarm=True, ends=week(1), cohort=week(2))
    _look(model, 5, (4, 0.9), (6, 0.9))
    live = found()
    assert live["alarms"] == []
    assert [each["place"] for each in live["looks"]] == [5]


def test_what_a_version_before_did_is_no_alarm_of_the_one_in_production(
    model: World, found: Callable[[], dict[str, Any]]
) -> None:
    _cohort(model, 3, 0.8)
    _look(model, 5, (4, 0.8), alarm=True, ends=week(2), cohort=week(3))
    model.feed(3000, turn=1.2)
    model.promote()
    came(model, "2", week(2))
    live = found()
    assert (live["looks"], live["alarms"], live["now"]) == ([], [], None)
    assert [(each["version"], each["by"]) for each in live["promises"]] == [("1", "verdict"), ("2", "verdict")]
    assert live["promises"][0]["until"] == live["promises"][1]["since"]
    assert live["promised"] == live["promises"][1]["score"]
    assert [each["version"] for each in live["cohorts"]] == ["1"]


def test_a_version_that_came_without_a_verdict_is_held_to_its_first_cohorts(
    model: World, found: Callable[[], dict[str, Any]]
) -> None:
    model.execute("UPDATE retrain.promotions SET verdict = NULL")
    assert (found()["promised"], found()["promises"][0]["by"]) == (None, None)
    _look(model, 0, (1, 0.88), promised=0.87)
    live = found()
    assert (live["promised"], live["promises"][0]["by"]) == (0.87, "first cohorts")
    assert live["now"]["score"] == 0.88


def test_before_a_first_version_there_is_nothing(model: World, found: Callable[[], dict[str, Any]]) -> None:
    model.execute("DELETE FROM retrain.promotions")
    live = found()
    assert (live["promised"], live["promises"], live["cohorts"], live["looks"]) == (None, [], [], [])


def test_nothing_in_production_promises_nothing(model: World, found: Callable[[], dict[str, Any]]) -> None:
    _cohort(model, 2)
    _look(model, 0, (1, 0.5), alarm=True)
    model.execute(
        "INSERT INTO retrain.promotions (model, seq, kind, from_version, by, why, applied_at) "
        "SELECT model, 2, 'by_hand', to_version, 'kim', 'taken away', now() FROM retrain.promotions"
    )
    live = found()
    assert (live["promised"], live["now"], live["trend"], live["alarms"], live["looks"]) == (None, None, None, [], [])
    assert [each["until"] is None for each in live["promises"]] == [False]


def test_old_cohorts_and_scores_by_another_metric_are_left_out(
    model: World, found: Callable[[], dict[str, Any]]
) -> None:
    _cohort(model, 70)
    _cohort(model, 2, metric="f1_macro")
    _cohort(model, 1)
    _look(model, 5, (4, 0.8), alarm=True, metric="f1_macro")
    live = found()
    assert [each["begins"] for each in live["cohorts"]] == [f"{week(1):%Y-%m-%dT%H:%M:%SZ}"]
    assert (live["looks"], live["alarms"]) == ([], [])


def test_a_cohort_with_one_class_has_no_score_and_another_metric_no_promise(
    model: World, found: Callable[[], dict[str, Any]]
) -> None:
    gate = model.spec.gate.model_copy(update={"metric": "roc_auc", "positive": "yes"})
    model.spec = model.spec.model_copy(update={"gate": gate})
    _cohort(model, 1, None, metric="roc_auc", positive="yes")
    live = found()
    assert [each["score"] for each in live["cohorts"]] == [None]
    assert (live["positive"], live["promised"], live["promises"][0]["by"]) == ("yes", None, None)


def test_a_spec_without_cohorts_is_told_so_and_an_unknown_one_is_not_found(
    model: World, backend: Backend, as_person: As
) -> None:
    watch = model.spec.watch.model_copy(update={"cohort": None})
    without = replace(model, spec=model.spec.model_copy(update={"watch": watch}))
    _cohort(model, 1)
    with _serving(without, backend) as address:
        api = as_person(address=address)
        live = api.get(f"/specs/{model.model}/live").json()
        assert (live["cohort"], live["cohorts"], live["looks"]) == (None, [], [])
        assert api.get("/specs/none/live").status_code == 404
        other: httpx.Client = as_person("kim@other", address=address)
        assert other.get(f"/specs/{model.model}/live").status_code == 403


def test_very_long_cohorts_reach_back_to_no_date_that_is_not_one(model: World, backend: Backend, as_person: As) -> None:
    watch = model.spec.watch.model_copy(update={"cohort": timedelta(days=99_999)})
    without = replace(model, spec=model.spec.model_copy(update={"watch": watch}))
    with _serving(without, backend) as address:
        live = as_person(address=address).get(f"/specs/{model.model}/live").json()
    assert (live["cohort"], live["cohorts"]) == ("99999d", [])


def test_trials_come_with_their_looks_and_their_end(
    cast: Callable[[Build], World], backend: Backend, as_person: As
) -> None:
    model = cast(refitted)
    with _serving(model, backend) as address:

        def trials() -> list[dict[str, Any]]:
            body: dict[str, Any] = as_person(address=address).get(f"/specs/{model.model}/live").json()
            return list(body["trials"])

        (begun,) = trials()
        assert (begun["version"], begun["production"], begun["outcome"], begun["steps"]) == ("2", "1", None, [])
        later(model, 150)
        tried(model)
        (looked,) = trials()
        assert looked["rows"] == 150
        assert [each["rows"] for each in looked["steps"]] == [150]
        model.tracker.set_production(model.model, "2")
        tried(model)
        (ended,) = trials()
        assert ended["outcome"] == "void"
        assert "Production has changed" in ended["why"]
