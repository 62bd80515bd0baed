"""A web hook for tests: an HTTP server that stores every post."""

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

HANGS = 60.0
"""Seconds for which a post waits for its response, unless the block ends before."""


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
    """Status of its responses."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of its responses."""
    body: bytes = b""
    """Body of its responses."""
    stumbles: int = 0
    """How many posts get status 500 first."""
    trouble: Literal["", "hangs", "resets"] = ""
    """What it does after it has read a post: let it wait, or cut the connection instead of a response."""
    certificate: Path | None = None
    """A file with a key and its certificate, for TLS."""
    posts: list[Post] = field(default_factory=list)

    def __post_init__(self) -> None:
        inbox = self
        self._ended = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                inbox.posts.append(Post(self.path, dict(self.headers), json.loads(raw), raw))
                if inbox.trouble == "hangs":
                    inbox._ended.wait(HANGS)
                if inbox.trouble == "resets":
                    # At once: the client loses all bytes that it has not read yet.
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    self.close_connection = True
                    return
                self.send_response(500 if len(inbox.posts) <= inbox.stumbles else inbox.status)
                for name, value in inbox.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(inbox.body)))
                self.end_headers()
                with suppress(ConnectionError):  # the client no longer waits
                    self.wfile.write(inbox.body)

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
        """Return when that many posts have come. of: the model that they are about; all models if None."""
        until = time.monotonic() + seconds
        while len(found := [post for post in self.posts if of in (None, post.body["model"])]) < count:
            assert time.monotonic() < until, f"{len(found)} of {count} posts after {seconds} s"
            time.sleep(0.1)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
