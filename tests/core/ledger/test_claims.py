"""What a key stands for is made once, also beside a ghost and after a kill."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.core.ledger.rows import at_once, execute, until_one_waits


def never():
    raise AssertionError("this was made already")


def test_what_a_key_stands_for_is_made_once(ledger):
    assert ledger.once("key", find=lambda: None, create=lambda: "run 1") == "run 1"
    assert ledger.once("key", find=never, create=never) == "run 1"
    assert ledger.made("key") == "run 1"


def test_nothing_is_made_for_a_key_that_nobody_claimed(ledger):
    assert ledger.made("key") is None


def test_each_key_stands_for_something_of_its_own(ledger):
    assert ledger.once("a", lambda: None, lambda: "run a") == "run a"
    assert ledger.once("b", lambda: None, lambda: "run b") == "run b"


def test_what_a_predecessor_made_is_found_before_anything_is_created(ledger):
    assert ledger.once("key", find=lambda: "made before", create=never) == "made before"


def test_a_creation_that_failed_can_be_tried_again(ledger):
    with pytest.raises(ValueError, match="no luck"):
        ledger.once("key", lambda: None, lambda: (_ for _ in ()).throw(ValueError("no luck")))

    assert ledger.once("key", lambda: None, lambda: "run 2") == "run 2"


def test_a_step_waits_for_its_own_ghost_and_gets_what_that_made(ledger, database):
    creating, may_end = threading.Event(), threading.Event()

    def create():
        creating.set()
        assert may_end.wait(20)
        return "of the ghost"

    with ThreadPoolExecutor(2) as pool:
        ghost = pool.submit(ledger.once, "key", lambda: None, create)
        assert creating.wait(20)
        second = pool.submit(ledger.once, "key", never, never)
        until_one_waits(database)
        assert not second.done()
        may_end.set()

        assert (ghost.result(20), second.result(20)) == ("of the ghost", "of the ghost")


def test_of_many_at_once_one_creates(ledger):
    made = []

    def create():
        made.append("run")
        return f"run {len(made)}"

    results = at_once(*[lambda: ledger.once("key", lambda: None, create)] * 8)

    assert results == ["run 1"] * 8
    assert made == ["run"]


def test_a_step_waits_for_its_own_ghost_also_where_the_key_was_claimed_long_ago(ledger, database):
    """A person emptied the claim, so that the step makes again what was lost."""
    ledger.once("key", lambda: None, lambda: "lost")
    execute(database, "UPDATE retrain.claims SET made = NULL WHERE key = 'key'")
    creating = threading.Event()

    def create():
        creating.set()
        until_one_waits(database)
        return "made again"

    with ThreadPoolExecutor(2) as pool:
        ghost = pool.submit(ledger.once, "key", lambda: None, create)
        assert creating.wait(20)

        assert ledger.once("key", never, never) == ghost.result(20) == "made again"


def test_steps_with_different_keys_do_not_wait_for_each_other(ledger):
    def create():
        return ledger.once("inner", lambda: None, lambda: "inner")

    assert ledger.once("outer", lambda: None, create) == "inner"


DIES_AFTER_CREATING = """
import pathlib, sys, time, psycopg2
from retrain.ledger.ledger import Ledger

dsn, made = sys.argv[1:]

def create():
    pathlib.Path(made).write_text("made before the kill")
    print("created", flush=True)
    time.sleep(60)

Ledger(lambda: psycopg2.connect(dsn)).once("key", lambda: None, create)
"""


def test_what_was_made_just_before_a_kill_is_found(ledger, database, tmp_path):
    made = tmp_path / "made"
    with subprocess.Popen(
        [sys.executable, "-c", DIES_AFTER_CREATING, database.dsn, str(made)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout.readline() == b"created\n"
        process.send_signal(signal.SIGKILL)

    assert ledger.made("key") is None
    assert ledger.once("key", find=made.read_text, create=never) == "made before the kill"
