"""Channels behind which several people or services read, and one of them is refused."""

import json
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from retrain.errors import SpecError
from retrain.ledger.ledger import Ledger
from retrain.messages import outbox, texts
from retrain.records import Incident
from retrain.spec.parse import parse
from retrain_airflow.channels import channels
from tests.airflow.conftest import toy_spec
from tests.conftest import Database
from tests.inbox import Inbox
from tests.mailbox import Mailbox

TEAM = ["team@example.org", "gone@example.org", "boss@example.org"]
MODEL = "toy"


class Server:
    """Keeps for whom mails came, and refuses some."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.refuses: dict[str, str] = {}
        self.answers = "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        if self.answers.startswith("250"):
            self.got += envelope.rcpt_tos
        return self.answers


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        controller = Controller(server, "127.0.0.1", port=free.getsockname()[1])
    controller.start()
    extra = {"from_email": "retrain@example.org", "disable_ssl": True, "disable_tls": True, "retry_limit": 0}
    where = {"conn_type": "smtp", "host": "127.0.0.1", "port": controller.port, "extra": json.dumps(extra)}
    monkeypatch.setenv("AIRFLOW_CONN_TEAM", json.dumps(where))
    yield server
    controller.stop()


@pytest.fixture
def announce(ledger: Ledger) -> Callable[[str], None]:
    def announce(what: str) -> None:
        ledger.announce(what, texts.of_incident(Incident(model=MODEL, what=what, remedy="Look.")))

    return announce


def _channels(**channel: Any) -> list[Any]:
    return channels(parse(toy_spec(channels=[channel]), "toy.yaml"))[1:]


def test_one_address_that_is_refused_is_told_at_once_and_the_others_get_theirs_once(
    server: Server, ledger: Ledger, announce: Callable[[str], None], later: Callable[[str], None]
) -> None:
    """D1."""
    server.refuses = {TEAM[1]: "550 no such user"}
    chat, mail = Mailbox("chat"), _channels(email="team", to=TEAM)
    announce("one")
    for _ in range(3):
        outbox.send(MODEL, [chat, *mail], ledger=ledger)
        later("2 hours")
    told = [headline for headline in chat.headlines if "refused" in headline]
    assert told == [
        f"{MODEL}: email team {TEAM[1]} refused an announcement (email team {TEAM[1]}: answered 550). "
        f"Given up there: {MODEL}: one"
    ]
    # The announcement, and that one was refused: each once.
    assert sorted(server.got) == sorted([TEAM[0], TEAM[2]] * 2)
    assert outbox.send(MODEL, [chat, *mail], ledger=ledger) == 0


def test_the_ledger_has_which_address_was_refused_and_why(
    server: Server, ledger: Ledger, announce: Callable[[str], None], database: Database
) -> None:
    """D1."""
    server.refuses = {TEAM[1]: "550 no such user"}
    announce("one")
    outbox.send(MODEL, _channels(email="team", to=TEAM), ledger=ledger)
    with database.connect() as session, session.cursor() as cursor:
        cursor.execute("SELECT channel, outcome, response FROM retrain.deliveries WHERE key = 'one' ORDER BY channel")
        assert cursor.fetchall() == [
            (f"email team {TEAM[2]}", "delivered", None),
            (f"email team {TEAM[1]}", "dead", f"email team {TEAM[1]}: answered 550"),
            (f"email team {TEAM[0]}", "delivered", None),
        ]


def test_an_address_that_is_refused_for_now_gets_its_mail_later_and_the_others_get_no_second_one(
    server: Server, ledger: Ledger, announce: Callable[[str], None], later: Callable[[str], None]
) -> None:
    """D1: grey listing."""
    server.refuses = {TEAM[1]: "450 try again later"}
    mail = _channels(email="team", to=TEAM)
    announce("one")
    outbox.send(MODEL, mail, ledger=ledger)
    assert server.got == [TEAM[0], TEAM[2]]
    server.refuses = {}
    later("1 minute")
    assert outbox.send(MODEL, mail, ledger=ledger) == 1
    assert server.got == [TEAM[0], TEAM[2], TEAM[1]]


def test_a_mail_that_the_server_refuses_for_good_is_told_with_its_answer(
    server: Server, ledger: Ledger, announce: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    """D1."""
    server.answers = "554 looks like spam"
    announce("one")
    with caplog.at_level(logging.ERROR):
        outbox.send(MODEL, _channels(email="team", to=TEAM[:1]), ledger=ledger)
    assert f"email team {TEAM[0]}: answered 554" in caplog.text
    assert "no answer" not in caplog.text


@pytest.mark.parametrize("address", ["김@example.org", "kim@한국.kr", "ｋim@example.org"])
def test_an_address_that_is_not_ascii_is_refused_in_the_spec(address: str) -> None:
    """D1."""
    with pytest.raises(SpecError, match=r"toy\.yaml: channels\[0\]\.to\[0\] = .*: is not ASCII; write an address in"):
        parse(toy_spec(channels=[{"email": "team", "to": [address]}]), "toy.yaml")


@pytest.mark.parametrize("address", ["kim", "kim@", "@example.org", "kim;lee@example.org", "Kim <kim@example.org>"])
def test_what_is_not_an_address_is_refused_in_the_spec(address: str) -> None:
    """D1."""
    with pytest.raises(SpecError, match=r"toy\.yaml: channels\[0\]\.to\[0\] = .*: is not an e-mail address"):
        parse(toy_spec(channels=[{"email": "team", "to": [address]}]), "toy.yaml")


def test_an_address_that_is_named_twice_is_refused_in_the_spec() -> None:
    """D1."""
    with pytest.raises(SpecError, match=r"names kim@example\.org more than once"):
        parse(toy_spec(channels=[{"email": "team", "to": ["kim@example.org"] * 2}]), "toy.yaml")


def test_services_behind_apprise_that_took_it_do_not_get_it_again_and_the_other_is_told(
    ledger: Ledger, announce: Callable[[str], None], later: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """D1, of its kind."""
    with ExitStack() as stack:
        good, bad = stack.enter_context(Inbox()), stack.enter_context(Inbox(status=500))
        services = [{"path": inbox.url.replace("http://", "json://")} for inbox in (good, bad)]
        extra = json.dumps({"config": services})
        monkeypatch.setenv("AIRFLOW_CONN_TEAM", json.dumps({"conn_type": "apprise", "extra": extra}))
        chat, team = Mailbox("chat"), _channels(apprise="team")
        announce("one")
        for _ in range(3):
            outbox.send(MODEL, [chat, *team], ledger=ledger)
            later("2 hours")
        assert [post.body["title"] for post in good.posts].count(f"[retrain] ⛔ {MODEL}: one") == 1
        told = f"{MODEL}: apprise team refused an announcement (apprise team: JSON behind it did not take it)."
        assert any(headline.startswith(told) for headline in chat.headlines)
