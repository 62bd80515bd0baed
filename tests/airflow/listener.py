"""A server that answers like MLflow, for the tests of the hooks."""

import base64
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RESPONSES = {
    "/experiments/get?": {"experiment": {"experiment_id": "0", "name": "Default", "lifecycle_stage": "active"}},
    "path=run%2Fartifacts%2Fmodel": {"files": [{"path": "MLmodel", "is_dir": False, "file_size": 6}]},
    "path=": {"files": []},
    "/artifacts/model/MLmodel": "a file",
    "/registered-models/alias?": {"model_version": {"name": "toy", "version": "7"}},
}


class Listener:
    """A server that answers the requests of these tests, and keeps the path and headers of each."""

    def __init__(self) -> None:
        self.refuses = False
        self.requests: list[tuple[str, dict[str, str]]] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                listener.requests.append((self.path, dict(self.headers)))
                body = next(body for part, body in RESPONSES.items() if part in self.path)
                # MLflow's own refusal of a login is not JSON.
                content = b"You are not authenticated." if listener.refuses else _encoded(body)
                self.send_response(401 if listener.refuses else 200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def port(self) -> int:
        return self.http.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def logins(self) -> list[str | None]:
        return [headers.get("Authorization") for _, headers in self.requests]


def _encoded(body: object) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def basic(user: str, password: str) -> str:
    """Return the header of a login."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
