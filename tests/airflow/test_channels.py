"""Announcements through Airflow's connections, to receivers of each kind that accept or refuse as the real ones do."""

import base64
import email
import email.policy
import hashlib
import hmac
import json
import os
import re
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope
from apprise.plugins.discord import NotifyDiscord
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from retrain.errors import ChannelError
from retrain.messages import formats
from retrain.spec.parse import parse
from retrain_airflow.channels import channels
from tests.airflow.conftest import toy_spec
from tests.core.messages.test_formats import KINDS
from tests.inbox import HANGS, Inbox

SECRET = "s3ntinel"
Connect = Callable[..., None]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Make connection `team`."""

    def connect(**fields: Any) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_TEAM", json.dumps(fields))

    return connect


def deliver(key: str = "key", kind: str = "promote", **channel: Any) -> None:
    parsed = parse(toy_spec(channels=[channel]), "toy.yaml")
    _log, *team = channels(parsed)  # of e-mail one for each address
    for each in team:
        each.deliver(key, KINDS[kind])


def refusal(**channel: Any) -> ChannelError:
    """Return what a delivery raises. It must not hold a secret, not even in its traceback."""
    with pytest.raises(ChannelError) as refused:
        deliver(**channel)
    assert SECRET not in "".join(traceback.format_exception(refused.value))
    return refused.value


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as inbox:
        yield inbox


@pytest.fixture
def inbox_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    certificate = _certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Inbox(certificate=certificate) as inbox:
        yield inbox


def _certificate(folder: Path) -> Path:
    """Return a file with a key and its self-signed certificate."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "teams")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key(), serial_number=1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    (folder / "teams.pem").write_bytes(text)
    return folder / "teams.pem"


# ── Slack


def test_slack_gets_blocks_and_a_line_for_the_notification(connect: Connect, inbox: Inbox) -> None:
    connect(conn_type="slackwebhook", host=f"{inbox.url}/services", password=f"T0/B0/{SECRET}")
    deliver(slack="team")
    (post,) = inbox.posts
    assert post.path == f"/services/T0/B0/{SECRET}"
    assert post.body == formats.slack(KINDS["promote"])


@pytest.mark.parametrize("status", [400, 403, 404, 410, 429, 500, 503])
def test_what_slack_refuses_is_told_and_not_sent_twice(connect: Connect, inbox: Inbox, status: int) -> None:
    connect(conn_type="slackwebhook", host=f"{inbox.url}/services", password=f"T0/B0/{SECRET}")
    inbox.status, inbox.headers = status, {"Retry-After": "90"}
    error = refusal(slack="team")
    assert str(error) == f"slack team: answered {status}"
    assert error.retry_after.total_seconds() == 90
    assert len(inbox.posts) == 1


# ── e-mail


