"""An announcement as each kind of channel shows it. What users wrote is text there, which wakes nobody."""

import re
from html import escape
from typing import Any

from retrain.records import Announcement, Level

_HEADLINE, _BODY = 2_000, 1_800
"""Characters: Slack takes 3,000 in a block, Discord 2,000 in a message."""
_SUBJECT, _FIELD, _ADDRESS = 200, 1_000, 2_000
_MARKS = {Level.INFO: "", Level.WARNING: "⚠ ", Level.ERROR: "⛔ "}


def slack(announcement: Announcement) -> dict[str, Any]:
    """What an incoming web hook takes: `blocks`, and `text` for notifications."""
    blocks: list[dict[str, Any]] = [{"type": "section", "text": _plain(_headline(announcement))}]
    if announcement.numbers:
        cells = [_plain(short(f"{name}\n{value}", _FIELD, lines=True)) for name, value in announcement.numbers]
        blocks.append({"type": "section", "fields": cells[:10]})  # Slack takes no more
    if announcement.act:
        blocks.append({"type": "context", "elements": [_plain(short(announcement.act, _HEADLINE))]})
    links = [f"<{_slack(address).replace('|', '%7C')}|{_slack(name)}>" for name, address in _links(announcement)]
    if links:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": " · ".join(links)}})
    return {"text": _slack(short(_headline(announcement), _SUBJECT)), "blocks": blocks}


def subject(announcement: Announcement) -> str:
    """One line, for e-mail and for channels that show a title."""
    return short(f"[retrain] {_MARKS[announcement.level]}{announcement.headline}", _SUBJECT)


def text(announcement: Announcement) -> str:
    """Lines without any markup."""
    lines = [_headline(announcement)]
    if announcement.numbers:
        lines += ["", *(f"{name}: {value}" for name, value in announcement.numbers)]
    if announcement.act:
        lines += ["", announcement.act]
    if _links(announcement):
        lines += ["", *(f"{name}: {address}" for name, address in _links(announcement))]
    return "\n".join(lines)


def quiet_text(announcement: Announcement) -> str:
    """`text` for chats: short enough, and an @ in it is no mention of anybody."""
    return short(_quiet(text(announcement)), _BODY, lines=True)


def quiet_subject(announcement: Announcement) -> str:
    """`subject` for chats."""
    return short(_quiet(subject(announcement)), _SUBJECT)


def html(announcement: Announcement) -> str:
    """The body of an e-mail."""
    parts = [f"<p><strong>{escape(_headline(announcement))}</strong></p>"]
    if announcement.numbers:
        rows = "".join(
            f'<tr><td style="padding-right:1em">{escape(name)}</td><td>{escape(value)}</td></tr>'
            for name, value in announcement.numbers
        )
        parts.append(f"<table>{rows}</table>")
    if announcement.act:
        parts.append(f"<p>{escape(announcement.act)}</p>")
    if _links(announcement):
        links = (f'<a href="{escape(address)}">{escape(name)}</a>' for name, address in _links(announcement))
        parts.append(f"<p>{' · '.join(links)}</p>")
    return "\n".join(parts)


def markdown(announcement: Announcement) -> str:
    """For a form of Airflow's. Its links are left out: the form is where one of them leads to."""
    parts = [f"**{markdown_text(_headline(announcement))}**"]
    if announcement.numbers:
        rows = (f"| {markdown_text(name)} | {markdown_text(value)} |" for name, value in announcement.numbers)
        parts.append("\n".join(["| | |", "|---|---|", *rows]))
    if announcement.act:
        parts.append(markdown_text(announcement.act))
    return "\n\n".join(parts)


def short(said: str, most: int, *, lines: bool = False) -> str:
    """At most so many characters. lines: keep them; else it becomes one."""
    said = said if lines else " ".join(said.split())
    return said if len(said) <= most else f"{said[: most - 1]}…"


def _headline(announcement: Announcement) -> str:
    return short(_MARKS[announcement.level] + announcement.headline, _HEADLINE)


def _links(announcement: Announcement) -> list[tuple[str, str]]:
    """Only addresses of the web, and none that a channel would cut."""
    return [(name, address) for name, address in announcement.links if is_of_the_web(address)]


def is_of_the_web(address: str) -> bool:
    """Whether an address may become a link: one of another kind may do something when it is followed."""
    return address.startswith(("http://", "https://")) and len(address) <= _ADDRESS and not re.search(r"\s", address)


def _quiet(said: str) -> str:
    return re.sub(r"@(?=\w)", "@\u200b", said)


def _plain(said: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": said, "emoji": False}


def _slack(said: str) -> str:
    """https://docs.slack.dev/messaging/formatting-message-text#escaping."""
    return said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown_text(said: str) -> str:
    """As CommonMark lets any of its characters be said, in one line."""
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~&-])", r"\\\1", " ".join(said.split()))
