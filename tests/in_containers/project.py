"""A project of `docker compose` with its own settings, specs and functions, for tests and benchmarks."""

import json
import shutil
import subprocess
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import yaml

from containers import env
from retrain.tracker.client import ExperimentTracker
from stack import ports
from stack.errors import StackError
from stack.home import PROJECT

_AIRFLOW = ("api-server", "scheduler", "dag-processor", "triggerer", "worker")


def engine_answers() -> bool:
    """Whether a Docker engine answers."""
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0


class Project:
    """A project of docker-compose.yml and an override; `folder` holds its secrets, specs and functions."""

    def __init__(self, folder: Path, name: str, functions: str, **settings: str) -> None:
        """functions: text of the module `functions`, whose estimators specs may name. settings: lines of `.env`."""
        self.folder, self.name = folder, name
        chosen = ports.free()
        self.airflow_url = f"http://127.0.0.1:{chosen.airflow}"
        self.mlflow_url = f"http://127.0.0.1:{chosen.mlflow}"
        (folder / "user" / "specs").mkdir(parents=True)
        (folder / "user" / "functions.py").write_text(functions)
        self._secrets = {name: env.secret(name) for name in env.required((PROJECT / "docker-compose.yml").read_text())}
        lines = self._secrets | settings
        lines |= {
            "AIRFLOW_PORT": str(chosen.airflow),
            "MLFLOW_PORT": str(chosen.mlflow),
            "RETRAIN_URL": self.airflow_url,
            "RETRAIN_TAG": name,
        }
        self.settings = folder / ".env"
        self.set(**lines)
        self.override = folder / "override.yml"
        self.override.write_text(yaml.safe_dump({"services": {name: self._user() for name in _AIRFLOW}}))

    def set(self, **settings: str) -> None:
        """Append lines to `.env`, which hold from the next `up` on; the last line of a name counts."""
        with self.settings.open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in settings.items())

    def _user(self) -> dict[str, Any]:
        """Return the part of the override that gives each part of Airflow the user's specs and functions."""
        return {
            "volumes": [f"{self.folder / 'user'}:/user:ro"],
            "environment": {"RETRAIN_SPECS": "/user/specs", "PYTHONPATH": "/opt/retrain/include:/opt/retrain:/user"},
        }

    def compose(self, *arguments: str, stdin: str | None = None) -> str:
        """Run `docker compose` and return its output. Raises StackError if it fails."""
        files = ("-f", str(PROJECT / "docker-compose.yml"), "-f", str(self.override))
        command = ["docker", "compose", "-p", self.name, "--env-file", str(self.settings), *files, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StackError(f"docker compose {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-3000:]}")
        return done.stdout

    def up(self, *scale: str) -> None:
        """Return when every part is healthy. scale: `worker=3`."""
        self.compose("up", "--wait", "--wait-timeout", "900", "--no-build", *(f"--scale={each}" for each in scale))

    def sql(self, database: str, statement: str) -> list[list[str]]:
        """Return the rows, as psql prints them."""
        output = self.compose(
            *("exec", "-T", "postgres", "psql", "-U", "postgres", "-d", database, "-qAt", "-F", "\t"),
            *("-v", "ON_ERROR_STOP=1", "-f", "-"),
            stdin=statement,
        )
        return [line.split("\t") for line in output.splitlines()]

    def add_spec(self, model: str, candidates: list[dict[str, Any]], rows: int, **fields: Any) -> Path:
        """Add a model, with a table of its name in the source: the label says whether a + b, with noise, is over 1."""
        self.sql("source", _ROWS.format(table=model, rows=rows))
        source = {"table": model, "key": "id", "label": "label", "label_time": "labelled_at", "features": ["a", "b"]}
        gate = {"metric": "accuracy", "floor": 0.7, "round_rows": 100}
        spec = {"model": model, "source": source, "candidates": candidates, "gate": gate, **fields}
        path = self.folder / "user" / "specs" / f"{model}.yaml"
        path.write_text(json.dumps(spec))  # which is YAML
        return path

    @property
    def token(self) -> str:
        """A token of a new login: after a restore, or with other keys, an older one is invalid."""
        login = {"username": "admin", "password": self._secrets["ADMIN_PASSWORD"]}
        until = time.monotonic() + 60
        while True:
            response = httpx.post(f"{self.airflow_url}/auth/token", json=login, timeout=60, trust_env=False)
            if response.status_code < 500 or time.monotonic() > until:
                return str(response.raise_for_status().json()["access_token"])
            time.sleep(1)

    @cached_property
    def tracker(self) -> ExperimentTracker:
        return ExperimentTracker(self.mlflow_url, username="retrain", password=self._secrets["MLFLOW_PASSWORD"])


_ROWS = """
SET ROLE source_owner;
CREATE TABLE {table} (id bigint PRIMARY KEY, a float8, b float8, label text, labelled_at timestamptz DEFAULT now());
INSERT INTO {table} (id, a, b, label)
    SELECT i, a, b, CASE WHEN a + b + (random() - 0.5) / 4 > 1 THEN 'yes' ELSE 'no' END
    FROM (SELECT i, random() AS a, random() AS b FROM generate_series(1, {rows}) i) AS dice;
CREATE INDEX ON {table} (labelled_at);
"""
