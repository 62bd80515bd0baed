"""Sends what waits in the outbox, oldest first, to each channel at its own pace."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from retrain.errors import ChannelError
from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.records import Announcement, Level

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
_PATIENCE = timedelta(days=1)
_LEAST_ATTEMPTS = 5
"""Whoever was away for a day himself has not shown that the channel is down."""


class Channel(Protocol):
    """Where a team reads."""

    @property
    def name(self) -> str:
        """The same each time: what it has been sent is remembered under it."""

    @property
    def least(self) -> Level:
        """What is below this is not for it."""

    def deliver(self, key: str, announcement: Announcement) -> None:
        """key: the same each time that this one is sent. Raises ChannelError where it may not have arrived."""


def send(model: str, channels: Sequence[Channel], *, ledger: Ledger) -> int:
    """Send what waits and is due; how many announcements every channel is done with by this.

    A channel that refuses delays only itself: the message is sent there again after a pause that doubles from 30 s to
    an hour, or as long as the channel asks for. After a day it is given up there, and the other channels are told. Of
    two who send at once, each channel is served by one.
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
            if delivery.old and delivery.attempts >= _LEAST_ATTEMPTS:
                log.error("%s: it is given up there: %s", error, announcement.headline)
                delivery.end("dead", str(error))
                lost = texts.of_lost(announcement, channel.name, str(error))
                delivery.announce(f"lost/{model}/{channel.name}/{datetime.now(UTC).date()}", lost)
                return True
            pause = max(min(_FIRST_PAUSE * 2 ** min(delivery.attempts - 1, 20), _LONGEST_PAUSE), error.retry_after)
            log.warning("%s; again in %d s: %s", error, pause.total_seconds(), announcement.headline)
            delivery.try_again(pause, str(error))
            return False
        delivery.end("delivered")
        return True


def _is_for(channel: Channel, announcement: Announcement) -> bool:
    return announcement.level.rank >= channel.least.rank and announcement.facts.get("lost_by") != channel.name
