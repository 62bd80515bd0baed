"""A channel for tests that stores its messages, or refuses them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from retrain.errors import ChannelError
from retrain.ledger.ledger import Ledger
from retrain.messages import outbox
from retrain.records import Announcement
from retrain.topics import Level


@dataclass
class Mailbox:
    name: str = "mailbox"
    least: Level = Level.INFO
    down: bool = False
    retry_after: timedelta = timedelta(0)
    """The pause that it asks for while it is down."""
    meanwhile: Callable[[], object] | None = None
    """Called before a message is taken."""
    got: list[tuple[str, Announcement]] = field(default_factory=list)
    attempts: int = 0

    def deliver(self, key: str, announcement: Announcement) -> None:
        self.attempts += 1
        if self.meanwhile is not None:
            self.meanwhile()
        if self.down:
            raise ChannelError(f"{self.name} is down", retry_after=self.retry_after)
        self.got.append((key, announcement))

    @property
    def headlines(self) -> list[str]:
        return [announcement.headline for _, announcement in self.got]


def waiting(ledger: Ledger, model: str) -> list[Announcement]:
    """Deliver what waits in the outbox, and return it."""
    mailbox = Mailbox()
    outbox.send(model, [mailbox], ledger=ledger)
    return [announcement for _, announcement in mailbox.got]
