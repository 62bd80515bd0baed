"""A process that has imported what takes seconds; each call runs in a new fork of it, in a process group of its own.

Fork is safe there: it has one thread, and nothing of the user's was imported. It ends with the process that started it,
and its forks end with it.
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from types import TracebackType
from typing import IO, Any, Self, cast

GONE = -256
"""In place of a fork's end, where the process itself has ended."""
FROM_OUTSIDE = {GONE, *(-number for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))}
"""Ends that the call did not cause: when a task is ended, the processes that it has started are ended as well."""
_PDEATHSIG = 1


class Forks:
    """The process; it is started by `with` and lives until the block ends."""

    def __init__(self, prepare: str, *, env: Mapping[str, str]) -> None:
        """prepare: `module:function`, called once. env: the environment that it starts with."""
        self._prepare = prepare
        self._env = env

    def __enter__(self) -> Self:
        # -P: a user's file in the working directory, random.py say, must not be imported. The path is that of this
        # process: Airflow has folders of its own on it, and the user's modules may be in one of these.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "retrain.models.forks", self._prepare],
            env={**self._env, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in a terminal is for the process that waits
        )
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def call(self, function: str, argument: str, *, env: Mapping[str, str] | None = None) -> "Fork":
        """Call `module:function` with a text in a new fork. One at a time.

        env: replaces the environment there. What the function prints goes where it sends it: see `to_file`.
        """
        line = {"function": function, "argument": argument, "path": sys.path, "env": None if env is None else {**env}}
        questions = cast(IO[bytes], self._process.stdin)
        with suppress(BrokenPipeError):
            questions.write(json.dumps(line).encode() + b"\n")
            questions.flush()
        return Fork(cast(IO[bytes], self._process.stdout))


class Fork:
    """A call that is running."""

    def __init__(self, replies: IO[bytes]) -> None:
        self._replies = replies
        self.pid = self._number()
        """Of its process, which leads its group; `GONE` where it was never started."""

    def wait(self, seconds: float | None = None) -> int | None:
        """Return how it has ended: 0, an exit status, or minus a signal; None if it runs on after `seconds`."""
        if self.pid == GONE:
            return GONE
        ready, _, _ = select.select([self._replies], [], [], seconds)
        return self._number() if ready else None

    def kill(self) -> None:
        """End it, and all processes in its group. `wait` still returns how it has ended."""
        if self.pid != GONE:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def _number(self) -> int:
        # One number a line, and never two lines at once: nothing stays behind in the buffer.
        text = self._replies.readline().strip()
        return int(text) if text else GONE


def to_file(path: str) -> None:
    """Send what this process prints, through Python or not, to a file."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for each in (1, 2):
        os.dup2(file, each)
    os.close(file)


def main() -> None:
    """Run the process: read a line for each call, write the fork's pid, and, when it ends, how."""
    _function(sys.argv[1])()
    ended, wakes = os.pipe()
    for each in (ended, wakes):
        os.set_blocking(each, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    questions, replies = b"", os.dup(1)
    pid: int | None = None

    def end(number: int, _: object) -> None:
        if pid is not None:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # nobody waits for its reply any more
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, end)
    while True:
        select.select([0, ended], [], [])
        with suppress(BlockingIOError):
            os.read(ended, 512)
        if pid is not None and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)  # what it has left behind
            _, status = os.waitpid(pid, 0)
            pid = None
            os.write(replies, b"%d\n" % os.waitstatus_to_exitcode(status))
        if select.select([0], [], [], 0)[0]:
            read = os.read(0, 1 << 16)
            if not read:  # who started this process has ended
                end(0, None)
            questions += read
        if pid is None and b"\n" in questions:
            line, _, questions = questions.partition(b"\n")
            pid = _forked(json.loads(line), replies)
            os.write(replies, b"%d\n" % pid)


def _forked(question: dict[str, Any], replies: int) -> int:
    """Return the pid of a new fork that calls the function."""
    parent = os.getpid()
    status: object = 1
    pid = os.fork()
    if pid:
        with suppress(PermissionError, ProcessLookupError):  # it has done so itself, or has ended
            os.setpgid(pid, pid)
        return pid
    try:
        os.setpgid(0, 0)
        with suppress(OSError, AttributeError):  # of Linux alone
            ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.close(replies)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)  # who asks for input gets the end of it
        os.dup2(nothing, 1)
        sys.path[:] = question["path"]
        if question["env"] is not None:
            os.environ.clear()
            os.environ.update(question["env"])
        status = _function(question["function"])(question["argument"])
    except SystemExit as error:
        status = error.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        # Not by `sys.exit`: threads that are left would be waited for.
        os._exit(status & 0xFF if isinstance(status, int) else bool(status))


def _function(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    return cast(Callable[..., Any], getattr(import_module(module), function))


if __name__ == "__main__":
    main()
