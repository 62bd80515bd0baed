"""The certificates that servers are checked against. MLflow knows one file of them for a whole process."""

import os
import tempfile
from pathlib import Path

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from retrain.errors import TrackerError

_VARIABLE = "MLFLOW_TRACKING_SERVER_CERT_PATH"

_bundles: list[str | None] = []
"""Those of the trackers of this process; None where one is checked against what this machine trusts."""


def trust(server: str, ca_bundle: str | None) -> None:
    """Let the server be checked against the certificates in file `ca_bundle`; None: against what this machine trusts.

    Where the trackers of a process name several files, all servers are checked against all of them. Raises
    TrackerError if it is not a file.
    """
    if ca_bundle is not None and not Path(ca_bundle).is_file():
        raise TrackerError(f"{server}: CA bundle {ca_bundle} is not a file; name a file that holds certificates")
    if ca_bundle in _bundles:
        return
    _bundles.append(ca_bundle)
    if _bundles != [None]:
        os.environ[_VARIABLE] = _file()


def _file() -> str:
    """Return a file with the certificates of all bundles."""
    paths = [_of_this_machine() if bundle is None else bundle for bundle in _bundles]
    if len(paths) == 1:
        return paths[0]
    with tempfile.NamedTemporaryFile("wb", prefix="retrain-", suffix=".pem", delete=False) as file:
        for path in paths:
            file.write(Path(path).read_bytes() + b"\n")
    return file.name


def _of_this_machine() -> str:
    named = (os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))
    return next((path for path in named if path and Path(path).is_file()), DEFAULT_CA_BUNDLE_PATH)
