"""A command of Retrain's in a process group of its own, which is ended past its limits of time and memory."""

import atexit
import json
import os
import signal
import site
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from retrain.errors import SettingsError
from retrain.models import pythons
from retrain.models.forks import FROM_OUTSIDE, Forks, to_file
from retrain.spec.training import Limits
from retrain.text import LONGEST_ERROR, one_line, shorten

_LOOK = 0.25
"""Seconds between two looks at a process: its memory may pass its limit for so long."""
_SHARE = 20
"""Where there are thousands of processes to look at, how much longer than a look the pause after it is at least."""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
_SHOWN, _KEPT = 64 << 10, 4 << 20
"""Bytes of what a process prints that are passed on, and that its file may hold."""


STOPPED = "stopped"


@dataclass(frozen=True)
class Ended:
    """How a process has ended."""

    status: int
    """0, an exit status, or minus a signal; `GONE`: nobody knows."""
    memory: int
    """The most that its group had in memory at a look, in bytes."""
    past: str | None
    """The limit past which it was ended, `time` or `memory`; or `STOPPED`."""
    last: str
    """The last line that it has printed."""

    @property
    def from_outside(self) -> bool:
        """Whether somebody else has ended it: with a task, the processes that it has started are ended as well."""
        return self.past is None and self.status in FROM_OUTSIDE


class _Process(Protocol):
    pid: int

    def wait(self, seconds: float | None = None) -> int | None: ...
    def kill(self) -> None: ...


def run(
    words: Sequence[str],
    *,
    limits: Limits,
    python: str | None,
    say: Callable[[str], None],
    stop: Callable[[], bool] | None = None,
) -> Ended:
    """Run `retrain …` and wait for its end.

    words: of the command. python: name of another interpreter; default: this one, by a fork of a process that has
    imported what takes seconds. say: called with each line that is printed, as long as these are few. stop: asked at
    each look whether to end it. Raises SettingsError where the interpreter is not listed or does not run.
    """
    with tempfile.TemporaryDirectory(prefix="retrain-") as temporary:
        work, printed = Path(temporary) / "work", _Printed(Path(temporary) / "printed.txt", say)
        work.mkdir()
        env = _environment(limits)
        with _started(words, work, printed.path, env, python) as process:
            begun, most, past, pause = time.monotonic(), 0, None, _LOOK
            try:
                while (status := process.wait(pause)) is None:
                    looked = time.monotonic()
                    most = max(most, _resident(process.pid))
                    pause = max(_LOOK, _SHARE * (time.monotonic() - looked))
                    if past is None:
                        past = _past(limits, looked - begun, most)
                        if past is None and stop is not None and stop():
                            past = STOPPED
                        if past is not None:
                            process.kill()
                    printed.look()
            except BaseException:  # this process is ending itself: so does what it has started
                process.kill()
                raise
        printed.look(at_end=True)
        left = sorted(each.name for each in work.iterdir())
        if left:
            say(f"It wrote into its working directory, which is deleted: {', '.join(left[:5])}")
    return Ended(status, most, past, printed.last)


def _past(limits: Limits, seconds: float, memory: int) -> str | None:
    if limits.memory is not None and memory > limits.memory:
        return "memory"
    return "time" if seconds > limits.time.total_seconds() else None


def _environment(limits: Limits) -> dict[str, str]:
    threads = {name: str(limits.threads) for name in _THREADS} if limits.threads is not None else {}
    return {**os.environ, **threads}


def _resident(group: int) -> int:
    """Return the bytes that all processes of a group have in memory."""
    total = 0
    for pid in psutil.pids():
        with suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getpgid(pid) == group:
                total += psutil.Process(pid).memory_info().rss
    return total


class _Printed:
    """The file of what a process prints, of which the first part is passed on as it comes."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path, self.last = path, ""
        self._say, self._said, self._at, self._rest = say, 0, 0, b""
        path.touch(0o600)

    def look(self, *, at_end: bool = False) -> None:
        with self.path.open("rb") as file:
            file.seek(self._at)
            new = file.read()
        self._at += len(new)
        if self._at > _KEPT:
            os.truncate(self.path, 0)  # it is opened to append: what comes next begins anew
            self._at = 0
        *lines, self._rest = (self._rest + new).split(b"\n")
        self._rest = self._rest[-_SHOWN:]
        if at_end and self._rest:
            lines.append(self._rest)
        for line in lines:
            text = shorten(line.decode("utf-8", "replace").rstrip(), LONGEST_ERROR, keep_lines=True)
            if not text:
                continue
            self.last = text.strip()
            if self._said <= _SHOWN:
                self._said += len(line)
                self._say(text if self._said <= _SHOWN else "It prints more; the rest is left out.")


# ── this Python, and another one


@contextmanager
def _started(
    words: Sequence[str], work: Path, printed: Path, env: Mapping[str, str], python: str | None
) -> Iterator[_Process]:
    if python is not None:
        yield _Other(python, words, work, printed, env)
        return
    call = json.dumps({"words": words, "work": str(work), "printed": str(printed)})
    with _prepared() as forks:
        yield forks.call("retrain.models.limited:in_fork", call, env=env)


def in_fork(text: str) -> int:
    """Run a command in the fork that this process is."""
    call = json.loads(text)
    to_file(call["printed"])
    os.chdir(call["work"])
    sys.argv = ["retrain", *call["words"]]
    from importlib import import_module

    return int(import_module("retrain.cli.main").main())


_idle: list[tuple[int, Forks]] = []
"""Each with the process that has started it: a fork of that one must not use its pipes."""


def get_ready(python: str | None) -> None:
    """Start what the next call of `run` needs, in the background."""
    if python is None and not any(owner == os.getpid() for owner, _ in _idle):
        _idle.append((os.getpid(), _new()))


def _new() -> Forks:
    forks = Forks("retrain.cli.train:prepare", env=os.environ).__enter__()
    atexit.register(forks.__exit__, None, None, None)
    return forks


@contextmanager
def _prepared() -> Iterator[Forks]:
    """Give a process that nobody else uses. It is kept for the next call, until this process ends."""
    forks = None
    with suppress(IndexError):
        while forks is None:
            owner, found = _idle.pop()  # at once, so that no two threads get the same
            forks = found if owner == os.getpid() and found.alive else None
    forks = forks or _new()
    yield forks
    _idle.append((os.getpid(), forks))


class _Other:
    """A process of another interpreter."""

    def __init__(self, python: str, words: Sequence[str], work: Path, printed: Path, env: Mapping[str, str]) -> None:
        # The packages of this interpreter are not on the path: only Retrain itself, and what the user has put there.
        own = work.parent / "path"
        own.mkdir()
        (own / "retrain").symlink_to(Path(__file__).parents[1])
        paths = [str(own), *_of_the_user()]
        words = [pythons.of_name(python), "-P", "-m", "retrain.cli", *words]
        with printed.open("ab") as file:
            try:
                self._process = subprocess.Popen(
                    words,
                    env={**env, "PYTHONPATH": os.pathsep.join(paths)},
                    cwd=work,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise SettingsError(
                    f"{pythons.VARIABLE}: {python} = {words[0]!r} does not run: {one_line(error)}"
                ) from error
        self.pid = self._process.pid

    def wait(self, seconds: float | None = None) -> int | None:
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self.kill()  # what it has left behind
        return status

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def _of_the_user() -> list[str]:
    """Return the folders of `sys.path` that are not this interpreter's own."""
    own = {*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()}
    own |= {f"{path}/lib-dynload" for path in own}
    return [path for path in sys.path if Path(path).is_dir() and path and path not in own]
