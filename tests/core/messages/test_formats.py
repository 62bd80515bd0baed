"""Each kind of announcement looks on each kind of channel as the files in `formats/` show.

`python -m tests.core.messages.test_formats` writes the files anew; look at what changed before you commit them.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from retrain.messages import formats, texts
from retrain.records import Announcement, Freeze, Incident, Move, Outcome
from retrain.topics import Level
from tests.core.messages.test_texts import promotion, verdict

EXPECTED = Path(__file__).with_name("formats")
NOON = datetime(2026, 3, 8, 12, tzinfo=UTC)
REPORT = "http://airflow.example.org/api/experiments/runs/r0/report"
PAGES = (
    REPORT,
    "http://mlflow.example.org/#/experiments/1/runs/r1",
    "http://airflow.example.org/dags/retrain_letters/runs/manual__1",
)
EVIL = '<!channel> <@U1> @everyone *b* `c` <img src=x onerror=alert(1)> & "q" |\r\nBcc: x@example.org'


def _failed(error: str) -> Announcement:
    facts = {"log_url": "http://airflow.example.org/dags/retrain_letters?a=1&b=<2>|3"}
    return texts.of_incident(
        Incident(
            model="자기소개서",
            what=f"task train of run run 1 failed: {error}.",
            remedy="Look at the task's log, then clear the task.",
            facts=facts,
        )
    )


KINDS = {
    "promote": texts.of_verdict(verdict(Outcome.PROMOTE, "It is better."), PAGES),
    "hold": texts.of_verdict(verdict(Outcome.HOLD, "It is no better."), PAGES),
    "inconclusive": texts.of_verdict(verdict(Outcome.INCONCLUSIVE, "Too few rows."), PAGES),
    "promoted": texts.of_promotion(promotion("1", "2", applied_at=NOON)),
    "rolled_back": texts.of_promotion(promotion("2", "1", applied_at=NOON).model_copy(update={"kind": Move.ROLLBACK})),
    "by_hand": texts.of_promotion(promotion("2", "7", applied_at=NOON).model_copy(update={"kind": Move.BY_HAND})),
    "superseded": texts.of_promotion(promotion("1", "2", superseded_at=NOON)),
    "request": texts.of_request(
        verdict(Outcome.PROMOTE, "It is better."),
        "http://airflow.example.org/required_actions",
        NOON,
        ["kim", "lee"],
        REPORT,
    ),
    "answer": texts.of_answer(verdict(Outcome.PROMOTE, "It is better."), approved=True, by="kim", stale=True),
    "repeated": texts.of_fault(
        Incident(model="자기소개서", what="task take of run run 4 failed.", remedy="Look at its log."),
        times=4,
        since=NOON,
    ),
    "recovered": texts.of_recovery(
        Incident(model="자기소개서", what="no labelled row has arrived for 3d.", remedy="Look."), times=1, since=NOON
    ),
    "frozen": texts.of_freeze("자기소개서", Freeze(model=None, why="연말 동결", by="kim", until=NOON), holds=True),
    "failed": _failed("the kettle is on fire"),
    "hostile": _failed(EVIL),
}


def _rendered(announcement: Announcement) -> dict[str, str]:
    return {
        "slack.json": json.dumps(formats.slack(announcement), ensure_ascii=False, indent=1) + "\n",
        "txt": f"{formats.subject(announcement)}\n\n{formats.text(announcement)}\n",
        "html": formats.html(announcement) + "\n",
        "chat.txt": formats.quiet_text(announcement) + "\n",
        "form.md": formats.markdown(announcement) + "\n",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_looks_as_it_was_committed(kind: str) -> None:
    for ending, rendered in _rendered(KINDS[kind]).items():
        assert rendered.encode() == (EXPECTED / f"{kind}.{ending}").read_bytes()


def test_every_file_there_is_compared() -> None:
    expected = {f"{kind}.{ending}" for kind in KINDS for ending in _rendered(KINDS[kind])}
    assert {path.name for path in EXPECTED.iterdir()} == expected


def test_what_a_user_wrote_notifies_nobody_and_is_not_markup() -> None:
    shown = _rendered(KINDS["hostile"])
    message = json.loads(shown["slack.json"])
    assert "<!" not in message["text"]
    assert "<@" not in message["text"]
    assert [block["text"]["type"] for block in message["blocks"] if "text" in block] == ["plain_text", "mrkdwn"]
    assert "<img" not in shown["html"]
    assert "@everyone" not in shown["chat.txt"]
    assert "\n" not in formats.subject(KINDS["hostile"])
    assert "\r" not in formats.subject(KINDS["hostile"])


def test_long_ones_stay_within_the_limits_of_the_channels() -> None:
    long = Announcement(
        model="m",
        kind="incident",
        level=Level.ERROR,
        headline="가" * 10_000,
        numbers=tuple((f"n{number}" * 900, "1" * 9000) for number in range(30)),
        act="x" * 9000,
        links=(("Log", "http://x/" + "y" * 5000),),
        facts={},
    )
    message = formats.slack(long)
    assert len(message["text"]) <= 200
    (headline, numbers, act) = message["blocks"]
    assert len(headline["text"]["text"]) <= 3000
    assert len(numbers["fields"]) == 10
    assert all(len(field["text"]) <= 2000 for field in numbers["fields"])
    assert len(act["elements"][0]["text"]) <= 3000
    assert len(formats.quiet_text(long)) <= 1800
    assert len(formats.subject(long)) <= 200


@pytest.mark.parametrize("address", ["javascript:alert(1)", "file:///etc/passwd", "", "http://x/ y"])
def test_only_addresses_of_the_web_become_links(address: str) -> None:
    announcement = KINDS["failed"].model_copy(update={"links": (("Log", address),)})
    assert address == "" or all(address not in shown for shown in _rendered(announcement).values())


if __name__ == "__main__":
    EXPECTED.mkdir(exist_ok=True)
    for kind, announcement in KINDS.items():
        for ending, rendered in _rendered(announcement).items():
            (EXPECTED / f"{kind}.{ending}").write_bytes(rendered.encode())
