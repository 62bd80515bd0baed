"""`python -m stack up|down|reset|status|run`: the local stack from a shell."""

import argparse
import os
import sys
from typing import Never

from stack import local, ports, signals
from stack.environment import environment
from stack.errors import StackError
from stack.home import Home
from stack.local import Running
from stack.samples import tables


def main() -> int:
    """Return the exit status: 0 for success, 1 after a line that says what is wrong, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m stack", description="The local stack: PostgreSQL, MLflow, Airflow."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start it and leave it running")
    commands.add_parser("down", help="end it; what it stored stays")
    commands.add_parser("reset", help="end it and delete everything that it stored")
    commands.add_parser("status", help="say what runs")
    run = commands.add_parser("run", help="run a command in its environment, e.g. `run airflow dags list`")
    run.add_argument("words", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    try:
        with signals.as_interrupts():
            _do(arguments.command, Home.at(), arguments)
    except (StackError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: what was started has been ended.", file=sys.stderr)
        return 130
    return 0


def _do(command: str, home: Home, arguments: argparse.Namespace) -> None:
    match command:
        case "up":
            _up(home)
        case "down":
            print("The stack has ended." if local.down(home) else "No stack is running.")
        case "reset":
            print(f"Removed {home.path}." if local.reset(home) else "There is nothing to remove.")
        case "status":
            _status(home)
        case "run":
            _run(home, arguments.words)


def _up(home: Home) -> None:
    running, already = local.up(home, ports=ports.from_variables(os.environ), fill=tables.load)
    if already:
        print("The stack is running already.")
    _print_addresses(running)


def _status(home: Home) -> None:
    status = local.status(home)
    if not status:
        print("No stack is running: `make up` starts one.")
        return
    for state, fault in status:
        process = f" (process {state.pid})" if state.pid else ""
        print(f"{state.name:16} {state.state.lower()}{process}{f': {fault}' if fault else ''}")
    _print_addresses(local.running_at(home))


def _print_addresses(running: Running) -> None:
    print(f"Airflow  {running.airflow_url}  log in as {running.user} with {running.password}")
    print(f"MLflow   {running.mlflow_page}")
    print(f"Logs     {running.home.logs}")


def _run(home: Home, words: list[str]) -> Never:
    if not words:
        raise StackError("say what to run, e.g. `python -m stack run airflow dags list`")
    variables = environment(home)
    try:
        os.execvpe(words[0], words, variables)  # noqa: S606 - the caller's own command
    except OSError as error:
        raise StackError(f"{words[0]} cannot be run: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
