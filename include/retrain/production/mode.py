"""Whether verdicts change Production: as the spec says, or else by whose version is there."""

from retrain.ledger.ledger import Ledger
from retrain.spec.operation import Mode
from retrain.spec.spec import Spec


def mode_of(spec: Spec, ledger: Ledger) -> Mode:
    """Return the spec's mode. Without one: a Production that was adopted is only observed, until somebody writes it."""
    if spec.mode is not None:
        return spec.mode
    head = ledger.production(spec.model)
    file = ledger.file_of(spec.model, head) if head else None
    return Mode.OBSERVE if file is not None and file.adopted else Mode.ENFORCE