class Postbox:
    """Keeps the mails that an SMTP server accepts."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.to: list[list[str]] = []
        self.reply = "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        if self.reply.startswith("250"):
            self.to.append(envelope.rcpt_tos)
            mail = email.message_from_bytes(envelope.content or b"", policy=email.policy.default)  # type: ignore[arg-type]
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
        return self.reply


@pytest.fixture
def postbox(connect: Connect) -> Iterator[Postbox]:
    def login(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        return AuthResult(success=given.password == SECRET.encode(), handled=False)

    postbox = Postbox()
    server = Controller(postbox, "127.0.0.1", port=0, authenticator=login, auth_require_tls=False)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        server.port = free.getsockname()[1]
    server.start()
    extra = {"from_email": "retrain@example.org", "disable_ssl": True, "disable_tls": True, "retry_limit": 0}
    connect(conn_type="smtp", host="127.0.0.1", port=server.port, login="me", password=SECRET, extra=json.dumps(extra))
    yield postbox
    server.stop()


TEAM = ["team@example.org", "boss@example.org"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_mail_has_text_and_html(postbox: Postbox, kind: str) -> None:
    deliver(kind=kind, email="team", to=TEAM)
    assert postbox.to == [[address] for address in TEAM]
    mail, same = postbox.mails
    assert mail["Message-ID"] == same["Message-ID"]
    assert mail["Subject"] == formats.subject(KINDS[kind])
    assert (mail["From"], mail["To"], mail["Bcc"]) == ("retrain@example.org", ", ".join(TEAM), None)
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().split() == formats.text(KINDS[kind]).split()
    assert html.get_content().split() == formats.html(KINDS[kind]).split()


def test_a_mail_that_is_sent_again_is_the_same_to_a_mail_system(postbox: Postbox) -> None:
    for key in ("a", "a", "b"):
        deliver(key, email="team", to=TEAM[:1])
    first, again, other = (mail["Message-ID"] for mail in postbox.mails)
    assert first == again != other


def test_a_mail_server_that_is_full_is_told(postbox: Postbox) -> None:
    postbox.reply = f"452 too much mail for {SECRET}"
    assert str(refusal(email="team", to=TEAM)) == "email team team@example.org: answered 452"


def test_a_wrong_password_of_the_mail_server_is_told(postbox: Postbox, connect: Connect) -> None:
    where = json.loads(os.environ["AIRFLOW_CONN_TEAM"])
    connect(**where | {"password": f"wrong {SECRET}"})
    assert str(refusal(email="team", to=TEAM)) == "email team team@example.org: answered 535"
    assert postbox.mails == []


# ── web hook


def test_a_web_hook_can_tell_that_a_post_is_ours(connect: Connect, inbox: Inbox) -> None:
    secret = base64.b64encode(SECRET.encode()).decode()
    connect(conn_type="http", host=inbox.url, extra=json.dumps({"signing_secret": f"whsec_{secret}"}))
    deliver("promotion/자기소개서/1", webhook="team")
    (post,) = inbox.posts
    signed = f"{post.headers['webhook-id']}.{post.headers['webhook-timestamp']}.".encode() + post.raw
    digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    assert post.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


def test_a_web_hook_without_a_secret_is_not_signed(connect: Connect, inbox: Inbox) -> None:
    connect(conn_type="http", host=inbox.url)
    deliver(webhook="team")
    assert "webhook-signature" not in inbox.posts[0].headers


def test_a_signing_secret_that_is_none_is_told(connect: Connect, inbox: Inbox) -> None:
    connect(conn_type="http", host=inbox.url, extra=json.dumps({"signing_secret": f"§{SECRET}"}))
    assert "signing_secret in its connection is not base64" in str(refusal(webhook="team"))
    assert inbox.posts == []


def test_a_web_hook_says_how_long_to_leave_it_alone(connect: Connect, inbox: Inbox) -> None:
    connect(conn_type="http", host=inbox.url, password=SECRET)
    inbox.status, inbox.headers = 429, {"Retry-After": "120"}
    error = refusal(webhook="team")
    assert str(error) == "webhook team: web hook at 127.0.0.1: answered 429"
    assert error.retry_after.total_seconds() == 120


# ── Apprise


def test_apprise_carries_it_to_whatever_its_connection_names(connect: Connect, inbox: Inbox) -> None:
    service = inbox.url.replace("http://", "json://")
    connect(conn_type="apprise", extra=json.dumps({"config": {"path": service, "tag": "alerts"}}))
    deliver(kind="hostile", apprise="team")
    (post,) = inbox.posts
    assert post.body["title"] == formats.quiet_subject(KINDS["hostile"])
    assert post.body["message"].split() == formats.quiet_text(KINDS["hostile"]).split()
    assert post.body["type"] == "failure"


@pytest.fixture
def discord(monkeypatch: pytest.MonkeyPatch, inbox: Inbox, connect: Connect) -> Inbox:
    """Discord's incoming web hook. Only its address differs."""
    monkeypatch.setattr(NotifyDiscord, "notify_url", f"{inbox.url}/api/webhooks")
    inbox.status = 204
    connect(conn_type="apprise", extra=json.dumps({"config": {"path": f"discord://41762/{SECRET}"}}))
    return inbox


@pytest.fixture
def teams(inbox_over_tls: Inbox, connect: Connect) -> Inbox:
    """A workflow of Microsoft Teams that posts what it receives into a channel."""
    inbox_over_tls.status = 202
    host = inbox_over_tls.url.removeprefix("https://")
    connect(conn_type="apprise", extra=json.dumps({"config": {"path": f"workflows://{host}/ab12/{SECRET}"}}))
    return inbox_over_tls


@pytest.mark.parametrize("kind", KINDS)
def test_discord_gets_text_within_its_limit_that_mentions_nobody(discord: Inbox, kind: str) -> None:
    deliver(kind=kind, apprise="team")
    (post,) = discord.posts
    assert post.path == f"/api/webhooks/41762/{SECRET}"
    content = post.body["content"]
    assert formats.quiet_text(KINDS[kind]).split() == content.removeprefix(formats.quiet_subject(KINDS[kind])).split()
    assert len(content) <= 2000
    assert "@everyone" not in content


