"""The process manager: supervisord with our configuration, over a Unix socket."""

import configparser
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport

from stack.errors import StackError
from stack.home import Home
from stack.services import Service


@dataclass(frozen=True)
class State:
    """A program as supervisor knows it."""

    name: str
    state: str  # STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL
    pid: int
    exit_status: int
    since: datetime  # when this process was started


class Supervisor:
    """The supervisord of one home. Its programs start only on request, and it restarts those that die."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def start(self, services: Sequence[Service], environment: dict[str, str]) -> None:
        """Start supervisord in the background; no program runs yet."""
        file = self._home.path / "supervisord.conf"
        with file.open("w") as stream:
            _configuration(self._home, services).write(stream)
        started = subprocess.run(
            [str(Path(sys.executable).parent / "supervisord"), "-c", str(file)],
            # In its environment, not in its configuration: that needs no quoting, and every program inherits it.
            env=environment,
            cwd=self._home.path,
            capture_output=True,
            text=True,
            check=False,
        )
        if started.returncode:
            reason = (started.stderr.strip() or started.stdout.strip() or "no output").splitlines()[-1]
            raise StackError(f"supervisord did not start: {reason}; its log is {self._home.logs / 'supervisord.log'}")
        deadline = time.monotonic() + 10
        while not self.answers():
            if time.monotonic() > deadline:
                raise StackError(f"supervisord does not answer: look at {self._home.logs / 'supervisord.log'}")
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except StackError:
            return False

    def states(self) -> dict[str, State]:
        return {
            info["name"]: State(
                info["name"],
                info["statename"],
                info["pid"],
                info["exitstatus"],
                datetime.fromtimestamp(info["start"], UTC),
            )
            for info in self._call("getAllProcessInfo")
        }

    def start_program(self, name: str) -> None:
        """Start a program and do not wait: its state and its health show whether it runs."""
        self._call("startProcess", name, False)

    def stop_programs(self, names: Sequence[str], patience: float) -> None:
        """Stop these programs, and return when the last has ended. One that does not run is not an error."""
        for name in names:
            try:
                self._call("stopProcess", name, False)
            except Fault as fault:
                if "NOT_RUNNING" not in fault.faultString:
                    raise
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            states = self.states()
            if all(states[name].state in ("STOPPED", "EXITED", "FATAL") for name in names):
                return
            time.sleep(0.1)

    def shut_down(self) -> None:
        """End supervisord, and wait until it has ended."""
        process = psutil.Process(int(self._call("getPID")))
        self._call("shutdown")
        with suppress(psutil.TimeoutExpired):  # the caller ends what is left
            process.wait(timeout=30)

    def _call(self, method: str, *arguments: Any) -> Any:
        # A new connection for each call: threads must not share a transport, and a dead one does not show.
        transport = SupervisorTransport(None, None, serverurl=f"unix://{self._home.supervisor_socket}")
        try:
            with ServerProxy("http://127.0.0.1", transport=transport) as proxy:
                return cast(Any, getattr(proxy.supervisor, method)(*arguments))
        except (OSError, HTTPException) as error:
            raise StackError(
                f"supervisord has ended: look at {self._home.logs / 'supervisord.log'}, and start the stack again"
            ) from error


def log_file(home: Home, name: str) -> Path:
    return home.logs / f"{name}.log"


def _configuration(home: Home, services: Sequence[Service]) -> configparser.RawConfigParser:
    sections: dict[str, dict[str, Any]] = {
        "supervisord": {
            "logfile": home.logs / "supervisord.log",
            "pidfile": home.path / "supervisord.pid",
            "childlogdir": home.logs,
            "umask": "077",
        },
        "unix_http_server": {"file": home.supervisor_socket, "chmod": "0700"},
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
    }
    for service in services:
        once = service.why_not_ready is None
        sections[f"program:{service.name}"] = {
            "command": shlex.join(service.command),
            "directory": home.path,
            "autostart": "false",
            "autorestart": "false" if once else "true",
            "startsecs": 0 if once else 1,
            # PostgreSQL does not start again while processes of its killed predecessor are alive: be patient.
            "startretries": 20,
            "stopsignal": service.stop_signal,
            "stopwaitsecs": service.patience,
            "stopasgroup": str(service.whole_group).lower(),
            "killasgroup": str(service.whole_group).lower(),
            "redirect_stderr": "true",
            # Relative: supervisor expands this setting twice, and fails on a percent sign in a folder's name.
            "stdout_logfile": log_file(home, service.name).relative_to(home.path),
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": 2,
            **({"user": service.user} if service.user else {}),
        }
    parser = configparser.RawConfigParser()
    # supervisor interpolates like configparser: a single percent sign would begin a reference.
    parser.read_dict(
        {section: {k: str(v).replace("%", "%%") for k, v in values.items()} for section, values in sections.items()}
    )
    return parser
