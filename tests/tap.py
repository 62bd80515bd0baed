"""A proxy between clients and an HTTP server. It holds, cuts or answers a request, before the server or after it."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from socket import SHUT_RDWR, socket
from types import TracebackType
from typing import Self

import psutil

_SECONDS = 300
_NO_SUCH_CALL = b'{"error_code": "ENDPOINT_NOT_FOUND", "message": "No API found for this path"}'
_NOT_FORWARDED = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Held:
    """A request that the tap has caught, or will catch."""

    def __init__(self) -> None:
        self._client: Queue[int] = Queue()
        self._open = threading.Event()

    def catch(self, port: int) -> None:
        """Note the client's port, and wait for the release. Called by the tap."""
        self._client.put(port)
        self._open.wait(_SECONDS)

    def process(self) -> psutil.Process:
        """Wait for the request, and return the process that sent it."""
        port = self._client.get(timeout=_SECONDS)
        (pid,) = {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.laddr and connection.laddr.port == port and connection.pid
        }
        return psutil.Process(pid)

    def release(self) -> None:
        self._open.set()


@dataclass(frozen=True)
class _Rule:
    method: str
    path: str
    body: bytes
    after: bool
    held: Held | None
    """None: cut the connection."""

    def fits(self, request: BaseHTTPRequestHandler, body: bytes, after: bool) -> bool:
        return (
            request.command == self.method and self.path in request.path and self.body in body and self.after == after
        )


class Tap:
    """Listens on a free port of this machine until its block ends."""

    def __init__(self) -> None:
        self.upstream: int | None = None
        """Port of the server; set it before the first request."""
        self._rule: _Rule | None = None
        self._missing: str | None = None
        self._refused: tuple[str, ...] = ()
        self._speaks = threading.Event()
        self._speaks.set()
        self._lock = threading.Lock()
        self._connections: set[socket] = set()
        tap = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                tap._pass_on(self)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass_on

            def handle(self) -> None:
                tap._connections.add(self.connection)
                with suppress(OSError):  # the client was killed, or the tap has ended
                    super().handle()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        return self._server.server_port

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        # Clients keep their connections: without this the tap would go on to answer them after its block.
        for each in self._connections:
            with suppress(OSError):
                each.shutdown(SHUT_RDWR)

    @contextmanager
    def hold(self, method: str, path: str, body: str, *, after: bool) -> Iterator[Held]:
        """Catch the first request of this method with these texts in its path and body, until the block ends.

        after: when the server has carried it out, before its response goes back; otherwise before it arrives there.
        """
        held = Held()
        with self._rules(_Rule(method, path, body.encode(), after, held)):
            try:
                yield held
            finally:
                held.release()

    @contextmanager
    def cut(self, method: str, path: str, body: str = "", *, after: bool) -> Iterator[None]:
        """Cut the connection of the first such request, until the block ends; its sender gets no response."""
        with self._rules(_Rule(method, path, body.encode(), after, None)):
            yield

    @contextmanager
    def without(self, path: str) -> Iterator[None]:
        """Answer requests with this text in their path as a server that has no such call, until the block ends."""
        self._missing = path
        try:
            yield
        finally:
            self._missing = None

    @contextmanager
    def refusing(self, *paths: str) -> Iterator[None]:
        """Answer requests with one of these texts in their path as MLflow does to a login without the right."""
        self._refused = paths
        try:
            yield
        finally:
            self._refused = ()

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Send no response until the block ends, like a server that hangs."""
        self._speaks.clear()
        try:
            yield
        finally:
            self._speaks.set()

    @contextmanager
    def _rules(self, rule: _Rule) -> Iterator[None]:
        with self._lock:
            self._rule = rule
        try:
            yield
        finally:
            with self._lock:
                self._rule = None

    def _catch(self, request: BaseHTTPRequestHandler, body: bytes, *, after: bool) -> None:
        with self._lock:
            rule = self._rule
            if rule is None or not rule.fits(request, body, after):
                return
            self._rule = None
        if rule.held is None:
            request.connection.shutdown(SHUT_RDWR)
            raise ConnectionAbortedError
        rule.held.catch(request.client_address[1])

    def _pass_on(self, request: BaseHTTPRequestHandler) -> None:
        body = _body(request)
        self._speaks.wait(_SECONDS)
        self._catch(request, body, after=False)
        if self._missing is not None and self._missing in request.path:
            _answer(request, 404, {"Content-Type": "application/json"}, _NO_SUCH_CALL)
            return
        if any(each in request.path for each in self._refused):
            _answer(request, 403, {"Content-Type": "text/plain"}, b"Permission denied")
            return
        if (refusal := self.refusal(request, body)) is not None:
            _answer(request, 400, {"Content-Type": "application/json"}, refusal)
            return
        server = HTTPConnection("127.0.0.1", self.upstream, timeout=_SECONDS)
        try:
            headers = {name: text for name, text in request.headers.items() if name.lower() not in _NOT_FORWARDED}
            server.request(request.command, request.path, body or None, headers | {"Content-Length": str(len(body))})
            response = server.getresponse()
            content = response.read()
        finally:
            server.close()
        self._catch(request, body, after=True)
        _answer(request, response.status, response.headers, self.changed(request, content))

    def refusal(self, request: BaseHTTPRequestHandler, body: bytes) -> bytes | None:
        """Return what to answer with status 400 in place of the server; None to ask the server."""
        return None

    def changed(self, request: BaseHTTPRequestHandler, content: bytes) -> bytes:
        """Return what to answer in place of this answer of the server's."""
        return content


def _body(request: BaseHTTPRequestHandler) -> bytes:
    """Read the body: what is left of it would be taken for the next request. Empty files come in chunks."""
    if request.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return request.rfile.read(int(request.headers.get("Content-Length") or 0))
    parts = []
    while size := int(request.rfile.readline().partition(b";")[0], 16):
        parts.append(request.rfile.read(size))
        request.rfile.readline()
    while request.rfile.readline().strip():
        pass  # trailers, and the empty line at the end
    return b"".join(parts)


def _answer(request: BaseHTTPRequestHandler, status: int, headers: Mapping[str, str] | Message, content: bytes) -> None:
    request.send_response(status)
    for name, text in headers.items():
        if name.lower() not in _NOT_FORWARDED:
            request.send_header(name, text)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)
