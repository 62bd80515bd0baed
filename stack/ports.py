"""The TCP ports of a stack, and whether another program has them."""

import json
import socket
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields

import psutil

from stack.errors import StackError
from stack.home import Home

VARIABLES = {
    "airflow": "RETRAIN_AIRFLOW_PORT",
    "mlflow": "RETRAIN_MLFLOW_PORT",
}


@dataclass(frozen=True)
class Ports:
    airflow: int = 8080
    mlflow: int = 5000


def from_variables(variables: Mapping[str, str]) -> Ports:
    """Return the default ports, each overridden by its variable; with RETRAIN_PORTS=free, any free ports."""
    if variables.get("RETRAIN_PORTS") == "free":
        return free()
    chosen = {}
    for field, variable in VARIABLES.items():
        if value := variables.get(variable):
            if not value.isdecimal() or not 0 < int(value) < 65536:
                raise StackError(f"{variable}={value} is not a port: set it to a number from 1 to 65535")
            chosen[field] = int(value)
    ports = Ports(**chosen)
    if len(set(asdict(ports).values())) < len(VARIABLES):
        raise StackError(f"two services cannot share a port: look at {', '.join(VARIABLES.values())}")
    return ports


def free() -> Ports:
    """Return ports that nobody listens on. All are held until the last is known, so that they differ."""
    with ExitStack() as held:
        chosen = {}
        for field in fields(Ports):
            listener = held.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            chosen[field.name] = listener.getsockname()[1]
        return Ports(**chosen)


def refuse_taken(ports: Ports, names: Collection[str]) -> None:
    """Raise StackError for the first of these ports that is taken; it names the program if the system tells."""
    for field, variable in VARIABLES.items():
        port = getattr(ports, field)
        if field in names and _is_taken(port):
            raise StackError(
                f"port {port} is taken by {_holder(port)}: end that program, or set {variable} to another port "
                "(RETRAIN_PORTS=free takes any free ports)"
            )


def remember(home: Home, ports: Ports) -> None:
    (home.path / "ports.json").write_text(json.dumps(asdict(ports)))


def recall(home: Home) -> Ports:
    """Return the ports that the stack was last started with."""
    try:
        return Ports(**json.loads((home.path / "ports.json").read_text()))
    except FileNotFoundError as error:
        raise StackError(f"no stack was ever started in {home.path}: run `make up`") from error


def _is_taken(port: int) -> bool:
    # A listener on every address blocks a server on loopback, and not on each system the other way round.
    for address in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - bound and released at once
        with socket.socket() as probe:
            # As servers do: a connection in TIME_WAIT does not take the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except PermissionError as error:
                raise StackError(f"only root may use port {port}: choose one above 1023") from error
            except OSError:
                return True
    return False


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                if connection.pid is None:
                    break
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass  # some systems tell only root
    return "another program"
