"""Runs a program once what its killed predecessor left has ended: `python alone.py PROGRAM …`, under supervisor.

`mlflow server` serves from a child of its own. Killed, it leaves the child with the port, and supervisor would start
another one in its place again and again that finds the port taken. Airflow's scheduler leaves its workers, and with
them its connection to PostgreSQL: the locks of its last transaction would keep the next scheduler from any task.
"""

import os
import sys

import psutil

_MARKS = ("RETRAIN_STACK", "SUPERVISOR_PROCESS_NAME")  # which stack, and which of its programs


def main() -> None:
    ghosts = [process for process in psutil.process_iter() if process.pid != os.getpid() and _is_like_us(process)]
    for process in ghosts:
        process.kill()
    psutil.wait_procs(ghosts, timeout=10)
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - what supervisor was told to run


def _is_like_us(process: psutil.Process) -> bool:
    try:
        theirs = process.environ()
    except psutil.Error:
        return False
    return all(theirs.get(mark) == os.environ[mark] for mark in _MARKS)


if __name__ == "__main__":
    main()
