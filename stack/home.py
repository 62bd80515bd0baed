"""The one folder that holds everything a stack stores, and the right to touch it."""

import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stack.errors import StackError

PROJECT = Path(__file__).resolve().parent.parent
SPECS = PROJECT / "include" / "specs"
"""The specs that come with the repository."""

_ROOM = 1_000_000_000
_MARK = "stack.lock"
# The path of a Unix socket may have 108 bytes on Linux and 104 on macOS, with the final zero byte.
_LONGEST_SOCKET = 100


@dataclass(frozen=True)
class Home:
    """The folders of a stack. Two stacks with different homes do not know of each other."""

    path: Path

    @staticmethod
    def at(path: Path | str | None = None) -> "Home":
        """Return the home at `path`; by default at RETRAIN_HOME, or at `.retrain` in the project."""
        chosen = path or os.environ.get("RETRAIN_HOME") or PROJECT / ".retrain"
        return Home(Path(chosen).expanduser().resolve())

    @property
    def airflow(self) -> Path:
        return self.path / "airflow"

    @property
    def artifacts(self) -> Path:
        return self.path / "mlflow-artifacts"

    @property
    def snapshots(self) -> Path:
        return self.path / "snapshots"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def pgdata(self) -> Path:
        return self.path / "postgres"

    @property
    def postgres_socket(self) -> Path:
        """The folder with PostgreSQL's socket. Only the user that PostgreSQL runs as can open it."""
        return self._sockets / "postgres"

    @property
    def supervisor_socket(self) -> Path:
        return self._sockets / "supervisor" / "socket"

    @property
    def _sockets(self) -> Path:
        inside = self.path / "sockets"
        # supervisord first makes `socket.<pid>`, PostgreSQL adds a `.lock`: neither path is longer than this one.
        longest = inside / "supervisor" / "socket.1234567"
        if len(os.fsencode(longest)) <= _LONGEST_SOCKET:
            return inside
        name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        return Path("/tmp") / f"retrain-{os.getuid()}-{name}"  # noqa: S108 - must be short; its owner is checked when it is made

    def exists(self) -> bool:
        return (self.path / _MARK).exists()

    def make(self) -> None:
        """Make the folders. Raises StackError if the folder has other contents or is read-only, or the disk is full."""
        try:
            if self.path.exists() and not self.exists() and any(self.path.iterdir()):
                raise StackError(f"{self.path} is not empty and not a stack's folder: set RETRAIN_HOME to another one")
            _make_private(self.path)
            (self.path / _MARK).touch(mode=0o600)
            for folder in (self.airflow, self.artifacts, self.snapshots, self.logs):
                folder.mkdir(mode=0o700, exist_ok=True)
            for folder in (self._sockets, self.supervisor_socket.parent):
                _make_private(folder)
        except OSError as error:
            raise StackError(
                f"cannot write to {self.path} ({error.strerror}): set RETRAIN_HOME to a folder that you may write to"
            ) from error
        self.refuse_full_disk(_ROOM)

    def refuse_full_disk(self, wanted: int = 10_000_000) -> None:
        """Raise StackError if fewer than `wanted` bytes are free."""
        free = shutil.disk_usage(self.path).free
        if free < wanted:
            raise StackError(
                f"the disk of {self.path} has {free / 1e6:.0f} MB left and the stack needs {_ROOM / 1e6:.0f}: "
                "make room, or set RETRAIN_HOME to a folder on another disk"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Refuse a second `up`, `down` or `reset` of this home while the first one works."""
        with (self.path / _MARK).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StackError(
                    f"another command is starting or stopping the stack in {self.path}: wait until it has ended"
                ) from error
            yield

    def remove_sockets(self) -> None:
        """Remove the sockets, which may lie outside of the folder; `make` makes their folder again."""
        shutil.rmtree(self._sockets, ignore_errors=True)

    def remove(self) -> None:
        """Delete the folder and everything that the stack ever stored."""
        self.remove_sockets()
        shutil.rmtree(self.path)


def _make_private(folder: Path) -> None:
    """Make a folder that only we can open. Raises StackError if somebody else made it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise StackError(f"{folder} belongs to somebody else: remove it, or set RETRAIN_HOME to another folder")
