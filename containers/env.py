"""`make env`: writes `.env` beside docker-compose.yml, with a random value for each secret; existing lines stay."""

import base64
import os
import re
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]

_MADE: dict[str, Callable[[], str]] = {
    "FERNET_KEY": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "JWT_SECRET": lambda: secrets.token_hex(64),
}
_REQUIRED = re.compile(r"\$\{([A-Z_]+):\?")


def required(compose: str) -> list[str]:
    """Return the variables that have no default in docker-compose.yml."""
    return sorted(set(_REQUIRED.findall(compose)))


def secret(name: str) -> str:
    """Return a random value. Except for keys it has letters and digits only, because passwords stand in URLs."""
    return _MADE.get(name, lambda: secrets.token_hex(16))()


def main() -> int:
    file = PROJECT / ".env"
    known = file.read_text() if file.exists() else ""
    have = {line.partition("=")[0].strip() for line in known.splitlines()}
    missing = [name for name in required((PROJECT / "docker-compose.yml").read_text()) if name not in have]
    if missing:
        lines = [f"{name}={secret(name)}" for name in missing]
        _write_private(file, "\n".join([*known.splitlines(), *lines]) + "\n")
    print(
        f"{file}: {len(missing)} secrets made, {len(have)} lines were there. Log in to Airflow as admin with its "
        "ADMIN_PASSWORD."
    )
    return 0


def _write_private(file: Path, text: str) -> None:
    """Write the whole file at once, readable at every moment by its owner only."""
    unfinished = file.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    unfinished.replace(file)


if __name__ == "__main__":
    sys.exit(main())
