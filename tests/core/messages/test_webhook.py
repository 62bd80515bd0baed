"""A web hook gets an announcement once for each attempt, and no error names the secrets in its address."""

import base64
import json
import socket
import traceback
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import pytest

from retrain.errors import ChannelError
from retrain.messages.webhook import Webhook
from retrain.records import Announcement

ANNOUNCEMENT = Announcement(
    model="자기소개서", kind="incident", headline="자기소개서: “train” failed.", facts={"rows": 2000, "score": None}
)
SECRETS = ("t0ken", "s3cret", "passw0rd", "us3r")


@pytest.fixture
def receiver():
    """A web server that keeps what is posted to it, and responds with the status that a test sets."""
    received = SimpleNamespace(posts=[], status=200)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.posts.append(SimpleNamespace(path=self.path, headers=self.headers, body=body))
            self.send_response(received.status)
            if received.status == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        received.address = f"127.0.0.1:{server.server_port}"
        received.url = f"http://{received.address}/hook"
        yield received
        server.shutdown()
        thread.join()


def refusal(url, **login):
    """Return the message of the error of a delivery there; not even its traceback may hold a secret."""
    with pytest.raises(ChannelError) as refused:
        Webhook(url, **login).deliver("key", ANNOUNCEMENT)
    shown = "".join(traceback.format_exception(refused.value))
    assert [secret for secret in SECRETS if secret in shown] == []
    return str(refused.value)


def test_an_announcement_is_posted_as_json_with_its_key(receiver):
    Webhook(f"{receiver.url}/a?b=c").deliver("verdict/1", ANNOUNCEMENT)

    (post,) = receiver.posts
    assert post.path == "/hook/a?b=c"
    assert post.headers["Content-Type"] == "application/json"
    assert post.headers["Idempotency-Key"] == "verdict/1"
    assert post.headers["Authorization"] is None
    assert json.loads(post.body) == {"key": "verdict/1", **ANNOUNCEMENT.to_json()}


def test_a_key_with_korean_in_it_is_delivered_and_tells_doubles_apart(receiver):
    hook = Webhook(receiver.url)
    for key in ("promotion/자기소개서/1", "promotion/자기소개서/1", "promotion/영화평/1"):
        hook.deliver(key, ANNOUNCEMENT)

    first, again, other = (post.headers["Idempotency-Key"] for post in receiver.posts)
    assert first == again != other
    assert json.loads(receiver.posts[0].body)["key"] == "promotion/자기소개서/1"


@pytest.mark.parametrize(
    ("login", "sent"),
    [
        ({"username": "팀", "password": "p:w"}, "팀:p:w"),
        ({"username": "team"}, "team:"),
        ({"password": "token"}, ":token"),
        ({"username": "", "password": ""}, None),
    ],
)
def test_a_login_is_sent_as_basic_authentication(receiver, login, sent):
    Webhook(receiver.url, **login).deliver("key", ANNOUNCEMENT)

    header = receiver.posts[0].headers["Authorization"]
    assert header == (sent and f"Basic {base64.b64encode(sent.encode()).decode()}")


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_success_is_a_delivery(receiver, status):
    receiver.status = status

    Webhook(receiver.url).deliver("key", ANNOUNCEMENT)

    assert len(receiver.posts) == 1


@pytest.mark.parametrize("status", [302, 400, 401, 404, 500, 503])
def test_any_other_response_is_refused_and_nothing_is_sent_twice(receiver, status):
    receiver.status = status

    message = refusal(f"http://us3r:passw0rd@{receiver.address}/hooks/t0ken?sign=s3cret")

    assert message == f"web hook at 127.0.0.1: answered {status}"
    assert len(receiver.posts) == 1


def test_a_closed_port_is_reported_without_secrets():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]

    message = refusal(f"http://127.0.0.1:{port}/hooks/t0ken?sign=s3cret", username="us3r", password="passw0rd")

    assert message == "web hook at 127.0.0.1: no answer: ConnectError"


def test_a_response_that_does_not_come_in_time_is_reported(monkeypatch):
    monkeypatch.setattr("retrain.messages.webhook._SECONDS", 0.1)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        message = refusal(f"http://127.0.0.1:{silent.getsockname()[1]}/hooks/t0ken")

    assert message == "web hook at 127.0.0.1: no answer: ReadTimeout"


@pytest.mark.parametrize(
    "url",
    ["", "t0ken", "ftp://host/t0ken", "http://host:t0ken/", "http://[host/t0ken", "http://us3r:passw0rd\u2100@host/"],
)
def test_what_is_not_an_address_is_reported_without_its_secrets(url):
    assert refusal(url).startswith("web hook at ")
