"""Starts and stops the stack."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import httpx
import psutil

from stack import airflow_config, credentials, leftovers, postgres, signals
from stack import ports as port_numbers
from stack.credentials import USER
from stack.environment import environment
from stack.errors import StackError
from stack.home import Home
from stack.ports import Ports
from stack.services import ALL, Service, services
from stack.supervisor import State, Supervisor, log_file

_PATIENCE = 180


@dataclass(frozen=True)
class Running:
    """A stack that runs: where its services are and how to log in."""

    home: Home
    ports: Ports
    env: Mapping[str, str]

    @property
    def airflow_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.airflow}"

    @property
    def mlflow_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.mlflow}"

    @property
    def mlflow_page(self) -> str:
        """The address for people: without the query, MLflow's page opens on traces of language models."""
        return f"{self.mlflow_url}/#/experiments?workflowType=machine_learning"

    @property
    def user(self) -> str:
        return USER

    @property
    def password(self) -> str:
        return credentials.load_or_make(self.home).password

    @cached_property
    def token(self) -> str:
        """A bearer token of the user for Airflow's API, valid for a day."""
        response = httpx.post(
            f"{self.airflow_url}/auth/token",
            json={"username": self.user, "password": self.password},
            timeout=30,
            trust_env=False,
        )
        response.raise_for_status()
        return str(response.json()["access_token"])

    def dsn(self, database: str) -> str:
        """Return a connection string for psycopg2. database: one of airflow, mlflow, retrain, source."""
        return postgres.dsn(self.home, database)

    def url(self, database: str) -> str:
        """Return a URL for SQLAlchemy."""
        return postgres.url(self.home, database, driver="psycopg2")


Say = Callable[[str], None]
Fill = Callable[[Running], object]


def up(
    home: Home,
    *,
    names: Sequence[str] = ALL,
    ports: Ports,
    env: Mapping[str, str] | None = None,
    fill: Fill | None = None,
    say: Say = print,
) -> tuple[Running, bool]:
    """Start the services `names` in `home`. Return the stack, and whether they ran already.

    env: variables of the processes besides `environment(home)`. fill: loads tables when PostgreSQL is ready, before
    the services that look for them are started. On any error, and on Ctrl-C, everything that was started is ended
    before this raises.
    """
    home.make()
    with home.locked():
        if _runs(home, names):
            return running_at(home), True
        _clear(home, say)
        wanted = services(home, ports, names)
        port_numbers.refuse_taken(ports, {service.port for service in wanted if service.port})
        try:
            port_numbers.remember(home, ports)
            airflow_config.write(home, ports, credentials.load_or_make(home))
            running = Running(home, ports, environment(home) | dict(env or {}))
            postgres.initialise(home)
            _start(running, wanted, fill, say)
        except BaseException as error:
            with _undisturbed():
                _end(home)
            if isinstance(error, Exception):
                home.refuse_full_disk()  # a process that dies of a full disk can seldom write the reason
            raise
        return running, False


def down(home: Home) -> bool:
    """End every process of the stack in `home`, and return when none is left; False if none ran."""
    if not home.exists():
        return False
    with home.locked(), _undisturbed():
        return _end(home)


def reset(home: Home) -> bool:
    """End the stack in `home` and delete everything that it stored; False if there was none."""
    if not home.exists():
        return False
    with home.locked(), _undisturbed():
        _end(home)
        home.remove()
    return True


def running_at(home: Home) -> Running:
    """Return the stack in `home` as it was last started."""
    return Running(home, port_numbers.recall(home), environment(home))


def status(home: Home) -> list[tuple[State, str | None]]:
    """Return each program and, if it does not work, the reason; empty if no stack runs in `home`."""
    known = _states(home)
    if not known:
        return []
    return [
        (state, service.why_not_ready(state.since) if service.why_not_ready and state.state == "RUNNING" else None)
        for service in services(home, port_numbers.recall(home), list(known))
        for state in (known[service.name],)
    ]


