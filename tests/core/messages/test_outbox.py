"""Each channel gets each message, in order and once, whatever happens to the other channels."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from retrain.ledger.ledger import Ledger
from retrain.messages import outbox, texts
from retrain.records import Incident
from retrain.topics import Level
from stack.home import PROJECT
from tests.conftest import Database
from tests.mailbox import Mailbox

MODEL = "자기소개서"


def announce(ledger: Ledger, *subjects: str, model: str = MODEL, level: Level = Level.ERROR) -> None:
    for subject in subjects:
        incident = Incident(model=model, level=level, what=subject, remedy="Look.", facts={"rows": [1, None, 0.5]})
        ledger.announce(f"{model}/{subject}", texts.of_incident(incident))


def send(ledger: Ledger, *channels: Mailbox, model: str = MODEL) -> int:
    return outbox.send(model, channels, ledger=ledger)


def subjects(channel: Mailbox) -> list[str]:
    return [headline.removeprefix(f"{MODEL}: ") for headline in channel.headlines]


def test_messages_are_sent_once_and_in_order(ledger: Ledger) -> None:
    team = Mailbox()
    announce(ledger, "one", "two", "three")
    assert send(ledger, team) == 3
    assert subjects(team) == ["one", "two", "three"]
    assert send(ledger, team) == 0
    assert team.attempts == 3


def test_a_key_is_announced_once(ledger: Ledger) -> None:
    team = Mailbox()
    announce(ledger, "one", "one")
    send(ledger, team)
    announce(ledger, "one")
    send(ledger, team)
    assert subjects(team) == ["one"]


def test_a_message_arrives_as_it_was_made(ledger: Ledger) -> None:
    team = Mailbox()
    incident = Incident(model=MODEL, what='es fehlt "etwas"; 100%', remedy="Look.", facts={"rows": [1, None, 0.5]})
    ledger.announce("key", texts.of_incident(incident))
    send(ledger, team)
    assert team.got == [("key", texts.of_incident(incident))]


def test_a_message_without_a_level_is_sent(ledger: Ledger, database: Database) -> None:
    with database.connect() as session, session.cursor() as cursor:
        body = '{"model": "자기소개서", "kind": "incident", "headline": "자기소개서: old", "facts": {}}'
        cursor.execute("INSERT INTO retrain.outbox (key, model, body) VALUES ('k', %s, %s)", (MODEL, body))
    team = Mailbox()
    assert send(ledger, team) == 1
    assert subjects(team) == ["old"]


def test_each_model_has_messages_of_its_own(ledger: Ledger) -> None:
    team = Mailbox()
    announce(ledger, "of another model", model="other")
    assert send(ledger, team) == 0
    assert send(ledger, team, model="other") == 1


def test_a_channel_that_is_down_delays_only_itself(ledger: Ledger, later: Callable[[str], None]) -> None:
    chat, mail = Mailbox("chat", down=True), Mailbox("mail")
    announce(ledger, "one", "two")
    assert send(ledger, chat, mail) == 0
    assert (chat.attempts, subjects(mail)) == (1, ["one", "two"])

    chat.down = False
    assert send(ledger, chat, mail) == 0  # its pause is not over
    later("31 seconds")
    assert send(ledger, chat, mail) == 2
    assert subjects(chat) == subjects(mail) == ["one", "two"]


def test_pauses_double_up_to_an_hour(ledger: Ledger, later: Callable[[str], None], database: Database) -> None:
    chat = Mailbox(down=True)
    announce(ledger, "one")
    pauses = []
    for _ in range(10):
        send(ledger, chat)
        with database.connect() as session, session.cursor() as cursor:
            cursor.execute("SELECT next_at - clock_timestamp() FROM retrain.deliveries")
            (left,) = cursor.fetchone()  # type: ignore[misc]
        pauses.append(round(left.total_seconds()))
        later("2 hours")
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_a_channel_is_left_alone_as_long_as_it_asks(ledger: Ledger, later: Callable[[str], None]) -> None:
    chat = Mailbox(down=True, retry_after=timedelta(minutes=10))
    announce(ledger, "one")
    send(ledger, chat)
    later("9 minutes 50 seconds")
    send(ledger, chat)
    assert chat.attempts == 1
    later("10 seconds")
    send(ledger, chat)
    assert chat.attempts == 2


def test_after_a_day_a_message_is_given_up_and_the_other_channels_are_told(
    ledger: Ledger, later: Callable[[str], None]
) -> None:
    chat, mail = Mailbox("chat", down=True), Mailbox("mail")
    announce(ledger, "one", "two")
    for _ in range(5):
        send(ledger, chat, mail)
        later("5 hours")
    assert subjects(mail) == ["one", "two"]

    assert send(ledger, chat, mail) == 1
    assert chat.attempts == 7  # `one` for the sixth and last time, `two` for the first time
    assert subjects(mail)[2:] == [
        f"chat has taken no announcement for a day (chat is down). Given up there: {MODEL}: one"
    ]

    chat.down = False
    later("1 day")
    announce(ledger, "three")
    send(ledger, chat, mail)
    assert subjects(chat) == ["two", "three"]
    assert subjects(mail)[3:] == ["three"]


def test_a_sender_that_was_away_for_a_day_gives_nothing_up(ledger: Ledger, later: Callable[[str], None]) -> None:
    chat = Mailbox(down=True)
    announce(ledger, "one")
    later("3 days")
    send(ledger, chat)
    chat.down = False
    later("1 minute")
    assert send(ledger, chat) == 1


def test_a_channel_gets_what_matters_enough_for_it(ledger: Ledger) -> None:
    every, grave = Mailbox("every"), Mailbox("grave", least=Level.ERROR)
    announce(ledger, "note", level=Level.INFO)
    announce(ledger, "fire", level=Level.ERROR)
    announce(ledger, "smoke", level=Level.WARNING)
    assert send(ledger, every, grave) == 3
    assert subjects(every) == ["note", "fire", "smoke"]
    assert subjects(grave) == ["fire"]


def test_a_channel_that_is_added_gets_what_waits_and_no_history(ledger: Ledger) -> None:
    chat, mail = Mailbox("chat"), Mailbox("mail", down=True)
    announce(ledger, "one")
    send(ledger, chat)
    announce(ledger, "two")
    send(ledger, chat, mail)
    fresh = Mailbox("fresh")
    send(ledger, chat, mail, fresh)
    assert subjects(fresh) == ["two"]


def test_a_channel_that_is_taken_from_the_spec_holds_nothing_up(ledger: Ledger) -> None:
    chat, mail = Mailbox("chat", down=True), Mailbox("mail")
    announce(ledger, "one")
    assert send(ledger, chat, mail) == 0
    assert send(ledger, mail) == 1
    assert mail.attempts == 1


def test_of_two_senders_at_once_one_serves_each_channel(ledger: Ledger) -> None:
    second = Mailbox()
    first = Mailbox(meanwhile=lambda: closed.append(pool.submit(send, ledger, second).result(20)))
    closed: list[int] = []
    announce(ledger, "one", "two")
    with ThreadPoolExecutor(1) as pool:
        closed.append(send(ledger, first))
    assert sum(closed) == 2
    assert subjects(first) == ["one", "two"]
    assert second.got == []


def test_many_senders_at_once_send_each_message_once(ledger: Ledger) -> None:
    mailboxes = [Mailbox() for _ in range(4)]
    announce(ledger, *map(str, range(20)))
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda mailbox: send(ledger, mailbox), mailboxes))
    assert sum(done) + send(ledger, Mailbox()) == 20
    assert Counter(subject for mailbox in mailboxes for subject in subjects(mailbox)) == Counter(map(str, range(20)))


SENDER = """
import os, signal, sys
import psycopg2
from retrain.ledger.ledger import Ledger
from retrain.messages import outbox
from retrain.records import Level
from stack.home import PROJECT

