"""Whether a login may do in MLflow what a cycle does: on real servers, one of them with users."""

from collections.abc import Iterator

import httpx
import pytest
from mlflow.entities import ViewType

from retrain.errors import NoAnswerError, TrackerError
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.rights import missing_rights
from stack.local import Running
from tests.mlflow_servers import ADMIN, an_mlflow
from tests.tap import Tap

PASSWORD = "correct-horse-battery"


def held_by(tracker: ExperimentTracker) -> dict[str, set[str]]:
    """Return what the server has, as far as its API tells: deleted experiments and runs too."""
    client = tracker._client
    with tracker._translated_errors("all"):
        experiments = client.search_experiments(ViewType.ALL)
        runs = client.search_runs([each.experiment_id for each in experiments], run_view_type=ViewType.ALL)
        return {
            "active": {each.name for each in experiments if each.lifecycle_stage == "active"},
            "experiments": {each.name for each in experiments},
            "runs": {each.info.run_id for each in runs},
            "models": {each.name for each in client.search_registered_models()},
            "versions": {f"{each.name} {each.version}" for each in client.search_model_versions()},
        }


@pytest.fixture(scope="module")
def with_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with an_mlflow(tmp_path_factory.mktemp("mlflow"), with_users=True) as address:
        for name in ("kim", "lee"):
            made = httpx.post(
                f"{address}/api/2.0/mlflow/users/create",
                json={"username": name, "password": PASSWORD},
                auth=ADMIN,
                timeout=60,
                trust_env=False,
            )
            assert made.status_code == 200, made.text
        yield address


@pytest.fixture
def tap(mlflow_server: Running) -> Iterator[Tap]:
    with Tap() as tap:
        tap.upstream = mlflow_server.ports.mlflow
        yield tap


def test_who_may_do_everything_lacks_nothing_and_nothing_is_left(mlflow_server: Running) -> None:
    tracker = ExperimentTracker(mlflow_server.mlflow_url)
    before = held_by(tracker)
    assert missing_rights(tracker) == []
    once = held_by(tracker)
    assert once["active"] == before["active"]
    assert (once["models"], once["versions"]) == (before["models"], before["versions"])
    # What MLflow cannot erase is there once, deleted, and used again.
    assert len(once["experiments"] - before["experiments"]) <= 1
    assert missing_rights(tracker) == []
    assert held_by(tracker) == once


def test_a_user_without_rights_on_a_model_of_a_spec_is_told_so(with_users: str) -> None:
    kim, lee = (ExperimentTracker(with_users, username=name, password=PASSWORD) for name in ("kim", "lee"))
    admin = ExperimentTracker(with_users, username=ADMIN[0], password=ADMIN[1])
    kim.create_experiment("letters")
    with kim._translated_errors("letters"):
        kim._client.create_registered_model("letters")
    before = held_by(admin)
    assert [each.what for each in missing_rights(admin, user="admin", models=["letters", "nothing"])] == []
    # With MLflow's default_permission = NO_PERMISSIONS, a user may not even see that a model is not there.
    blind = "see that a registered model is not there yet"
    assert [each.what for each in missing_rights(kim, user="kim", models=["letters"])] == [blind]
    missing = missing_rights(lee, user="lee", models=["letters"])
    assert [each.what for each in missing] == [
        blind,
        "change the registered model 'letters'",
        "change the experiment 'letters'",
    ]
    assert "default_permission be READ, or register each spec's model with this login" in str(missing[0])
    assert "403" in missing[1].why
    assert missing[1].remedy == "let its owner, or an administrator of MLflow, permit it to this login"
    after = held_by(admin)
    assert {name: after[name] for name in ("active", "models", "versions")} == {
        name: before[name] for name in ("active", "models", "versions")
    }
    assert after["experiments"] - before["experiments"] == {
        "retrain-test-admin",
        "retrain-test-kim",
        "retrain-test-lee",
    }
    with admin._translated_errors("letters"):
        assert admin._client.get_registered_model("letters").tags == {}


def test_a_user_who_is_not_known_is_told_so(with_users: str) -> None:
    with pytest.raises(TrackerError, match="401"):
        missing_rights(ExperimentTracker(with_users, username="kim", password="wrong"))


def test_a_name_that_somebody_else_has_taken_is_passed_over(with_users: str) -> None:
    kim, lee = (ExperimentTracker(with_users, username=name, password=PASSWORD) for name in ("kim", "lee"))
    kim.create_experiment("retrain-test-anybody")
    assert [each.what for each in missing_rights(lee)] == ["see that a registered model is not there yet"]


@pytest.mark.parametrize(
    ("path", "what", "remedy"),
    [
        ("/experiments/create", "create an experiment", "let an administrator of MLflow permit it"),
        ("/runs/create", "start a run", "let an administrator"),
        ("/runs/log-batch", "log parameters, metrics and tags", "let an administrator"),
        ("/runs/log-inputs", "log a data set", "let an administrator"),
        (
            "/mlflow-artifacts/artifacts/",
            "upload a file of a run and read it back",
            "read and write MLflow's artifacts",
        ),
        ("/logged-models", "log a model", "read and write MLflow's artifacts"),
        ("/registered-models/create", "register a model", "let an administrator"),
        ("/model-versions/create", "register a version", "let an administrator"),
        ("/registered-models/alias", "set an alias", "let an administrator"),
        ("/model-versions/transition-stage", "set a stage", "let an administrator"),
        ("/experiments/delete", "delete experiment 'retrain-test-", "it stays there: delete it by hand"),
        ("/runs/delete", "delete run ", "it stays there: delete it by hand"),
        ("/registered-models/delete", "delete registered model 'retrain-test-", "it stays there: delete it by hand"),
    ],
)
def test_each_right_that_is_missing_is_named_with_the_remedy(
    tap: Tap, mlflow_server: Running, path: str, what: str, remedy: str
) -> None:
    tracker, user = ExperimentTracker(f"http://127.0.0.1:{tap.port}"), path.replace("/", "-")
    with tap.refusing(path):
        missing = missing_rights(tracker, user=user)
    (first, *_) = [each for each in missing if each.what.startswith(what)]
    assert remedy in first.remedy
    assert "403" in first.why
    # What was left because it could not be deleted is used, and deleted, by the next.
    assert missing_rights(tracker, user=user) == []
    assert not {each for each in held_by(tracker)["models"] if each.startswith("retrain-test-")}


def test_a_registry_without_stages_lacks_nothing(tap: Tap) -> None:
    with tap.without("/model-versions/transition-stage"):
        assert missing_rights(ExperimentTracker(f"http://127.0.0.1:{tap.port}")) == []


def test_a_server_that_does_not_answer_is_not_tried() -> None:
    with pytest.raises(NoAnswerError):
        missing_rights(ExperimentTracker("http://127.0.0.1:1"))
