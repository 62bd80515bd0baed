"""Faults of production, in real containers: each time the cycle ends by itself, as if nothing had happened."""

import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from retrain.tracker.filters import Condition
from tests.in_containers.conftest import Cycle
from tests.in_containers.project import Project

pytestmark = pytest.mark.soak

Start = Callable[..., Cycle]
OneWorker = Callable[..., AbstractContextManager[None]]


def test_a_cycle_runs_on_three_workers(start: Start) -> None:
    start("whole_cycle").end()


def test_a_worker_is_killed_in_train(containers: Project, start: Start, kill: Callable[[str], None]) -> None:
    cycle = start("killed_in_train", seconds=20)
    kill(cycle.wait_for("train").host)
    cycle.end()


def test_a_worker_is_killed_in_a_trial_of_a_search(
    containers: Project, start: Start, kill: Callable[[str], None]
) -> None:
    search = {"space": {"c": {"float": [0.01, 100.0], "log": True}}, "trials": 6, "parallel": 3}
    params = {"columns": ["a", "b"], "seconds": 15}
    searched = {"name": "searched", "estimator": "functions:logistic", "params": params, "search": search}
    cycle = start("killed_in_trial", candidates=[searched])
    kill(cycle.wait_for("trial").host)
    tasks = [each for each in cycle.finish(1500) if each.id == "trial"]
    assert len({each.host for each in tasks}) > 1
    tracker = containers.tracker
    experiment = tracker.find_experiment(cycle.model)
    assert experiment is not None
    runs = tracker.search_runs([experiment], [Condition("tag", "retrain.trial", "!=", "")])
    finished = [each for each in runs if each.status == "FINISHED"]
    assert len(tasks) == len(finished) == len({each.params["c"] for each in finished}) == 6
    assert tracker.production(cycle.model) == "1"


def test_a_worker_is_killed_in_promote(containers: Project, start: Start, kill: Callable[[str], None]) -> None:
    cycle = start("killed_in_promote")
    cycle.wait_for("evaluate", "success")
    containers.compose("pause", "mlflow")
    try:
        worker = cycle.wait_for("promote").host
        time.sleep(3)  # by now it waits for MLflow
        kill(worker)
    finally:
        containers.compose("unpause", "mlflow")
    cycle.end()


@pytest.mark.parametrize("seconds", [60, 600])
def test_mlflow_is_down(containers: Project, start: Start, seconds: int) -> None:
    cycle = start(f"mlflow_{seconds}", seconds=10)
    cycle.wait_for("train")
    containers.compose("stop", "mlflow")
    time.sleep(seconds)
    containers.compose("start", "mlflow")
    cycle.end(2400)


def test_postgres_is_restarted(containers: Project, start: Start) -> None:
    cycle = start("postgres_anew", seconds=10)
    cycle.wait_for("train")
    containers.compose("restart", "postgres")
    cycle.end()


def test_redis_is_restarted(containers: Project, start: Start) -> None:
    cycle = start("redis_anew", seconds=10)
    cycle.wait_for("train")
    containers.compose("restart", "redis")
    cycle.end()


def test_the_disk_is_full_in_the_snapshot(containers: Project, start: Start, one_worker: OneWorker) -> None:
    def worker(command: str) -> str:
        return containers.compose("exec", "-T", "worker", "sh", "-c", command)

    # A small disk, which can be filled without filling this machine's.
    with one_worker({"RETRAIN_SNAPSHOTS_URI": "file:///small/snapshots"}, tmpfs=["/small:size=64m,uid=50000"]):
        worker("cat /dev/zero > /small/filler 2> /dev/null || true")
        cycle = start("disk_full")
        cycle.wait_for("snapshot", "up_for_retry")
        assert worker("find /small -name '*.draft' -o -name '*.parquet'") == ""
        worker("rm /small/filler")
        cycle.end()


def test_the_api_server_is_down(containers: Project, start: Start) -> None:
    cycle = start("api_down", seconds=10)
    cycle.wait_for("train")
    containers.compose("stop", "api-server")
    time.sleep(30)
    containers.compose("start", "api-server")
    cycle.end()


def test_two_schedulers_of_which_one_is_killed(containers: Project, start: Start, kill: Callable[[str], None]) -> None:
    containers.up("worker=3", "scheduler=2")
    cycle = start("two_schedulers", seconds=10)
    cycle.wait_for("train")
    kill(containers.compose("ps", "-q", "scheduler").split()[0])
    cycle.end()


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """clock.c as a library that is loaded into a worker."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler for the clock")
    library = tmp_path / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, Path(__file__).with_name("clock.c")], check=True)
    return library


@pytest.mark.parametrize("hours", [1, -1])
def test_the_clock_of_the_worker_is_an_hour_off(start: Start, one_worker: OneWorker, clock: Path, hours: int) -> None:
    off = {"LD_PRELOAD": "/clock.so", "CLOCK_OFF": str(hours * 3600)}
    with one_worker(off, volumes=[f"{clock}:/clock.so:ro"]):
        start(f"clock_{hours + 1}").end()


def test_what_is_stored_outlives_the_containers_and_a_backup_outlives_that(
    containers: Project, start: Start, tmp_path: Path
) -> None:
    cycle = start("restored")
    cycle.end()
    containers.compose("stop")
    containers.up("worker=1")
    cycle.end()

    project = ["env", "COMPOSE_PROJECT_NAME=retrain-test", f"COMPOSE_ENV_FILES={containers.settings}"]
    project.append(f"COMPOSE_FILE={Path.cwd() / 'docker-compose.yml'}:{containers.folder / 'override.yml'}")
    subprocess.run([*project, "make", "backup", f"TO={tmp_path / 'kept'}"], check=True, timeout=900)
    tracker = containers.tracker
    tracker.delete_experiment(str(tracker.find_experiment("restored")))
    containers.sql("retrain", "DELETE FROM retrain.promotions WHERE model = 'restored'")
    containers.compose("exec", "-T", "worker", "sh", "-c", "rm -r /var/lib/retrain/snapshots")
    subprocess.run([*project, "make", "restore", f"FROM={tmp_path / 'kept'}"], check=True, timeout=1800)
    cycle.end()
    assert containers.compose("exec", "-T", "worker", "find", "/var/lib/retrain", "-name", "*.parquet")


def test_everything_is_replaced_by_a_new_version_in_the_middle_of_a_cycle(containers: Project, start: Start) -> None:
    cycle = start("replaced", seconds=20)
    cycle.wait_for("train")
    containers.sql("retrain", "INSERT INTO retrain.migrations VALUES ('9998_later')")
    containers.compose("up", "--wait", "--no-build", "--force-recreate", "--scale=worker=3")
    cycle.end()