@pytest.mark.parametrize("kind", KINDS)
def test_teams_gets_a_card_with_the_text(teams: Inbox, kind: str) -> None:
    deliver(kind=kind, apprise="team")
    (post,) = teams.posts
    assert post.path.startswith("/workflows/ab12/triggers/manual/paths/invoke")
    (card,) = post.body["attachments"]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    texts = {block["id"]: block["text"] for block in card["content"]["body"] if "text" in block}
    assert texts["title"] == formats.quiet_subject(KINDS[kind])
    unescaped = re.sub(r"\\(.)", r"\1", texts["body"])
    assert unescaped.split() == formats.quiet_text(KINDS[kind]).split()


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
@pytest.mark.parametrize("service", ["discord", "teams"])
def test_what_discord_or_teams_refuses_is_told(service: str, status: int, request: pytest.FixtureRequest) -> None:
    inbox: Inbox = request.getfixturevalue(service)
    inbox.status, inbox.headers = status, {"Retry-After": "0"}
    assert "did not take it" in str(refusal(apprise="team"))


@pytest.mark.parametrize("trouble", ["hangs", "resets"])
@pytest.mark.parametrize("kind", ["slack", "webhook", "discord", "apprise"])
def test_a_receiver_that_hangs_or_resets_the_connection_is_told_soon(
    kind: str, trouble: str, inbox: Inbox, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrain_airflow.channels._SECONDS", 1)
    monkeypatch.setattr("retrain.messages.webhook._SECONDS", 1)
    monkeypatch.setattr(NotifyDiscord, "notify_url", f"{inbox.url}/api/webhooks")
    host = inbox.url.removeprefix("http://")
    connections: dict[str, dict[str, Any]] = {
        "slack": {"conn_type": "slackwebhook", "host": f"{inbox.url}/services", "password": f"T0/B0/{SECRET}"},
        "webhook": {"conn_type": "http", "host": inbox.url, "password": SECRET, "login": "kim"},
        "discord": {"conn_type": "apprise", "extra": {"config": {"path": f"discord://4176/{SECRET}?rto=1"}}},
        "apprise": {"conn_type": "apprise", "extra": {"config": {"path": f"json://kim:{SECRET}@{host}?rto=1"}}},
    }
    connect(**connections[kind])
    inbox.trouble = trouble  # type: ignore[assignment]
    began = time.monotonic()
    refusal(**{"apprise" if kind == "discord" else kind: "team"})
    assert len(inbox.posts) == 1
    assert time.monotonic() - began < HANGS / 2


def test_what_apprise_cannot_deliver_is_told(connect: Connect, inbox: Inbox) -> None:
    service = f"{inbox.url.replace('http://', 'json://')}/{SECRET}"
    connect(conn_type="apprise", extra=json.dumps({"config": [{"path": service}]}))
    inbox.status = 500
    assert str(refusal(apprise="team")) == "apprise team: JSON behind it did not take it"


@pytest.mark.parametrize("extra", [{}, {"config": {"path": f"nonsense{SECRET}"}}, {"config": 7}, {"config": {}}])
def test_a_connection_of_apprise_without_a_service_is_told(connect: Connect, extra: dict[str, Any]) -> None:
    connect(conn_type="apprise", extra=json.dumps(extra))
    assert str(refusal(apprise="team")).startswith("apprise team: ")


# ── whatever the channel


EACH = [{"slack": "team"}, {"webhook": "team"}, {"email": "team", "to": TEAM}, {"apprise": "team"}]


@pytest.mark.parametrize("channel", EACH, ids=lambda channel: next(iter(channel)))
def test_a_connection_that_is_missing_delays_only_its_channel(channel: dict[str, Any]) -> None:
    kind = next(iter(channel))
    name = " ".join([kind, "team", *channel.get("to", [])[:1]])
    assert str(refusal(**channel)) == (
        f"{name}: connection team: there is none; make it in Airflow, or set AIRFLOW_CONN_TEAM"
    )


@pytest.mark.parametrize("channel", EACH, ids=lambda channel: next(iter(channel)))
def test_nobody_who_listens_is_told(connect: Connect, closed_port: int, channel: dict[str, Any]) -> None:
    where = f"127.0.0.1:{closed_port}"
    connections: dict[str, dict[str, Any]] = {
        "slack": {"conn_type": "slackwebhook", "host": f"http://{where}", "password": SECRET},
        "webhook": {"conn_type": "http", "host": f"http://{where}", "password": SECRET},
        "email": {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": closed_port,
            "password": SECRET,
            "extra": json.dumps({"from_email": "r@example.org", "disable_ssl": True, "disable_tls": True}),
        },
        "apprise": {"conn_type": "apprise", "extra": json.dumps({"config": {"path": f"json://{where}/{SECRET}"}})},
    }
    kind = next(iter(channel))
    connect(**connections[kind])
    assert re.match(f"{kind} team( {TEAM[0]})?: ", str(refusal(**channel)))
