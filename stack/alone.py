"""Ends the children that a killed predecessor left, then runs a program: `python alone.py PROGRAM …`, under supervisor.

`mlflow server` serves from a child process. When it is killed, the child stays and keeps the port; supervisor would
start one new server after the other, and each would find the port taken. A killed scheduler of Airflow leaves its
workers, and with them its connection to PostgreSQL: the locks of its last transaction would keep the next scheduler
from every task.
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
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - the program that supervisor runs


def _is_like_us(process: psutil.Process) -> bool:
    try:
        variables = process.environ()
    except psutil.Error:
        return False
    return all(variables.get(mark) == os.environ[mark] for mark in _MARKS)


if __name__ == "__main__":
    main()
