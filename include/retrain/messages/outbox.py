"""Sends the announcements that wait in the outbox, the oldest first, to each channel at its own pace."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from retrain.errors import ChannelError
from retrain.ledger.ledger import Ledger
from retrain.ledger.outbox import Delivery
from retrain.messages import texts
from retrain.records import Announcement
from retrain.topics import Level

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
_PATIENCE = timedelta(days=1)
_LEAST_ATTEMPTS = 5
"""A sender that was itself away for a day has not shown that the channel is down."""


class Channel(Protocol):
    """Where a team reads."""

    @property
    def name(self) -> str:
        """The same each time: the outbox remembers under it what the channel was sent."""

    @property
    def least(self) -> Level:
        """The channel gets nothing below this level."""

    def deliver(self, key: str, announcement: Announcement) -> None:
        """Send an announcement. key: the same at each attempt. Raises ChannelError where it may not have arrived; the
        error says whether to send it again.
        """


def send(model: str, channels: Sequence[Channel], *, ledger: Ledger) -> int:
    """Send what waits and is due; return how many announcements every channel is now done with.

    A channel that refuses delays only itself: the message is sent there again after a pause that doubles from 30 s to
    an hour, or is as long as the channel asks for. After a day, or at once where it must not be sent again, the message
    is given up there, and the other channels are told. Where two senders run at once, one of them serves each channel.
    """
    for channel in channels:
        while _sent_one(model, channel, ledger):
            pass
    return ledger.close_messages(model, [channel.name for channel in channels])


def _sent_one(model: str, channel: Channel, ledger: Ledger) -> bool:
    """Whether the channel is done with its oldest message, so that the next one may be looked at."""
    with ledger.next_delivery(model, channel.name, old=_PATIENCE) as delivery:
        if delivery is None:
            return False
        announcement = delivery.announcement
        if not _is_for(channel, announcement):
            delivery.end("unwanted")
            return True
        try:
            channel.deliver(delivery.key, announcement)
        except ChannelError as error:
            if error.final or (delivery.old and delivery.attempts >= _LEAST_ATTEMPTS):
                _give_up(delivery, channel, error)
                return True
            pause = max(min(_FIRST_PAUSE * 2 ** min(delivery.attempts - 1, 20), _LONGEST_PAUSE), error.retry_after)
            log.warning("%s; again in %d s: %s", error, pause.total_seconds(), announcement.headline)
            delivery.try_again(pause, str(error))
            return False
        delivery.end("delivered")
        return True


def _give_up(delivery: Delivery, channel: Channel, error: ChannelError) -> None:
    announcement = delivery.announcement
    log.error("%s: the announcement is given up there: %s", error, announcement.headline)
    # In part, it has arrived: the channel must not get it twice.
    delivery.end("delivered" if error.in_part else "dead", str(error))
    lost = texts.of_lost(announcement, channel.name, error)
    delivery.announce(f"lost/{announcement.model}/{channel.name}/{datetime.now(UTC).date()}", lost)


def _is_for(channel: Channel, announcement: Announcement) -> bool:
    return announcement.level.rank >= channel.least.rank and announcement.facts.get("lost_by") != channel.name
