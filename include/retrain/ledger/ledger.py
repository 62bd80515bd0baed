"""Retrain's own tables: what was claimed, taken, judged, promoted and announced. The only writer of schema `retrain`.

One method is one transaction. It holds no words for people: a change that the team hears of takes the announcement, or
a function that makes it from the row.
"""

from retrain.ledger.claims import Claims
from retrain.ledger.faults import Faults
from retrain.ledger.freezes import Freezes
from retrain.ledger.model_files import ModelFiles
from retrain.ledger.outbox import Outbox
from retrain.ledger.promotions import Promotions
from retrain.ledger.snapshots import Snapshots
from retrain.ledger.verdicts import Verdicts


class Ledger(Claims, Snapshots, ModelFiles, Verdicts, Promotions, Freezes, Faults, Outbox):
    """All of it; each part has a file of its own."""
