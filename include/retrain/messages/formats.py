"""An announcement as each kind of channel shows it. What users wrote is text there, and notifies nobody."""

import re
from pathlib import Path
from typing import Any

from retrain.messages.rendering import environment, is_web_address
from retrain.records import Announcement
from retrain.text import shorten
from retrain.topics import Level

_HEADLINE, _BODY = 2_000, 1_800
"""Characters: Slack takes 3,000 in a block, Discord 2,000 in a message."""
_SUBJECT, _FIELD = 200, 1_000
_MARKS = {Level.INFO: "", Level.WARNING: "⚠ ", Level.ERROR: "⛔ "}
_TEMPLATES = environment(Path(__file__).with_name("templates"))


def slack(announcement: Announcement) -> dict[str, Any]:
    """Return the body of a post to Slack's incoming web hooks: `blocks`, and `text` for notifications."""
    blocks: list[dict[str, Any]] = [{"type": "section", "text": _plain(_headline(announcement))}]
    if announcement.numbers:
        cells = [_plain(shorten(f"{name}\n{value}", _FIELD, keep_lines=True)) for name, value in announcement.numbers]
        blocks.append({"type": "section", "fields": cells[:10]})  # Slack takes no more
    if announcement.act:
        blocks.append({"type": "context", "elements": [_plain(shorten(announcement.act, _HEADLINE))]})
    links = [f"<{_slack(address).replace('|', '%7C')}|{_slack(name)}>" for name, address in _links(announcement)]
    if links:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": " · ".join(links)}})
    return {"text": _slack(shorten(_headline(announcement), _SUBJECT)), "blocks": blocks}


def subject(announcement: Announcement) -> str:
    """Return one line, for e-mail and for channels that show a title."""
    return shorten(f"[retrain] {_MARKS[announcement.level]}{announcement.headline}", _SUBJECT)


def text(announcement: Announcement) -> str:
    """Return lines without any markup."""
    return _rendered("text.txt.jinja", announcement)


def quiet_text(announcement: Announcement) -> str:
    """Return `text` for chats: short enough, and no @ in it mentions anybody."""
    return shorten(_quiet(text(announcement)), _BODY, keep_lines=True)


def quiet_subject(announcement: Announcement) -> str:
    """Return `subject` for chats."""
    return shorten(_quiet(subject(announcement)), _SUBJECT)


def html(announcement: Announcement) -> str:
    """Return the body of an e-mail."""
    return _rendered("mail.html.jinja", announcement)


def markdown(announcement: Announcement) -> str:
    """Return the text of a form of Airflow's, without links."""
    return _rendered("form.md.jinja", announcement)


def _rendered(template: str, announcement: Announcement) -> str:
    made = _TEMPLATES.get_template(template).render(
        headline=_headline(announcement),
        numbers=announcement.numbers,
        act=announcement.act,
        links=_links(announcement),
    )
    return made.removesuffix("\n")


def _headline(announcement: Announcement) -> str:
    return shorten(_MARKS[announcement.level] + announcement.headline, _HEADLINE)


def _links(announcement: Announcement) -> list[tuple[str, str]]:
    """Only web addresses, and none that a channel would cut."""
    return [(name, address) for name, address in announcement.links if is_web_address(address)]


def _quiet(text: str) -> str:
    return re.sub(r"@(?=\w)", "@\u200b", text)


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _slack(text: str) -> str:
    """https://docs.slack.dev/messaging/formatting-message-text#escaping."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
