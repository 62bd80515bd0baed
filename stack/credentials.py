"""Keys and the password of a stack: made once, stored in one file that only its owner can read, never logged."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from stack.home import Home

USER = "admin"


@dataclass(frozen=True, repr=False)
class Credentials:
    """Has no repr, because a traceback must not show the values."""

    password: str
    fernet_key: str
    api_secret_key: str
    jwt_secret: str


def load_or_make(home: Home) -> Credentials:
    """Return the same at every start: Airflow's database holds values encrypted with the Fernet key."""
    file = home.path / "credentials.json"
    if file.exists():
        return Credentials(**json.loads(file.read_text()))
    made = Credentials(
        password=secrets.token_urlsafe(12),
        fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        api_secret_key=secrets.token_hex(32),
        jwt_secret=secrets.token_hex(64),
    )
    write_private(file, json.dumps(asdict(made)))
    return made


def write_private(file: Path, text: str) -> None:
    """Write a file that nobody else can read at any moment."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