class File:
    name, least = "file", Level.INFO
    def deliver(self, key, announcement):
        step()
        with open(file, "a") as opened:
            opened.write(key + chr(10))
        step()

class Connection(psycopg2.extensions.connection):
    def commit(self):
        step()
        super().commit()
        step()

def step():
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1

for line in sys.stdin:
    left, file = int(line.split()[0]), line.split()[1]
    fork = os.fork()
    if fork == 0:
        outbox.send("m", [File()], ledger=Ledger(lambda: psycopg2.connect(sys.argv[1], connection_factory=Connection)))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]), flush=True)
"""


def test_a_sender_that_is_killed_at_any_step_loses_nothing_and_doubles_at_most_one(
    ledger: Ledger, database: Database, tmp_path: Path
) -> None:
    doubled = []
    with subprocess.Popen(
        [sys.executable, "-c", SENDER, database.dsn],
        env=os.environ | {"PYTHONPATH": str(PROJECT / "include")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as senders:

        def ended(step: int, file: Path) -> int:
            assert senders.stdin is not None
            assert senders.stdout is not None
            print(step, file, file=senders.stdin, flush=True)
            return int(senders.stdout.readline())

        for step in range(100):
            file = tmp_path / str(step)
            announce(ledger, f"{step} a", f"{step} b", model="m")
            first = ended(step, file)
            assert ended(1000, file) == 0
            sent = Counter(file.read_text().splitlines())
            assert set(sent) == {f"m/{step} a", f"m/{step} b"}
            doubled += [step] * (sum(sent.values()) - 2)
            if first == 0:
                break
            assert first == -signal.SIGKILL
        senders.stdin.close()  # type: ignore[union-attr]
    # For each of the two messages: killed after it was sent, and before that was committed.
    assert doubled == [1, 2, 5, 6]
    assert 10 <= step < 99
