"""Finds and ends the processes of a stack that outlived their manager, and removes the files that they left."""

import os
import signal
from contextlib import suppress

import psutil

from stack.home import Home


def processes(home: Home) -> list[psutil.Process]:
    """Return all processes of the stack in `home`, whatever their parents; managers first, as they restart others."""
    ours = _callers()
    found = {process for process in psutil.process_iter() if process not in ours and _belongs(process, home)}
    # PostgreSQL's processes write their titles over their environment.
    for process in list(found):
        try:
            found.update(process.children(recursive=True))
        except psutil.Error:
            continue
    return sorted(found, key=lambda process: (not _is_manager(process), process.pid))


def end(home: Home, patience: float = 5) -> int:
    """End these processes, wait until each has ended, and return how many there were."""
    ended = 0
    # Repeat until none is found: while some were ending, others may have started new ones.
    while found := processes(home):
        for process in found:
            with suppress(psutil.NoSuchProcess):
                # A manager that gets SIGTERM would wait for its programs, and not for long enough.
                process.send_signal(signal.SIGKILL if _is_manager(process) else _polite(process))
        _, resisting = psutil.wait_procs(found, timeout=patience)
        for process in resisting:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(resisting, timeout=patience)
        ended += len(found)
    return ended


def remove_files(home: Home) -> int:
    """Remove the files that say that something runs, once nothing does; return how many there were."""
    stale = [
        home.path / "supervisord.pid",
        home.supervisor_socket,
        home.pgdata / "postmaster.pid",
        home.postgres_socket / ".s.PGSQL.5432",
        home.postgres_socket / ".s.PGSQL.5432.lock",
    ]
    present = [file for file in stale if os.path.lexists(file)]
    for file in present:
        file.unlink()
    return len(present)


def _belongs(process: psutil.Process, home: Home) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if process.name() == "postgres":
            return str(home.pgdata) in process.cmdline()
        return process.environ().get("RETRAIN_STACK") == str(home.path)
    except (psutil.Error, OSError):
        return False  # it has ended, or belongs to somebody else


def _callers() -> set[psutil.Process]:
    """Return this process and its parents: `down` may be run from within the stack's own environment."""
    me = psutil.Process()
    return {me, *me.parents()}


def _is_manager(process: psutil.Process) -> bool:
    try:
        return any(word.endswith("supervisord") for word in process.cmdline())
    except psutil.Error:
        return False


def _polite(process: psutil.Process) -> signal.Signals:
    # SIGTERM lets PostgreSQL wait for its clients, SIGINT does not.
    return signal.SIGINT if process.name() == "postgres" else signal.SIGTERM
