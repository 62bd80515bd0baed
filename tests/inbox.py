"""A web hook for tests: an HTTP server that keeps what was posted to it."""

import json
import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

_HANGS = 3.0
"""Seconds."""


@dataclass(frozen=True)
class Post:
    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes


@dataclass
class Inbox:
    """Listens on a free port of this machine until its block ends."""

    status: int = 200
    """What it answers,"""
    headers: dict[str, str] = field(default_factory=dict)
    """with which headers,"""
    answer: bytes = b""
    """and with which body."""
    stumbles: int = 0
    """How many it answers with 500 before that."""
    trouble: Literal["", "hangs", "resets"] = ""
    """What it does instead, when it has read a post: nothing for some seconds, or end the connection."""
    certificate: Path | None = None
    """A file with a key and its certificate, to be spoken to over TLS."""
    posts: list[Post] = field(default_factory=list)

    def __post_init__(self) -> None:
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                inbox.posts.append(Post(self.path, dict(self.headers), json.loads(raw), raw))
                if inbox.trouble == "hangs":
                    time.sleep(_HANGS)
                if inbox.trouble == "resets":
                    # Without a word: what was not read yet is thrown away at the other end.
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    self.close_connection = True
                    return
                self.send_response(500 if len(inbox.posts) <= inbox.stumbles else inbox.status)
                for name, value in inbox.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(inbox.answer)))
                self.end_headers()
                with suppress(ConnectionError):  # whoever waits no longer
                    self.wfile.write(inbox.answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self._server.server_port}"

    @property
    def headlines(self) -> list[str]:
        return [post.body["headline"] for post in self.posts]

    def wait_for(self, count: int, seconds: float = 60, *, of: str | None = None) -> None:
        """Return when so many posts have come. of: of which model; None: all count."""
        until = time.monotonic() + seconds
        while len(came := [post for post in self.posts if of in (None, post.body["model"])]) < count:
            assert time.monotonic() < until, f"{len(came)} of {count} posts after {seconds} s"
            time.sleep(0.1)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
