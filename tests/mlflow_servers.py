"""MLflow servers of a test's own, beside the one of the session: on SQLite, and with users where a test asks."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from stack import ports

ADMIN = ("admin", "correct-horse-battery")


@contextmanager
def an_mlflow(folder: Path, *, with_users: bool = False) -> Iterator[str]:
    """Run a server while the block runs, and give its address. with_users: each request needs a login, see `ADMIN`."""
    folder.mkdir(parents=True, exist_ok=True)
    port = ports.free().mlflow
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--serve-artifacts", "--artifacts-destination", str(folder / "artifacts")),
    ]
    env = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    env |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    if with_users:
        settings = folder / "basic_auth.ini"
        settings.write_text(
            "[mlflow]\ndefault_permission = NO_PERMISSIONS\n"
            # Without it each request waits for a third of a second, until its password is hashed.
            "auth_cache_ttl_seconds = 600\n"
            f"database_uri = sqlite:///{folder}/users.db\n"
            f"admin_username = {ADMIN[0]}\nadmin_password = {ADMIN[1]}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        )
        command += ["--app-name", "basic-auth"]
        env |= {"MLFLOW_AUTH_CONFIG_PATH": str(settings), "MLFLOW_FLASK_SERVER_SECRET_KEY": "a test's"}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, server, folder / "log")
            yield address
        finally:
            server.terminate()
            server.wait(30)


def _wait_for(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()
        try:
            if httpx.get(f"{address}/health", timeout=5, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())
