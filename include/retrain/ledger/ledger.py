"""The ledger: what was claimed, snapshotted, judged, promoted and announced. The only writer of schema `retrain`.

Each method is one transaction. No text for the team is written here: a method whose change is announced is given the
announcement, or a function that makes it from the row.
"""

from retrain.ledger.claims import Claims
from retrain.ledger.dismissals import Dismissals
from retrain.ledger.faults import Faults
from retrain.ledger.freezes import Freezes
from retrain.ledger.live import LiveScores
from retrain.ledger.model_files import ModelFiles
from retrain.ledger.outbox import Outbox
from retrain.ledger.promotions import Promotions
from retrain.ledger.snapshots import Snapshots
from retrain.ledger.splits import Splits
from retrain.ledger.trials import Trials
from retrain.ledger.verdicts import Verdicts


class Ledger(
    Claims,
    Snapshots,
    ModelFiles,
    Dismissals,
    Verdicts,
    Promotions,
    Freezes,
    Faults,
    Outbox,
    LiveScores,
    Trials,
    Splits,
):
    """All tables of schema `retrain`. Each part has a file of its own."""