@contextmanager
def running(
    home: Path | str,
    *,
    services: Sequence[str] = ALL,
    ports: Ports | None = None,
    env: Mapping[str, str] | None = None,
    fill: Fill | None = None,
    say: Say = print,
) -> Iterator[Running]:
    """Run a stack in the folder `home` as long as the block, and end it with the block.

    services: some of `stack.services.ALL`. ports: free ones by default. Raises StackError if a stack runs there.
    """
    place = Home.at(home)
    with signals.as_interrupts():
        stack, already = up(place, names=services, ports=ports or port_numbers.free(), env=env, fill=fill, say=say)
        if already:
            raise StackError(f"a stack runs in {place.path} already: end it with `make down`, or set RETRAIN_HOME")
        try:
            yield stack
        finally:
            down(place)


def _states(home: Home) -> dict[str, State]:
    supervisor = Supervisor(home)
    return supervisor.states() if supervisor.answers() else {}


def _runs(home: Home, names: Sequence[str]) -> bool:
    """Whether all of these services run. One that has just died counts: supervisor starts it again."""
    known = _states(home)
    return all(
        name in known
        and (
            known[name].state in ("STARTING", "RUNNING", "BACKOFF")
            or (known[name].state == "EXITED" and name.endswith("-migrate"))
        )
        for name in names
    )


def _clear(home: Home, say: Say) -> None:
    """End the processes and remove the files of an earlier stack that did not end cleanly."""
    ended = leftovers.end(home)
    files = leftovers.remove_files(home)
    if ended or files:
        say(f"An earlier stack had not ended cleanly: ended {ended} processes, removed {files} stale files.")


def _start(running: Running, wanted: Sequence[Service], fill: Fill | None, say: Say) -> None:
    """Start each service as soon as all services that it needs are ready."""
    supervisor = Supervisor(running.home)
    supervisor.start(wanted, dict(running.env))
    present = {service.name for service in wanted}
    waiting, starting, ready = list(wanted), dict[str, _Start](), set[str]()
    while waiting or starting:
        for service in [each for each in waiting if present.intersection(each.after) <= ready]:
            say(f"Starting {service.label} …")
            supervisor.start_program(service.name)
            waiting.remove(service)
            starting[service.name] = _Start(service, time.monotonic())
        known = supervisor.states()
        for name, start in list(starting.items()):
            if _is_ready(running.home, start, known[name]):
                if start.service.when_ready:
                    start.service.when_ready()
                if fill and name == "postgres":
                    fill(running)
                del starting[name]
                ready.add(name)
        time.sleep(0.1)


@dataclass
class _Start:
    service: Service
    begun: float
    pid: int = 0


def _is_ready(home: Home, start: _Start, state: State) -> bool:
    """Return whether it works. Raises StackError if it has died, even if supervisor has already started it again."""
    service = start.service
    if service.why_not_ready is None and state.state == "EXITED" and state.exit_status == 0:
        return True
    if state.state in ("BACKOFF", "EXITED", "FATAL") or (start.pid and state.pid != start.pid):
        raise StackError(f"{service.label} died while starting: {_last_line(home, service.name)}")
    start.pid = state.pid
    reason = "still at work" if service.why_not_ready is None else service.why_not_ready(state.since)
    if reason and time.monotonic() - start.begun > _PATIENCE:
        raise StackError(
            f"{service.label} is not ready after {_PATIENCE} s ({reason}): {_last_line(home, service.name)}"
        )
    return reason is None


def _last_line(home: Home, name: str) -> str:
    file = log_file(home, name)
    try:
        lines = [line.strip() for line in file.read_text(errors="replace").splitlines() if line.strip()]
    except FileNotFoundError:
        lines = []
    return f"look at {file}; its last line: {lines[-1] if lines else 'none'}"


def _end(home: Home) -> bool:
    """End every service cleanly, then everything that is left; return whether anything ran."""
    supervisor = Supervisor(home)
    orderly = supervisor.answers()
    if orderly:
        with suppress(StackError, psutil.NoSuchProcess):  # killed meanwhile: its programs are ended below
            names = list(supervisor.states())
            # PostgreSQL last: the others still write into it when they end.
            supervisor.stop_programs([name for name in names if name != "postgres"], patience=30)
            supervisor.stop_programs([name for name in names if name == "postgres"], patience=90)
            supervisor.shut_down()
    swept = leftovers.end(home)
    leftovers.remove_files(home)
    home.remove_sockets()
    return orderly or swept > 0


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore signals: a second Ctrl-C would stop the cleaning up, and leave processes behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {which: signal.signal(which, signal.SIG_IGN) for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
